// The shapes of well-known models, and the formats that a synthetic model can have.

import type { TensorTypeName } from "cria/gguf";
import { fileTypes, type Mixture } from "cria/quantize";
import type { Gemma4Shape } from "./gemma4.js";

export interface Shape {
  /** Default llama. */
  readonly architecture?:
    | "bert"
    | "modern-bert"
    | "qwen3"
    | "qwen3moe"
    | "qwen35"
    | "gpt-oss"
    | "lfm2"
    | "gemma2"
    | "gemma4"
    | "gemma-embedding"
    | "phi3";
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Default dim / heads. */
  readonly headDim?: number;
  readonly ffn: number;
  readonly vocab: number;
  /** Whether token_embd is also the output matrix. */
  readonly tied: boolean;
  readonly context: number;
  /** Not of bert, which has learned positions. */
  readonly ropeBase?: number;
  /** Dimensions of a head that are rotated. Default: all. */
  readonly ropeDimensions?: number;
  /** LongRoPE, over a context of 4096, written as the tensors rope_factors_long.weight and rope_factors_short.weight. */
  readonly longRope?: boolean;
  /** Llama 3's frequency scaling, written as the tensor rope_freqs.weight: the factor for low frequencies. */
  readonly ropeFactor?: number;
  /** Yarn's factor, over a context of 4096. */
  readonly yarnFactor?: number;
  /** Positions that a token sees: of gpt-oss and gemma2 in every other layer, of modern-bert in two layers of three, of phi3 in all. */
  readonly window?: number;
  /** Rows of `token_types.weight` of bert. Default 2. */
  readonly types?: number;
  /** A mixture of experts: how many there are, how many a token uses, and the width of one. */
  readonly experts?: { readonly count: number; readonly used: number; readonly ffn: number };
  /** Of lfm2: the layers that attend. The others are convolutions of 3 columns. */
  readonly attends?: readonly number[];
  /** Gated DeltaNet in three of four layers: its heads, and how many dimensions of the others' heads are rotated. */
  readonly deltaNet?: {
    readonly keyHeads: number;
    readonly valueHeads: number;
    readonly dims: number;
    readonly rotated: number;
  };
  /** Of gemma4. */
  readonly gemma4?: Gemma4Shape;
  /** `pooling_type` of embedding models: 1 mean, 2 the first token, 3 the last, 4 a reranker's scores. */
  readonly pooling?: number;
}

/** Qwen3-30B-A3B with so many layers. */
function qwen3Mixture(layers: number): Shape {
  return {
    architecture: "qwen3moe",
    dim: 2048,
    layers,
    heads: 32,
    kvHeads: 4,
    headDim: 128,
    ffn: 6144,
    vocab: 151936,
    tied: false,
    context: 40960,
    ropeBase: 1000000,
    experts: { count: 128, used: 8, ffn: 768 },
  };
}

/** gpt-oss-20b with so many layers. */
function gptOss(layers: number): Shape {
  return {
    architecture: "gpt-oss",
    dim: 2880,
    layers,
    heads: 64,
    kvHeads: 8,
    headDim: 64,
    ffn: 2880,
    vocab: 201088,
    tied: false,
    context: 131072,
    ropeBase: 150000,
    yarnFactor: 32,
    window: 128,
    experts: { count: 32, used: 4, ffn: 2880 },
  };
}

