// What the caller's thread and the leader say to each other. All of it survives structured cloning.

import type { Automaton } from "../grammar/automaton.js";
import type { TokenBytes, VocabularyTables } from "../grammar/vocabulary.js";
import type { PostedError } from "../posted-error.js";
import type { SamplingOptions, TokenLogprob } from "../sampling/sampler.js";
import type { TokenBreakers } from "../tokenizer/sequence-breakers.js";
import type { Pooling } from "./pooling.js";

/** What every request for a job has. */
export interface JobRequest {
  /** The caller's number for this job; answers carry it. */
  readonly job: number;
  /** The abort flag that the leader watches. */
  readonly abort: number;
}

/** Continue a sequence by tokens and answer with logits. */
export interface EvaluateRequest extends JobRequest {
  readonly type: "evaluate";
  readonly sequence: number;
  readonly ids: Int32Array;
  readonly logits: "last" | "all";
}

/** Generate. `ids` is the whole text so far. If a sequence is given, it keeps the text for the next time. */
export interface GenerateRequest extends JobRequest {
  readonly type: "generate";
  readonly sequence: number | undefined;
  readonly ids: Int32Array;
  readonly sampling: SamplingOptions;
  /** The sequence breakers of DRY as tokens, where DRY is on. */
  readonly breakers: TokenBreakers | undefined;
  readonly maxTokens: number;
  /** How many tokens stay when the context is full; the older half of the others goes. undefined: the generation ends there. */
  readonly keep: number | undefined;
  readonly endIds: readonly number[];
  /** How many ids have a token. A model may have more rows of logits, which are never chosen or reported. */
  readonly vocabularySize: number;
  readonly grammar: GrammarRequest | undefined;
  /** Whether the leader tells how far the prompt is evaluated. */
  readonly progress: boolean;
  readonly speculation: Speculation;
  /** What the text will most likely be: guesses come from there, too. */
  readonly prediction: Int32Array | undefined;
}

/**
 * Where guesses at the next tokens come from, which one step of the model checks together: the text itself, a draft model, or nowhere. What
 * is generated does not depend on it.
 */
export type Speculation = "off" | "lookup" | "draft";

/** Guesses since the generation began, and those of them that were right. */
export interface DraftCounts {
  readonly drafted: number;
  readonly accepted: number;
}

/**
 * How many tokens of a generation may lie between the leader and whoever reads them. When there are so many, the generation is paused: its
 * job waits without a flag, a row or a page of its own, until a grant comes.
 */
export const TOKEN_WINDOW = 256;

/** What the text must match. */
export interface GrammarRequest {
  /** Equal grammars have equal numbers. */
  readonly key: number;
  readonly automaton: Automaton;
  /** The same for all requests of a model, in shared memory. */
  readonly vocabulary: { readonly text: TokenBytes; readonly tables: VocabularyTables };
}

/** Texts to vectors, not normalised. */
export interface EmbedRequest extends JobRequest {
  readonly type: "embed";
  /** The texts, one after another, and the index at which each ends and the next begins. */
  readonly ids: Int32Array;
  readonly ends: Int32Array;
  readonly pooling: Pooling;
}

/** Answer with what a sequence holds, between `head` and `tail` more bytes. */
export interface SaveRequest extends JobRequest {
  readonly type: "save";
  readonly sequence: number;
  readonly head: Uint8Array;
  readonly tail: number;
}

export type JobRequestMessage = EvaluateRequest | GenerateRequest | EmbedRequest;

export type LeaderRequest =
  | JobRequestMessage
  | { readonly type: "open"; readonly sequence: number }
  | { readonly type: "fork"; readonly sequence: number; readonly from: number }
  | { readonly type: "truncate"; readonly sequence: number; readonly length: number }
  | { readonly type: "close"; readonly sequence: number }
  | SaveRequest
  /** Open a sequence that holds these tokens, these pages, and the recurrent state at their end. */
  | {
      readonly type: "restore";
      readonly sequence: number;
      readonly tokens: Int32Array;
      readonly pages: Uint8Array;
      readonly state: Uint8Array;
    }
  /** Some abort flag was set. */
  | { readonly type: "abort" }
  /** The reader has taken so many tokens of a generation, which may send as many more. `abort`: its flag from now on. */
  | { readonly type: "grant"; readonly job: number; readonly tokens: number; readonly abort: number }
  /** Abort a job that has no flag: a generation that is paused, or any where threads share no memory. */
  | { readonly type: "drop"; readonly job: number }
  /** Answer with what identifies the weights. */
  | SampleRequest;

/** Answer with samples of the weights as they lie in memory. */
export interface SampleRequest extends JobRequest {
  readonly type: "sample";
}

export interface GenerateSummary {
  readonly finishReason: "stop" | "length";
  /** Tokens whose keys and values were already in the cache. */
  readonly cachedTokens: number;
  readonly prefillMilliseconds: number;
  readonly decodeMilliseconds: number;
  /** Where it speculates. */
  readonly speculated?: DraftCounts;
}

/** What a sequence holds: its tokens, those of its full pages that are computed, and the recurrent state at their end. */
export interface SavedSequence {
  /** head, tokens as int32, pages, recurrent state, room for a tail */
  readonly session: Uint8Array<ArrayBuffer>;
  readonly tokens: number;
  readonly pages: number;
}

export type LeaderAnswer =
  | { readonly type: "ready" }
  | {
      readonly type: "token";
      readonly job: number;
      readonly id: number;
      readonly logprob?: number;
      readonly top?: readonly TokenLogprob[];
      /** Up to this token, where it speculates and that is news. */
      readonly speculated?: DraftCounts;
    }
  /** So many tokens of a prompt are evaluated; so many of them were in the cache. */
  | { readonly type: "progress"; readonly job: number; readonly evaluated: number; readonly cached: number }
  | { readonly type: "generated"; readonly job: number; readonly summary: GenerateSummary }
  | { readonly type: "evaluated"; readonly job: number; readonly logits: Float32Array }
  /** (texts, elements); where the pooling is none, (tokens, elements). */
  | { readonly type: "embedded"; readonly job: number; readonly vectors: Float32Array }
  | ({ readonly type: "saved"; readonly job: number } & SavedSequence)
  | { readonly type: "sampled"; readonly job: number; readonly samples: Uint8Array<ArrayBuffer> }
  | { readonly type: "aborted"; readonly job: number }
  | {
      readonly type: "failed";
      readonly job: number;
      readonly error: PostedError;
    };

/** Where threads share no memory: the beginning of the worker's memory, up to the step, and its meter. */
export interface BoardNotice {
  readonly type: "board";
  readonly words: Uint8Array;
  readonly meter: Uint8Array;
}
