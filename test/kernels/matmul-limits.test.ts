// encodeActivations and matmul at the limits, every format: the error that the rounding of activations leaves, the largest quants, and
// activations that are not ordinary numbers.

import { afterEach, describe, expect, it } from "vitest";
import { randomBlocks } from "../../bench/synthetic/blocks.js";
import { ACTIVATION_F32 } from "../../dist/abi.js";
import type { TensorTypeName } from "../../dist/gguf/index.js";
import { blockOf, dequantize, formatNames } from "../support/dequantize.js";
import { Arena, builds } from "../support/kernels/arena.js";
import {
  kindOf,
  type Matrix,
  multiply,
  pack,
  plain,
  randomMatrix,
  randomTokens,
  rowOf,
  widths,
} from "../support/kernels/matmul-case.js";
import { encode } from "../support/kernels/matmul-twin.js";
import { randomStream } from "../support/seed.js";

describe.each(builds)("matmul at its limits (%s)", (build) => {
  const arena = new Arena(build, 2 ** 24);
  afterEach(() => arena.clear());

  // What rounding an activation to a multiple of its scale costs: at most half a scale, and 1 / sqrt(12) of it on average.
  it.each(formatNames)("%s: no farther from the exact product than the activations' rounding", (name) => {
    const kind = kindOf(arena, name);
    const columns = widths(name).at(-1)!;
    const matrix = randomMatrix(name, 24, columns, 8);
    const tokens = randomTokens(9, columns, 9);
    const results = multiply(arena, matrix, pack(arena, matrix), tokens);
    let squares = 0;
    for (let r = 0; r < matrix.rows; r++) {
      const w = dequantize(name, rowOf(matrix, r), columns);
      const largest = w.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const [t, x] of tokens.entries()) {
        const { scales } = encode(kind, x);
        let exact = 0;
        let bound = 0;
        let variance = 0;
        for (let k = 0; k < columns; k++) {
          const step = scales[Math.floor((k * scales.length) / columns)]!;
          exact += w[k]! * x[k]!;
          bound += (Math.abs(w[k]!) * step) / 2;
          // Roundings to f32: one for each block of columns, of a sum that may be some times as large as the result.
          bound += 4 * largest * Math.abs(x[k]!) * scales.length * 2 ** -24;
          variance += (w[k]! * step) ** 2 / 12;
        }
        const error = Math.abs(results[t]![r]! - exact);
        expect(error).toBeLessThan(bound);
        squares += error ** 2 / variance;
      }
    }
    if (kind !== ACTIVATION_F32) expect(Math.sqrt(squares / (matrix.rows * tokens.length))).toBeLessThan(1.2);
  });

  it.each(formatNames.filter((name) => blockOf(name).weights > 1))("%s: the largest quants do not overflow", (name) => {
    const { weights } = blockOf(name);
    const matrix = extremes(name, 2 * weights);
    const rows = Array.from({ length: matrix.rows }, (_, r) => dequantize(name, rowOf(matrix, r), matrix.columns));
    const signs = rows.map((row) => row.map((w) => (w < 0 ? -1 : 1)));
    const alternating = Float32Array.from({ length: matrix.columns }, (_, k) => (k % 2 === 0 ? 1 : -1));
    const inPairs = Float32Array.from({ length: matrix.columns }, (_, k) => (k % 4 < 2 ? 1 : -1));
    const constant = new Float32Array(matrix.columns).fill(1);
    const positive = [constant, alternating, inPairs, ...signs];
    const tokens = [...positive, ...positive.map((x) => x.map((value) => -value))];
    const packed = pack(arena, matrix);
    const results = multiply(arena, matrix, packed, tokens);
    expect(results).toEqual(plain(arena, matrix, tokens, results));
    expect(tokens.map((x) => multiply(arena, matrix, packed, [x])[0])).toEqual(results);
  });

  it.each(Object.keys(factorsAt))("%s: factors that are zero, subnormal, negative, and beside each other", (name) => {
    const matrix = randomMatrix(name, 40, widths(name)[1]!, 14);
    const view = new DataView(matrix.bytes.buffer, matrix.bytes.byteOffset, matrix.bytes.length);
    const halves = [0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x8401, 0x1c00, 0x02aa];
    const { bytes } = blockOf(name);
    for (let block = 0; block * bytes < view.byteLength; block++) {
      for (const [i, at] of factorsAt[name]!.entries()) {
        const half = halves[Math.floor((block * (i + 1)) / (1 + (block % 3))) % halves.length]!;
        view.setUint16(block * bytes + at, half, true);
      }
    }
    const tokens = randomTokens(5, matrix.columns, 15);
    const packed = pack(arena, matrix);
    const results = multiply(arena, matrix, packed, tokens);
    expect(results).toEqual(plain(arena, matrix, tokens, results));
    expect(tokens.map((x) => multiply(arena, matrix, packed, [x])[0])).toEqual(results);
  });

  it.each(formatNames)("%s: a token that is not finite is so in all its results, and in no other token's", (name) => {
    const columns = widths(name)[2]!;
    const matrix = randomMatrix(name, 8, columns, 10);
    const tokens = randomTokens(7, columns, 11);
    const packed = pack(arena, matrix);
    const clean = multiply(arena, matrix, packed, tokens);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const bad of [1, 6]) {
        const spoilt = tokens.map((x) => x.slice());
        spoilt[bad]![columns - 1] = value;
        const results = multiply(arena, matrix, packed, spoilt);
        for (const [t, row] of results.entries()) {
          if (t === bad) expect(row.every((y) => !Number.isFinite(y))).toBe(true);
          else expect(row).toEqual(clean[t]);
        }
      }
    }
  });

  it.each(formatNames)("%s: zeros give zeros, and subnormal activations next to nothing", (name) => {
    const columns = widths(name)[1]!;
    const matrix = randomMatrix(name, 8, columns, 12);
    const packed = pack(arena, matrix);
    const x = randomTokens(1, columns, 13)[0]!;
    for (const factor of [0, 1e-45, 1e-41, 1e-37]) {
      const tokens = [x.map((value) => value * factor), x];
      const [tiny] = multiply(arena, matrix, packed, tokens);
      expect(tiny!.every((y) => Math.abs(y) <= 1e5 * factor)).toBe(true);
    }
  });
});

