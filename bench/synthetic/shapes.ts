// The shapes of well-known models, and the formats that a synthetic model can have.

import type { TensorTypeName } from "cria/gguf";
import { fileTypes, type Mixture } from "cria/quantize";

export interface Shape {
  /** Default llama. */
  readonly architecture?: "bert" | "qwen3";
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
  /** Llama 3's frequency scaling, written as the tensor rope_freqs.weight: the factor for low frequencies. */
  readonly ropeFactor?: number;
  /** `pooling_type` of embedding models: 1 mean, 3 last. */
  readonly pooling?: number;
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
  "Q4_K_M",
  "Q5_K_M",
] as const;

export type Format = (typeof formats)[number];

/** Which types the matrices of a format get, as llama.cpp's quantiser decides it. */
export function mixtureOf(format: Format): Mixture {
  return fileTypes.find(({ name }) => name === format) ?? { type: format as TensorTypeName };
}
