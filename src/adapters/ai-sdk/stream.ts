// A generation as the AI SDK streams it.

import type {
  LanguageModelV3FinishReason,
  LanguageModelV3StreamPart,
  LanguageModelV3Usage,
  SharedV3ProviderMetadata,
  SharedV3Warning,
} from "@ai-sdk/provider";
import type { GeneratedPart, GenerationSummary, ToolCall } from "../../index.js";
import { newCallId, toolCallOf } from "./tools.js";

/** How a generation ended, in the SDK's words. */
export function endOf(
  { finishReason, usage, timings }: GenerationSummary,
  toolCalls: readonly ToolCall[] | undefined,
): {
  finishReason: LanguageModelV3FinishReason;
  usage: LanguageModelV3Usage;
  providerMetadata: SharedV3ProviderMetadata;
} {
  const { promptTokens, cachedTokens, completionTokens, reasoningTokens = 0, seed } = usage;
  return {
    finishReason: { unified: toolCalls === undefined ? finishReason : "tool-calls", raw: finishReason },
    usage: {
      inputTokens: {
        total: promptTokens,
        noCache: promptTokens - cachedTokens,
        cacheRead: cachedTokens,
        cacheWrite: undefined,
      },
      outputTokens: {
        total: completionTokens,
        text: completionTokens - reasoningTokens,
        reasoning: reasoningTokens,
      },
    },
    providerMetadata: { cria: { seed, timings: { ...timings } } },
  };
}

/** A generation whose `first` part has been read already, as the SDK streams it. A stream that is cancelled ends it. */
export function streamOf(
  first: GeneratedPart,
  rest: AsyncGenerator<GeneratedPart, void, undefined>,
  { warnings, signal }: { warnings: SharedV3Warning[]; signal: AbortSignal | undefined },
): ReadableStream<LanguageModelV3StreamPart> {
  const translate = translator();
  return new ReadableStream<LanguageModelV3StreamPart>({
    start(controller) {
      controller.enqueue({ type: "stream-start", warnings });
      for (const part of translate(first)) controller.enqueue(part);
    },
    async pull(controller) {
      try {
        for (;;) {
          const { done, value } = await rest.next();
          if (done) return controller.close();
          const parts = [...translate(value)];
          for (const part of parts) controller.enqueue(part);
          // Tokens can come before their text; a pull that brings nothing is not repeated.
          if (parts.length > 0) return;
        }
      } catch (error) {
        // The SDK knows an abort by the stream's failing, and other errors as parts.
        if (signal?.aborted) throw error;
        controller.enqueue({ type: "error", error });
        controller.close();
      }
    },
    async cancel() {
      await rest.return();
    },
  });
}

/** What becomes of each part of one generation: thoughts and text, each between its start and its end, calls, and how it ended. */
function translator(): (part: GeneratedPart) => Iterable<LanguageModelV3StreamPart> {
  /** What has begun and not ended; its id is its name. */
  let open: "reasoning" | "text" | undefined;
  /** Of the calls so far, in their order. */
  const ids: string[] = [];
  function* end(): Iterable<LanguageModelV3StreamPart> {
    if (open !== undefined) yield { type: `${open}-end`, id: open };
    open = undefined;
  }
  function* say(kind: "reasoning" | "text", delta: string): Iterable<LanguageModelV3StreamPart> {
    if (delta === "") return;
    if (open !== kind) {
      yield* end();
      yield { type: `${kind}-start`, id: kind };
      open = kind;
    }
    yield { type: `${kind}-delta`, id: kind, delta };
  }
  return function* ({ text, reasoning = "", toolCallDeltas = [], toolCalls, done }) {
    yield* say("reasoning", reasoning);
    yield* say("text", text);
    if (toolCallDeltas.length > 0 || done !== undefined) yield* end();
    for (const { index, name, arguments: json, call } of toolCallDeltas) {
      ids[index] ??= newCallId();
      const id = ids[index]!;
      if (name !== undefined) yield { type: "tool-input-start", id, toolName: name };
      if (json !== "") yield { type: "tool-input-delta", id, delta: json };
      if (call === undefined) continue;
      yield { type: "tool-input-end", id };
      yield toolCallOf(call, id);
    }
    if (done !== undefined) yield { type: "finish", ...endOf(done, toolCalls) };
  };
}
