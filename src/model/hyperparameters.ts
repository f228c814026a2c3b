// What a model's metadata says about its shape, checked once, here.

import { GgufError, UnsupportedError } from "../errors.js";
import type { DeltaNetParameters } from "./delta-net-parameters.js";
import { type ExpertParameters, type ExpertTraits, readExperts } from "./expert-parameters.js";
import type { KeyReader } from "./key-reader.js";

/** The numbers that define a transformer. Names as in llama2.c; keys as in the GGUF specification. */
export interface Hyperparameters {
  readonly architecture: string;
  /** `block_count` */
  readonly layers: number;
  /** `embedding_length` */
  readonly dim: number;
  /** `attention.head_count` */
  readonly heads: number;
  /** `attention.head_count_kv`: each is shared by heads / kvHeads neighbouring heads. Of the layers that have the most, if they differ. */
  readonly kvHeads: number;
  /** `attention.key_length`, else dim / heads. Of the layers that have the largest heads, if they differ. */
  readonly headDim: number;
  /** `feed_forward_length`; in a mixture of experts that of what all tokens take besides, 0 if there is none. The largest, if they differ. */
  readonly ffn: number;
  /** Of each layer, where layers may differ. */
  readonly layerFfn?: readonly number[];
  /** undefined: the feed-forward is dense. */
  readonly experts?: ExpertParameters | undefined;
  /** Rows of `token_embd.weight`. */
  readonly vocab: number;
  /** `context_length`: positions that the model was trained for. */
  readonly context: number;
  /** rms: RMSNorm; layer: the full one, with a mean. */
  readonly norm: NormKind;
  /** `attention.layer_norm_rms_epsilon`, or `attention.layer_norm_epsilon` of the full norm. */
  readonly normEpsilon: number;
  /** `attention.causal`: a token sees only what is before it. If not, the model is an encoder, which does not generate text. */
  readonly causal: boolean;
  /** `tokenizer.ggml.token_type_count`: rows of `token_types.weight`. */
  readonly tokenTypes: number;
  /** How each layer attends. */
  readonly attention: readonly LayerAttention[];
  readonly scales: Scales;
  readonly softcaps: Softcaps;
  /** `embedding_length_per_layer_input`: elements of the vector of its own that every layer gets of a token. undefined: none. */
  readonly perLayer?: number;
  /** Which elements of a head RoPE rotates together: 2 i and 2 i + 1, or i and i + half of the rotated. none: there is no RoPE. */
  readonly ropePairs: RopePairs;
  /** The ways in which layers rotate q and k. Empty without RoPE. */
  readonly ropes: readonly RopeParameters[];
  /** Whether scores fall with the distance between two positions (ALiBi: Press et al. 2021). */
  readonly alibi: boolean;
  /** `hidden_activation`: that of the gate, in architectures that have it in the file. */
  readonly gate?: "silu" | "gelu";
  /** Where the matrix of the gate is, in architectures that have several kinds of feed-forward: undefined: there is none. */
  readonly gateMatrix?: "own" | "fused" | undefined;
  /** undefined: all layers attend, and all that is kept of a text are keys and values. */
  readonly recurrence?: RecurrenceParameters | undefined;
  /** Of models whose layers that do not attend have gated DeltaNet. */
  readonly deltaNet?: DeltaNetParameters | undefined;
  /** `nextn_predict_layers`: layers behind the others, which guess further tokens. They are not read. Default 0. */
  readonly guessingLayers?: number;
}

/** What layers that do not attend need. */
export interface RecurrenceParameters {
  /** For each layer, how many f32 it keeps of a text, however long that is; 0: none. */
  readonly state: readonly number[];
  /** f32 columns of `buffers.recurrent`, a row of which they compute in. */
  readonly columns: number;
}

/** Whether each position has a row of its own, which is added to the token's. */
export function learnsPositions({ ropePairs, alibi }: Hyperparameters): boolean {
  return ropePairs === "none" && !alibi;
}

export type RopePairs = "neighbours" | "halves" | "none";

export type NormKind = "rms" | "layer";

/** What the keys do not say. */
export interface Traits {
  readonly ropePairs: RopePairs;
  readonly norm: NormKind;
  /** Of architectures whose feed-forward may be a mixture of experts. */
  readonly experts?: ExpertTraits;
  /** Whether tokens always see what comes after them. */
  readonly encoder?: boolean;
  /** Whether layers may differ in `attention.head_count_kv`, 0 being that of a layer that does not attend. */
  readonly kvHeadsDiffer?: boolean;
  /** Whether layers may differ in `feed_forward_length`. */
  readonly ffnDiffers?: boolean;
  readonly alibi?: boolean;
}

