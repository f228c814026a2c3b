// What the main thread and the leader say to each other. All of it survives structured cloning.

import type { Automaton, TokenBytes } from "../grammar/index.js";
import type { Blueprint } from "../model/blueprint.js";
import type { HeadShape } from "../model/head.js";
import type { ModelSource } from "../model/loading.js";
import type { TokenBreakers } from "../tokenizer/sequence-breakers.js";
import type { Pooling } from "./pooling.js";
import type { SamplingOptions, TokenLogprob } from "./sampling.js";

/** What every worker is given when it starts. */
export interface Program {
  readonly blueprint: Blueprint;
  readonly head: HeadShape;
  /** Of each RoPE, radians per position. */
  readonly frequencies: readonly Float64Array[];
  readonly source: ModelSource;
  readonly contextSize: number;
  /** Workers that take part in steps of one row, and of several. */
  readonly decodeWorkers: number;
  readonly batchWorkers: number;
}

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

/** Generate. `ids` is the whole text so far; a sequence that is named keeps it for the next time. */
export interface GenerateRequest extends JobRequest {
  readonly type: "generate";
  readonly sequence: number | undefined;
  readonly ids: Int32Array;
  readonly sampling: SamplingOptions;
  /** What the sequence breakers of DRY are in tokens, where it is on. */
  readonly breakers: TokenBreakers | undefined;
  readonly maxTokens: number;
  readonly endIds: readonly number[];
  readonly grammar: GrammarRequest | undefined;
}

/** What the text must match. */
export interface GrammarRequest {
  /** Equal grammars have equal numbers. */
  readonly key: number;
  readonly automaton: Automaton;
  /** The same for all requests of a model, in shared memory. */
  readonly vocabulary: TokenBytes;
}

/** Texts to vectors, not normalised. */
export interface EmbedRequest extends JobRequest {
  readonly type: "embed";
  /** The texts, one after another; and where each ends, and the next begins. */
  readonly ids: Int32Array;
  readonly ends: Int32Array;
  readonly pooling: Pooling;
}

export type JobRequestMessage = EvaluateRequest | GenerateRequest | EmbedRequest;

export type LeaderRequest =
  | JobRequestMessage
  /** `evictable`: its cache may be dropped while it is idle; `generate` then evaluates its text again. */
  | { readonly type: "open"; readonly sequence: number; readonly evictable: boolean }
  | { readonly type: "fork"; readonly sequence: number; readonly from: number }
  | { readonly type: "truncate"; readonly sequence: number; readonly length: number }
  | { readonly type: "close"; readonly sequence: number }
  /** Some abort flag was set. */
  | { readonly type: "abort" };

export interface GenerateSummary {
  readonly finishReason: "stop" | "length";
  readonly seed: number;
  /** Tokens whose keys and values were in the cache already. */
  readonly cachedTokens: number;
  readonly prefillMilliseconds: number;
  readonly decodeMilliseconds: number;
}

export type LeaderAnswer =
  | { readonly type: "ready" }
  | {
      readonly type: "token";
      readonly job: number;
      readonly id: number;
      readonly logprob?: number;
      readonly top?: readonly TokenLogprob[];
    }
  | { readonly type: "generated"; readonly job: number; readonly summary: GenerateSummary }
  | { readonly type: "evaluated"; readonly job: number; readonly logits: Float32Array }
  /** (texts, elements); where the pooling is none, (tokens, elements). */
  | { readonly type: "embedded"; readonly job: number; readonly vectors: Float32Array }
  | { readonly type: "aborted"; readonly job: number }
  | {
      readonly type: "failed";
      readonly job: number;
      readonly kind: "context" | "option" | "grammar";
      readonly code: string;
      readonly message: string;
    };