export const shapes = {
  micro: {
    dim: 256,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    ffn: 512,
    vocab: 2048,
    tied: true,
    context: 512,
    ropeBase: 10000,
  },
  "micro-experts": {
    architecture: "gpt-oss",
    dim: 256,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    ffn: 256,
    vocab: 2048,
    tied: false,
    context: 512,
    ropeBase: 10000,
    window: 64,
    experts: { count: 8, used: 2, ffn: 256 },
  },
  "lfm2-1.2b": {
    architecture: "lfm2",
    dim: 2048,
    layers: 16,
    heads: 32,
    kvHeads: 8,
    ffn: 8192,
    vocab: 65536,
    tied: true,
    context: 128000,
    ropeBase: 1000000,
    attends: [2, 5, 8, 10, 12, 14],
  },
  "smollm2-135m": {
    dim: 576,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    ffn: 1536,
    vocab: 49152,
    tied: true,
    context: 8192,
    ropeBase: 100000,
  },
  "tinyllama-1.1b": {
    dim: 2048,
    layers: 22,
    heads: 32,
    kvHeads: 4,
    ffn: 5632,
    vocab: 32000,
    tied: false,
    context: 2048,
    ropeBase: 10000,
  },
  "llama-3.2-1b": {
    dim: 2048,
    layers: 16,
    heads: 32,
    kvHeads: 8,
    ffn: 8192,
    vocab: 128256,
    tied: true,
    context: 131072,
    ropeBase: 500000,
    ropeFactor: 32,
  },
  "llama-3.1-8b": {
    dim: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    ffn: 14336,
    vocab: 128256,
    tied: false,
    context: 131072,
    ropeBase: 500000,
    ropeFactor: 8,
  },
  "qwen3-8b": {
    architecture: "qwen3",
    dim: 4096,
    layers: 36,
    heads: 32,
    kvHeads: 8,
    headDim: 128,
    ffn: 12288,
    vocab: 151936,
    tied: false,
    context: 40960,
    ropeBase: 1000000,
  },
  "gemma-2-2b": {
    architecture: "gemma2",
    dim: 2304,
    layers: 26,
    heads: 8,
    kvHeads: 4,
    headDim: 256,
    ffn: 9216,
    vocab: 256000,
    tied: true,
    context: 8192,
    ropeBase: 10000,
    window: 4096,
  },
  "phi-4-mini": {
    architecture: "phi3",
    dim: 3072,
    layers: 32,
    heads: 24,
    kvHeads: 8,
    ffn: 8192,
    vocab: 200064,
    tied: true,
    context: 131072,
    ropeBase: 10000,
    ropeDimensions: 96,
    longRope: true,
    window: 262144,
  },
  "gemma-4-e2b": {
    architecture: "gemma4",
    dim: 1536,
    layers: 35,
    heads: 8,
    kvHeads: 1,
    headDim: 512,
    ffn: 6144,
    vocab: 262144,
    tied: true,
    context: 131072,
    ropeBase: 1000000,
    window: 512,
    gemma4: { localHeadDim: 256, period: 5, sharedLayers: 20, perLayer: 256 },
  },
  // Mixtral's proportions: a fourteenth of its weights.
  "mixtral-small": {
    dim: 1024,
    layers: 24,
    heads: 16,
    kvHeads: 4,
    ffn: 3584,
    vocab: 32000,
    tied: false,
    context: 32768,
    ropeBase: 1000000,
    experts: { count: 8, used: 2, ffn: 3584 },
  },
  "qwen3-30b-a3b": qwen3Mixture(48),
  "qwen3-30b-a3b-4-layers": qwen3Mixture(4),
  "gpt-oss-20b": gptOss(24),
  "gpt-oss-20b-4-layers": gptOss(4),
  "qwen3.5-2b": {
    architecture: "qwen35",
    dim: 2048,
    layers: 24,
    heads: 8,
    kvHeads: 2,
    headDim: 256,
    ffn: 6144,
    vocab: 248320,
    tied: true,
    context: 262144,
    ropeBase: 10000000,
    deltaNet: { keyHeads: 16, valueHeads: 16, dims: 128, rotated: 64 },
  },
  "all-minilm-l6-v2": {
    architecture: "bert",
    dim: 384,
    layers: 6,
    heads: 12,
    kvHeads: 12,
    ffn: 1536,
    vocab: 30522,
    tied: false,
    context: 512,
    pooling: 1,
  },
  "ms-marco-minilm-l6-v2": {
    architecture: "bert",
    dim: 384,
    layers: 6,
    heads: 12,
    kvHeads: 12,
    ffn: 1536,
    vocab: 30522,
    tied: false,
    context: 512,
    pooling: 4,
  },
  "bge-base": {
    architecture: "bert",
    dim: 768,
    layers: 12,
    heads: 12,
    kvHeads: 12,
    ffn: 3072,
    vocab: 30522,
    tied: false,
    context: 512,
    pooling: 2,
  },
  "bge-m3": {
    architecture: "bert",
    dim: 1024,
    layers: 24,
    heads: 16,
    kvHeads: 16,
    ffn: 4096,
    vocab: 250002,
    tied: false,
    context: 8192,
    types: 1,
    pooling: 2,
  },
  "modernbert-base": {
    architecture: "modern-bert",
    dim: 768,
    layers: 22,
    heads: 12,
    kvHeads: 12,
    ffn: 1152,
    vocab: 50368,
    tied: false,
    context: 8192,
    ropeBase: 160000,
    window: 128,
    pooling: 1,
  },
  "embeddinggemma-300m": {
    architecture: "gemma-embedding",
    dim: 768,
    layers: 24,
    heads: 3,
    kvHeads: 1,
    headDim: 256,
    ffn: 1152,
    vocab: 262144,
    tied: true,
    context: 2048,
    ropeBase: 1000000,
    window: 512,
    pooling: 1,
  },
  "qwen3-embedding-0.6b": {
    architecture: "qwen3",
    dim: 1024,
    layers: 28,
    heads: 16,
    kvHeads: 8,
    headDim: 128,
    ffn: 3072,
    vocab: 151669,
    tied: true,
    context: 32768,
    ropeBase: 1000000,
    pooling: 3,
  },
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof shapes;

/** The formats a model can have: a tensor type for all matrices, or one of llama.cpp's mixes. */
export const formats = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q2_K",
  "Q3_K",
  "Q4_K",
  "Q5_K",
  "Q6_K",
  "IQ4_NL",
  "IQ4_XS",
  "MXFP4",
  "MXFP4_MOE",
  "Q4_K_M",
  "Q5_K_M",
] as const;

export type Format = (typeof formats)[number];

/** Which types the matrices of a format get, as llama.cpp's quantiser decides it. MXFP4_MOE is Q8_0 but for the experts. */
export function mixtureOf(format: Format): Mixture {
  if (format === "MXFP4_MOE") return { type: "Q8_0" };
  return fileTypes.find(({ name }) => name === format) ?? { type: format as TensorTypeName };
}
