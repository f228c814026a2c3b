// Models for tests of bit-identity. Together: all formats, tied and untied, GQA, biases, a window, rows of no multiple of 8, rows longer
// than a chunk of a matmul (2048), every type of cache, texts of several segments of attention.

import type { KvCacheType } from "cria";
import type { TensorTypeName } from "cria/gguf";
import { formatNames } from "./dequantize.js";
import type { FixtureShape } from "./fixture-model.js";

export interface IdentityModel {
  readonly name: string;
  readonly shape: FixtureShape;
  readonly caches: readonly KvCacheType[];
  /** Length of the text. */
  readonly tokens: number;
  /** Where sequences are truncated and forked. */
  readonly cuts: readonly number[];
}

/** Gives the matrices of a model these formats, one after the other. */
function cycle(...formats: readonly TensorTypeName[]): (name: string) => TensorTypeName {
  const given = new Map<string, TensorTypeName>();
  return (name) => {
    const format = given.get(name) ?? formats[given.size % formats.length]!;
    given.set(name, format);
    return format;
  };
}

/** Matrices with 72 or 172 columns have no blocks of 32: they stay in 16 or 32 bits, as llama.cpp leaves them. */
function oddFormats(): (name: string) => TensorTypeName {
  const blocks = cycle("Q8_0", "Q4_0", "Q5_1", "IQ4_NL", "Q4_1", "Q5_0", "MXFP4");
  const plain = cycle("F16", "BF16", "F32");
  return (name) => (/attn_output|ffn_down/.test(name) ? plain(name) : blocks(name));
}

// More rows than a step takes, more positions than four pages; cuts between pages and within.
const long = { tokens: 270, cuts: [64, 100, 191] };

export const identityModels: readonly IdentityModel[] = [
  {
    name: "odd shapes",
    shape: {
      ...{ dim: 96, layers: 2, heads: 6, kvHeads: 3, headDim: 12, ffn: 172, vocab: 517, biases: true },
      format: oddFormats(),
    },
    caches: ["f16", "f32"],
    ...long,
  },
  {
    name: "K-quants",
    shape: {
      ...{ dim: 256, layers: 2, heads: 4, kvHeads: 2, ffn: 512, vocab: 515, tied: false },
      format: cycle("Q4_K", "Q6_K", "Q5_K", "Q3_K", "Q2_K", "IQ4_XS", "Q8_0"),
      keys: { "attention.sliding_window": 100 },
    },
    caches: ["f16", "f32", "q8_0"],
    ...long,
  },
  {
    name: "long rows",
    shape: {
      ...{ dim: 64, layers: formatNames.length, heads: 2, kvHeads: 1, ffn: 2304, vocab: 512 },
      format: (name) => (name.endsWith("ffn_down") ? formatNames[Number(name.split(".")[1])]! : "Q8_0"),
    },
    caches: ["f16"],
    tokens: 41,
    cuts: [20],
  },
  {
    name: "segments of positions",
    shape: {
      ...{ dim: 96, layers: 2, heads: 3, kvHeads: 1, ffn: 96, vocab: 512 },
      format: cycle("Q8_0"),
    },
    caches: ["f16", "q8_0"],
    tokens: 530,
    cuts: [255, 300],
  },
];