/** How a layer attends. */
export interface LayerAttention {
  /** KV heads; 0: the layer does not attend. */
  readonly kvHeads: number;
  /** Dimensions of a head. */
  readonly headDim: number;
  /** The layer before it whose keys and values it reads. undefined: it has its own. */
  readonly keysOf?: number;
  /** Whether each head of v is normalised, without weights. */
  readonly valueNorm?: boolean;
  /** How many positions a token sees up to and including its own; 0: all. */
  readonly window: number;
  /** How many positions after its own it sees. */
  readonly ahead: number;
  /** Which of `ropes` rotates q and k; undefined: none does. */
  readonly rope: number | undefined;
  /** The products of q and k are multiplied by it before the softmax. */
  readonly scale: number;
  /** Whether heads that are normalised are normalised after RoPE, not before. */
  readonly normsAfterRope?: boolean;
  readonly temperature?: Temperature;
}

/** q at position p is multiplied by 1 + growth * ln(1 + floor(p / length)). */
export interface Temperature {
  readonly length: number;
  readonly growth: number;
}

/** Constants by which some models multiply; 1 in all others. */
export interface Scales {
  /** Of the rows of the embedding. */
  readonly embedding: number;
  /** Of what attention and a dense feed-forward add to the residual stream. */
  readonly residual: number;
  readonly logits: number;
}

/** The soft limits of some models, cap * tanh(x / cap); 0: none. */
export interface Softcaps {
  /** `attn_logit_softcapping`: of the scaled products of q and k. */
  readonly scores: number;
  /** `final_logit_softcapping` */
  readonly logits: number;
}

/** RoPE as the file asks for it. */
export interface RopeParameters {
  /** `rope.dimension_count`: dimensions of a head that are rotated. */
  readonly dimensions: number;
  /** `rope.freq_base` */
  readonly base: number;
  readonly scaling: RopeScaling;
}

export type RopeScaling =
  | { readonly type: "none" }
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "yarn";
      readonly factor: number;
      readonly originalContext: number;
      readonly attentionFactor: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** How much of the magnitude that yarn gives q and k is taken out again: 0 nothing, 1 all. */
      readonly logMultiplier: number;
    }
  /** Each frequency is divided by a factor: one of two tensors has them, as the context is longer than the original one or not. */
  | { readonly type: "longrope"; readonly originalContext: number; readonly attentionFactor: number };

/** More positions ahead than any text has. */
export const ALL_AHEAD = 2 ** 30;

// Bounds far beyond any real model, so that no product of two of them leaves the safe integers.
export const LARGEST = {
  ...{ layers: 1024, dim: 2 ** 17, heads: 4096, ffn: 2 ** 20, context: 2 ** 30, vocab: 2 ** 24 },
  ropeBase: 1e12,
  ropeScale: 1e6,
  softcap: 1e6,
};

/**
 * Reads the keys that all architectures have. All layers attend alike: to all positions, or, if causal, to all up to their own; with the
 * one RoPE, if there is one, and with a scale of 1 / sqrt(headDim).
 * @throws GgufError for a missing or impossible value, UnsupportedError for a variant that the engine does not run
 */
export function readHyperparameters(reader: KeyReader, traits: Traits): Hyperparameters {
  const { ropePairs, norm, encoder = false, alibi = false, kvHeadsDiffer = false, ffnDiffers = false } = traits;
  const { gguf, architecture } = reader;
  const layers = reader.integer("block_count", undefined, 1, LARGEST.layers);
  const dim = reader.integer("embedding_length", undefined, 4, LARGEST.dim);
  const heads = reader.perLayer("attention.head_count", undefined, 1, LARGEST.heads);
  const kvHeadsOf = kvHeadsDiffer
    ? reader.ofEachLayer("attention.head_count_kv", layers, heads, 0, heads)
    : new Array<number>(layers).fill(reader.perLayer("attention.head_count_kv", heads, 1, heads));
  const kvHeads = Math.max(...kvHeadsOf);
  const context = reader.integer("context_length", undefined, 1, LARGEST.context);
  if (kvHeads === 0) throw reader.error("attention.head_count_kv", "no layer has a KV head");
  for (const count of kvHeadsOf) {
    if (count === 0 || heads % count === 0) continue;
    throw reader.error("attention.head_count_kv", `${count} does not divide the ${heads} heads`);
  }
  const headDim = reader.integer("attention.key_length", dim % heads === 0 ? dim / heads : undefined, 1, LARGEST.dim);
  const valueDim = reader.integer("attention.value_length", headDim, 1, LARGEST.dim);
  if (valueDim !== headDim) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `keys of ${headDim} and values of ${valueDim} dimensions; supported: the same for both`,
    );
  }
  if (headDim % 4 !== 0 || headDim > 1024) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `heads of ${headDim} dimensions; supported: multiples of 4 up to 1024`,
    );
  }
  const experts = readExperts(reader, dim, traits.experts);
  const layerFfn = ffnDiffers
    ? reader.ofEachLayer("feed_forward_length", layers, undefined, 1, LARGEST.ffn)
    : undefined;
  const ffn = layerFfn
    ? Math.max(...layerFfn)
    : (experts?.shared ?? reader.perLayer("feed_forward_length", undefined, 1, LARGEST.ffn));
  const epsilonKey = norm === "rms" ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  const normEpsilon = reader.number(epsilonKey, undefined, 0, 1);
  const causal = reader.boolean("attention.causal", !encoder);
  if (encoder && causal) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `${architecture}.attention.causal is true; supported: false, tokens that see the whole text`,
    );
  }
  const embedding = gguf.tensor("token_embd.weight");
  const vocab = embedding?.shape[1] ?? 0;
  if (vocab < 1 || vocab > LARGEST.vocab) {
    throw new GgufError("GGUF_TENSOR_MISSING", `the model has no usable token embedding`, {
      subject: "token_embd.weight",
    });
  }
  return {
    architecture,
    layers,
    dim,
    heads,
    kvHeads,
    headDim,
    ffn,
    ...(layerFfn && { layerFfn }),
    experts,
    vocab,
    context,
    norm,
    normEpsilon,
    causal,
    tokenTypes: gguf.metadata.getNumber("tokenizer.ggml.token_type_count") ?? 0,
    attention: kvHeadsOf.map((kvHeads) => ({
      kvHeads,
      headDim,
      window: 0,
      ahead: causal ? 0 : ALL_AHEAD,
      rope: ropePairs === "none" ? undefined : 0,
      scale: 1 / Math.sqrt(headDim),
    })),
    scales: { embedding: 1, residual: 1, logits: 1 },
    softcaps: { scores: 0, logits: 0 },
    ropePairs,
    ropes: ropePairs === "none" ? [] : [readRope(reader, headDim, context)],
    alibi,
  };
}