// Where a block's bytes are quants, and where they are packed integer scales. The rest are its factors d and m, or the exponent.
interface Fields {
  readonly quants: readonly [from: number, to: number];
  readonly scales?: readonly [from: number, to: number];
}

const fields: Readonly<Record<string, Fields>> = {
  Q4_0: { quants: [2, 18] },
  Q4_1: { quants: [4, 20] },
  Q5_0: { quants: [2, 22] },
  Q5_1: { quants: [4, 24] },
  Q8_0: { quants: [2, 34] },
  Q2_K: { quants: [16, 80], scales: [0, 16] },
  Q3_K: { quants: [0, 96], scales: [96, 108] },
  Q4_K: { quants: [16, 144], scales: [4, 16] },
  Q5_K: { quants: [16, 176], scales: [4, 16] },
  Q6_K: { quants: [0, 192], scales: [192, 208] },
  IQ4_NL: { quants: [2, 18] },
  IQ4_XS: { quants: [8, 136], scales: [2, 8] },
  MXFP4: { quants: [1, 17] },
};

/** Where the f16 factors of a block stand. */
const factorsAt: Readonly<Record<string, readonly number[]>> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
  IQ4_XS: [0],
};

/** Rows whose quants and scales are all at an end of their range: each pattern of quant bytes with each of scale bytes. */
function extremes(name: string, columns: number): Matrix {
  const { quants, scales } = fields[name]!;
  const block = blockOf(name);
  const rows: Uint8Array[] = [];
  for (const q of [0x00, 0xff, 0x7f, 0x80]) {
    for (const s of scales === undefined ? [0] : [0x00, 0x7f, 0x80, 0xff]) {
      const one = randomBlocks(name as TensorTypeName, 1, randomStream(q + s));
      one.fill(q, ...quants);
      if (scales !== undefined) one.fill(s, ...scales);
      const row = new Uint8Array((columns / block.weights) * block.bytes);
      for (let at = 0; at < row.length; at += block.bytes) row.set(one, at);
      rows.push(row);
    }
  }
  return { name, rows: rows.length, columns, bytes: Uint8Array.from(rows.flatMap((row) => [...row])) };
}
