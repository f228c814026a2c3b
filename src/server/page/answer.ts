// An answer while it comes: the chunks of /v1/chat/completions put together.

import type { Figures, Message } from "./chats.js";
import { ask, events } from "./client.js";

/** How far a prompt has been read, as llama.cpp's server says it. */
export interface Progress {
  readonly total: number;
  readonly cache: number;
  readonly processed: number;
}

interface Timings {
  readonly prompt_per_second?: number;
  readonly predicted_per_second?: number;
  readonly predicted_n?: number;
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: string | null;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly {
        readonly index: number;
        readonly id?: string;
        readonly function?: { readonly name?: string; readonly arguments?: string };
      }[];
    };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  } | null;
  readonly timings?: Timings;
  readonly prompt_progress?: Progress;
}

/** What happens while an answer comes. */
export interface Listener {
  /** The prompt is being read. */
  progress(progress: Progress): void;
  /** The message has grown. `speed`: tokens a second, when it is known. */
  grown(speed: number | undefined): void;
}

/**
 * Asks, and lets `message` grow. Where it is aborted or fails, the message keeps what has come.
 *
 * @throws Refusal; AbortError
 */
export async function receive(body: object, message: Message, signal: AbortSignal, listener: Listener): Promise<void> {
  const response = await ask("v1/chat/completions", { body, signal });
  let timings: Timings = {};
  let reason: string | null | undefined;
  for await (const chunk of events<Chunk>(response)) {
    if (chunk.prompt_progress !== undefined) listener.progress(chunk.prompt_progress);
    timings = { ...timings, ...chunk.timings };
    for (const { delta, finish_reason } of chunk.choices ?? []) {
      message.content += delta?.content ?? "";
      if (delta?.reasoning_content !== undefined)
        message.reasoning = (message.reasoning ?? "") + delta.reasoning_content;
      for (const piece of delta?.tool_calls ?? []) addPiece(message, piece);
      reason = finish_reason ?? reason;
    }
    if (chunk.usage) message.figures = figuresOf(chunk.usage, timings);
    listener.grown(timings.predicted_per_second);
  }
  if (reason === "length") message.ended = "It ended at the most tokens, or at the end of the context.";
  else if (reason === undefined) message.ended = "The connection ended before the answer did.";
}

type Piece = NonNullable<NonNullable<NonNullable<Chunk["choices"]>[number]["delta"]>["tool_calls"]>[number];

function addPiece(message: Message, piece: Piece): void {
  message.tool_calls ??= [];
  message.tool_calls[piece.index] ??= { id: "", type: "function", function: { name: "", arguments: "" } };
  const call = message.tool_calls[piece.index]!;
  call.id += piece.id ?? "";
  call.function.name += piece.function?.name ?? "";
  call.function.arguments += piece.function?.arguments ?? "";
}

function figuresOf(usage: NonNullable<Chunk["usage"]>, timings: Timings): Figures {
  return {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    tokens: usage.completion_tokens,
    prompt: timings.prompt_per_second,
    speed: timings.predicted_per_second,
  };
}
