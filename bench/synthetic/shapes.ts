// The shapes of well-known Llama models, and which tensor gets which type under each format, as llama.cpp's quantiser
// (llama-quant.cpp) decides it.

import { type TensorTypeName, tensorTypeByName } from "cria/gguf";

export interface Shape {
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly ffn: number;
  readonly vocab: number;
  /** Whether token_embd is also the output matrix. */
  readonly tied: boolean;
  readonly context: number;
  readonly ropeBase: number;
  /** Llama 3's frequency scaling, written as the tensor rope_freqs.weight: the factor for low frequencies. */
  readonly ropeFactor?: number;
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

/** What a matrix does: the mixes spend more bits on some. */
export type Role = "output" | "attn_v" | "ffn_down" | "other";

/** The type of a matrix with rows of `rowLength`, in `layer` of `layers` (0 of 1 outside of the layers). */
export function matrixType(
  format: Format,
  role: Role,
  rowLength: number,
  layer: number,
  layers: number,
): TensorTypeName {
  return fitting(preferredType(format, role, layer, layers), rowLength);
}

function preferredType(format: Format, role: Role, layer: number, layers: number): TensorTypeName {
  if (role === "output" && !["F32", "F16", "BF16", "Q8_0"].includes(format)) return "Q6_K";
  if (format !== "Q4_K_M" && format !== "Q5_K_M") return format;
  if ((role === "attn_v" || role === "ffn_down") && usesMoreBits(layer, layers)) return "Q6_K";
  return format === "Q4_K_M" ? "Q4_K" : "Q5_K";
}

// The first and the last eighth of the layers, and every third one between.
function usesMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

// What llama.cpp takes where a row is no multiple of a super-block.
const fallbacks: Partial<Record<TensorTypeName, TensorTypeName>> = {
  Q2_K: "IQ4_NL",
  Q3_K: "IQ4_NL",
  IQ4_XS: "IQ4_NL",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
};

function fitting(type: TensorTypeName, rowLength: number): TensorTypeName {
  const fits = (name: TensorTypeName) => rowLength % tensorTypeByName(name)!.blockSize === 0;
  if (fits(type)) return type;
  const fallback = fallbacks[type];
  return fallback !== undefined && fits(fallback) ? fallback : "F16";
}
