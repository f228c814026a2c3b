// Generation as callers see it: its options, the parts of text as they come, and the totals at the end.

import { namesOf } from "../../options.js";
import type { Speculation } from "../../protocol/messages.js";
import type { TokenLogprob } from "../../sampling/logprobs.js";
import { samplingOptionNames } from "../../sampling/resolve-sampling.js";
import type { SamplingOptions } from "../../sampling/sampling-options.js";
import { type GrammarOptions, grammarOptionNames } from "./grammars.js";
import type { ToolCall, ToolCallDelta } from "./tools.js";

/** How to generate: how to sample, and when to stop. */
export interface GenerateOptions extends SamplingOptions, GrammarOptions {
  /** The most tokens to generate. Default: as many as the context has room for; with `contextShift`, no limit. */
  readonly maxTokens?: number;
  /**
   * Goes on when the context is full: the first `keep` tokens of the text stay, the older half of the others is forgotten, and the rest
   * is evaluated again at its new place. That costs half a context of prefill each time. Default: the generation ends there, with the
   * reason "length".
   */
  readonly contextShift?: { readonly keep: number };
  /** The text ends before the first of these; they are not part of it. */
  readonly stop?: string | readonly string[];
  /** Whether parts tell how far the prompt is evaluated: `part.prefill`. Default false. */
  readonly prefillProgress?: boolean;
  /**
   * Where guesses at the next tokens come from, which one step of the model checks together: "lookup", what followed the same words earlier
   * in the text; "draft", the draft model that the model was loaded with; "off". The text is the same. Guesses are made only while they
   * save time. Default: what `loadModel` was told, else "off".
   */
  readonly speculate?: Speculation;
  /**
   * What the text will most likely be, such as a file of which little is changed: "lookup" guesses from it, too, and is on unless
   * `speculate` says otherwise. A hint: a model that cannot speculate does without.
   */
  readonly prediction?: string;
  /** Ends the generation: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Log probability of a token, and of the most likely tokens at its place. */
export interface GeneratedLogprob extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

/** How far a prompt is evaluated, in tokens. */
export interface PrefillProgress {
  readonly promptTokens: number;
  /** Of them, those that were already in the KV cache. */
  readonly cachedTokens: number;
  /** Of them, those that are in it now. */
  readonly evaluatedTokens: number;
}

/** A piece of a generation. The last one has `done`. */
export interface GeneratedPart {
  /** New text. In a chat, thoughts are not part of it, nor are calls of `tools`. */
  readonly text: string;
  /** In a chat: new text of the model's thoughts, which come before its answer. */
  readonly reasoning?: string;
  /** The tokens since the last part. Text can come later than its tokens. */
  readonly tokens: Int32Array;
  /** With the option `logprobs`, one entry for each token. */
  readonly logprobs?: readonly GeneratedLogprob[];
  readonly done?: GenerationSummary;
  /** With the option `prefillProgress`: a part without text or tokens, after each step that has evaluated some of the prompt. */
  readonly prefill?: PrefillProgress;
  /** In a chat with `tools`: new pieces of the calls that the answer asks for. */
  readonly toolCallDeltas?: readonly ToolCallDelta[];
  /** In the last part of a chat with `tools`: all calls that the answer asks for, if there are any. */
  readonly toolCalls?: readonly ToolCall[];
}

/** "stop": a stop string, or a token that ends a text. "length": maxTokens, or the context is full. */
export type FinishReason = "stop" | "length";

/** Tokens that a generation read and wrote. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Of these, the tokens of thoughts, if there are any. */
  readonly reasoningTokens?: number;
  /** Tokens of the prompt that were already in the KV cache. */
  readonly cachedTokens: number;
  /** With `speculate`: tokens that were guessed, and those of them that were right. */
  readonly draftedTokens?: number;
  readonly acceptedTokens?: number;
  /** The seed that was used, whether given or chosen. */
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
  /** What was ignored in a schema (of `jsonSchema`, or of tools), if anything was: a sentence for each word. */
  readonly diagnostics?: readonly string[];
}

/** A whole generation. */
export interface Completion extends GenerationSummary {
  readonly text: string;
  /** In a chat: what the model thought before it answered, if it did. */
  readonly reasoning?: string;
  readonly tokens: Int32Array;
  readonly logprobs?: readonly GeneratedLogprob[];
  /** In a chat with `tools`: the calls that the answer asks for. */
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
    prefillProgress: true,
    speculate: true,
    prediction: true,
    signal: true,
  }),
  ...samplingOptionNames,
  ...grammarOptionNames,
];