function readRope(reader: KeyReader, headDim: number, context: number): RopeParameters {
  const dimensions = reader.integer("rope.dimension_count", headDim, 2, headDim);
  if (dimensions % 2 !== 0) throw reader.error("rope.dimension_count", `${dimensions} is odd`);
  return { dimensions, base: readRopeBase(reader, "rope.freq_base"), scaling: readScaling(reader, context) };
}

/** The base of a RoPE: 10000 in files that do not have the key. */
export function readRopeBase(reader: KeyReader, key: string): number {
  if (key === "rope.freq_base") reader.guess(key, "the base of RoPE is taken to be 10000");
  return reader.number(key, 10000, 1, LARGEST.ropeBase);
}

/**
 * Which layers see only a window, by `attention.sliding_window_pattern`: of every so many all except one, or those for which an array says
 * so.
 */
export function readLocalLayers(
  reader: KeyReader,
  layers: number,
  period: number,
  except: "first" | "last" = "last",
): readonly boolean[] {
  const key = "attention.sliding_window_pattern";
  const flags = reader.flags(key, layers);
  if (flags !== undefined) return flags;
  const every = reader.integer(key, period, 1, LARGEST.layers);
  return Array.from({ length: layers }, (_, layer) => layer % every !== (except === "first" ? 0 : every - 1));
}

function readScaling(reader: KeyReader, context: number): RopeScaling {
  const type = reader.string("rope.scaling.type") ?? "linear";
  // Files without scaling may say 0.
  const linear = reader.number("rope.scale_linear", 1, -1, LARGEST.ropeScale) || 1;
  const factor = reader.number("rope.scaling.factor", linear, -1, LARGEST.ropeScale) || 1;
  if (factor !== 1 && type === "linear") reader.guess("rope.scaling.type", "the scaling of RoPE is taken to be linear");
  if (factor < 0) throw reader.error("rope.scaling.factor", `${factor} is not between 0 and ${LARGEST.ropeScale}`);
  switch (type) {
    case "none":
      return { type: "none" };
    case "linear":
      return factor === 1 ? { type: "none" } : { type: "linear", factor };
    case "yarn":
      reader.guess("rope.scaling.original_context_length", `yarn is taken to start from the context of ${context}`);
      return {
        type: "yarn",
        factor,
        originalContext: reader.integer("rope.scaling.original_context_length", context, 1, LARGEST.context),
        attentionFactor: reader.number("rope.scaling.attn_factor", 1, 0, 1000),
        betaFast: reader.number("rope.scaling.yarn_beta_fast", 32, 0.001, LARGEST.ropeScale),
        betaSlow: reader.number("rope.scaling.yarn_beta_slow", 1, 0.001, LARGEST.ropeScale),
        logMultiplier: 0,
      };
    default:
      throw new UnsupportedError(
        "UNSUPPORTED_ARCHITECTURE",
        `RoPE scaling "${type.slice(0, 40)}"; supported: none, linear, yarn, and llama3 by rope_freqs.weight`,
      );
  }
}
