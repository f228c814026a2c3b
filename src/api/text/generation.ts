// Generation as callers see it: its options, the parts of text as they come, and the totals at the end.

import { namesOf } from "../../options.js";
import type { TokenLogprob } from "../../sampling/logprobs.js";
import { samplingOptionNames } from "../../sampling/resolve-sampling.js";
import type { SamplingOptions } from "../../sampling/sampling-options.js";
import { type GrammarOptions, grammarOptionNames } from "./grammars.js";
import type { ToolCall, ToolCallDelta } from "./tools.js";

/** How to generate: how to sample, and when to stop. */
export interface GenerateOptions extends SamplingOptions, GrammarOptions {
  /** Tokens at most. Default: what the context has room for; with `contextShift`, no limit. */
  readonly maxTokens?: number;
  /**
   * Goes on when the context is full: the first `keep` tokens of the text stay, of the others the older half is forgotten, and what is
   * left is evaluated again at its new place. That costs half a context of prefill each time. Default: the generation ends there, with
   * the reason "length".
   */
  readonly contextShift?: { readonly keep: number };
  /** The text ends before the first of these; they are not part of it. */
  readonly stop?: string | readonly string[];
  /** Ends the generation: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Log probability of a token, and of the most likely ones at its place. */
export interface GeneratedLogprob extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

/** A piece of a generation; the last one has `done`. */
export interface GeneratedPart {
  /** What there is to add to the text. In a chat with `tools`, calls are no part of it. */
  readonly text: string;
  /** The tokens since the last part; text can come later than its tokens. */
  readonly tokens: Int32Array;
  /** One for each token, with the option `logprobs`. */
  readonly logprobs?: readonly GeneratedLogprob[];
  readonly done?: GenerationSummary;
  /** In a chat with `tools`: what there is to add to the calls that the answer asks for. */
  readonly toolCallDeltas?: readonly ToolCallDelta[];
  /** In the last part of a chat with `tools`: all calls that the answer asks for, if it does. */
  readonly toolCalls?: readonly ToolCall[];
}

/** "stop": a stop string, or a token that ends a text. "length": maxTokens, or the context is full. */
export type FinishReason = "stop" | "length";

/** Tokens that a generation read and wrote. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Tokens of the prompt that were in the KV cache already. */
  readonly cachedTokens: number;
  /** The seed in use, given or chosen. */
  readonly seed: number;
}

/** How long a generation took. */
export interface Timings {
  /** Evaluating the prompt, ms; and tokens per second. */
  readonly prefillMilliseconds: number;
  readonly prefillTokensPerSecond: number;
  /** From the first token on, ms; and tokens per second. */
  readonly decodeMilliseconds: number;
  readonly decodeTokensPerSecond: number;
}

/** How a generation ended, and what it took. */
export interface GenerationSummary {
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly timings: Timings;
}

/** A whole generation. */
export interface Completion extends GenerationSummary {
  readonly text: string;
  readonly tokens: Int32Array;
  readonly logprobs?: readonly GeneratedLogprob[];
  /** Of a chat with `tools`: the calls that the answer asks for. */
  readonly toolCalls?: readonly ToolCall[];
}

/** A whole generation of JSON. */
export interface JsonCompletion<Value = unknown> extends Completion {
  /** The text, parsed. */
  readonly object: Value;
}

/** The names of `GenerateOptions`. */
export const generateOptionNames = [
  ...namesOf<Omit<GenerateOptions, keyof (SamplingOptions & GrammarOptions)>>({
    maxTokens: true,
    contextShift: true,
    stop: true,
    signal: true,
  }),
  ...samplingOptionNames,
  ...grammarOptionNames,
];
