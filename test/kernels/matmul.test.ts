// encodeActivations and matmul, every format: bit for bit their plain version; within the rounding of the activations of the exact product;
// and a token's results the same whatever is computed beside them.

import { afterEach, describe, expect, it } from "vitest";
import { randomBlocks } from "../../bench/synthetic/blocks.js";
import { Random } from "../../bench/synthetic/random.js";
import {
  ACTIVATION_F32,
  ACTIVATION_Q8_32,
  ACTIVATION_Q8_256,
  ACTIVATION_Q16_32,
  GROUP_ROWS,
  TILE_TOKENS,
} from "../../dist/abi.js";
import { type TensorTypeName, tensorTypeByName } from "../../dist/gguf/index.js";
import { blockOf, dequantize, formatNames } from "../dequantize.js";
import { Arena, builds } from "./arena.js";
import { encode, fused, rounded, rowTwin } from "./matmul-twin.js";

const COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 33, 128];

/** Weights (rows, columns) in GGUF's layout. */
interface Matrix {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: Uint8Array;
}

function randomMatrix(name: string, rows: number, columns: number, seed: number): Matrix {
  const blocks = (rows * columns) / blockOf(name).weights;
  return { name, rows, columns, bytes: randomBlocks(name as TensorTypeName, blocks, new Random(seed)) };
}

function rowOf({ name, columns, bytes }: Matrix, row: number): Uint8Array {
  const rowBytes = (columns / blockOf(name).weights) * blockOf(name).bytes;
  return bytes.subarray(row * rowBytes, (row + 1) * rowBytes);
}

/** Tokens (count, columns) with outliers, as hidden states have them. */
function randomTokens(count: number, columns: number, seed: number): Float32Array[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () =>
    Float32Array.from({ length: columns }, () => random.normal() * (random.below(50) === 0 ? 20 : 1)),
  );
}

/** Columns of a matrix: one block, some, and more than any chunk. Floats have blocks of one, and so any number. */
function widths(name: string): number[] {
  const { weights } = blockOf(name);
  if (weights === 1) return [1, 7, 172, 2500];
  return weights === 32 ? [32, 160, 4192] : [256, 768, 4352];
}

describe.each(builds)("matmul (%s)", (build) => {
  const arena = new Arena(build, 2 ** 24);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  const idOf = (name: string) => tensorTypeByName(name)!.id;
  const kindOf = (name: string) => kernels.formatActivation(idOf(name));

  function pack({ name, rows, columns, bytes }: Matrix): number {
    const packed = arena.place(new Uint8Array((bytes.length / rows) * GROUP_ROWS * Math.ceil(rows / GROUP_ROWS)));
    kernels.packRows(idOf(name), arena.place(bytes), 0, rows, columns, packed, arena.room(20));
    return packed;
  }

  /** Encodes tokens in tiles; returns where they lie. */
  function encoded(kind: number, tokens: readonly Float32Array[]): number {
    const columns = tokens[0].length;
    const stride = 4 * columns + 12; // rows need not be aligned
    const source = arena.room(tokens.length * stride);
    for (const [t, x] of tokens.entries()) arena.bytes.set(new Uint8Array(x.slice().buffer), source + t * stride);
    const bytes = kernels.activationBytes(kind, columns);
    const tiles = arena.room(Math.ceil(tokens.length / TILE_TOKENS) * TILE_TOKENS * bytes);
    for (let t = 0; t < tokens.length; t += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, tokens.length - t);
      kernels.encodeActivations(kind, source + t * stride, stride, count, columns, tiles + t * bytes);
    }
    return tiles;
  }

  /** Multiplies all rows, in these pieces of groups; returns (tokens, rows), and expects the rest of y to be as it was. */
  function multiply(
    matrix: Matrix,
    packed: number,
    tokens: readonly Float32Array[],
    cuts: readonly number[] = [],
    addTo?: readonly number[],
  ): Float32Array[] {
    const { name, rows, columns } = matrix;
    const groups = Math.ceil(rows / GROUP_ROWS);
    const stride = (groups + 1) * GROUP_ROWS * 4;
    const y = arena.room(tokens.length * stride);
    const at = (t: number) => y + t * stride;
    if (addTo !== undefined) {
      const start = Float32Array.from({ length: groups * GROUP_ROWS }, (_, r) => addTo[r] ?? 0);
      for (let t = 0; t < tokens.length; t++) arena.bytes.set(new Uint8Array(start.buffer), at(t));
    }
    const x = encoded(kindOf(name), tokens);
    const scratch = arena.room(kernels.matmulScratchBytes(tokens.length));
    const bounds = [0, ...cuts, groups];
    for (let i = 0; i + 1 < bounds.length; i++) {
      const accumulate = addTo === undefined ? 0 : 1;
      const [first, last] = [bounds[i], bounds[i + 1]];
      kernels.matmul(idOf(name), packed, first, last, columns, x, tokens.length, y, stride, accumulate, scratch);
    }
    for (let t = 0; t < tokens.length; t++) {
      const beyond = arena.bytes.subarray(at(t) + groups * GROUP_ROWS * 4, at(t + 1));
      expect(beyond.every((byte) => byte === 0xff)).toBe(true);
    }
    return tokens.map((_, t) => arena.floats(at(t), rows));
  }

  /** The plain version's results, (tokens, rows); of the two kinds of multiply-add, in the relaxed build, the one that fits. */
  function expected(matrix: Matrix, tokens: readonly Float32Array[], results: readonly Float32Array[]): Float32Array[] {
    const kind = kindOf(matrix.name);
    const inputs = tokens.map((x) => encode(kind, x));
    const twin = (madd: typeof rounded) => {
      const byRow = Array.from({ length: matrix.rows }, (_, r) =>
        rowTwin(matrix.name, kind, rowOf(matrix, r), inputs, madd),
      );
      return tokens.map((_, t) => Float32Array.from(byRow, (row) => row[t]));
    };
    const plain = twin(rounded);
    if (build === "simd" || same(results, plain)) return plain;
    return twin(fused);
  }

  it.each(formatNames)("%s: bit for bit the plain version", (name) => {
    for (const columns of widths(name)) {
      const matrix = randomMatrix(name, 11, columns, columns);
      const packed = pack(matrix);
      const all = randomTokens(8, columns, columns + 1);
      for (const count of [1, 3, 8]) {
        const tokens = all.slice(0, count);
        const results = multiply(matrix, packed, tokens);
        expect(results).toEqual(expected(matrix, tokens, results));
      }
      arena.clear();
    }
  });

  it.each(formatNames)("%s: a token's results are those that it has alone", (name) => {
    for (const columns of [widths(name)[0], widths(name).at(-1)!]) {
      const matrix = randomMatrix(name, 17, columns, 3);
      const tokens = randomTokens(COUNTS.at(-1)!, columns, 4);
      let packed = pack(matrix);
      const alone = tokens.map((x) => multiply(matrix, packed, [x])[0]);
      for (const count of COUNTS) {
        arena.clear();
        packed = pack(matrix);
        expect(multiply(matrix, packed, tokens.slice(0, count))).toEqual(alone.slice(0, count));
      }
      arena.clear();
    }
  });

  it.each(formatNames)("%s: groups in pieces, and added to what is there", (name) => {
    const columns = widths(name)[2];
    const matrix = randomMatrix(name, 37, columns, 5);
    const tokens = randomTokens(6, columns, 6);
    const packed = pack(matrix);
    const whole = multiply(matrix, packed, tokens);
    expect(multiply(matrix, packed, tokens, [1, 4])).toEqual(whole);
    const start = Array.from({ length: 37 }, (_, r) => Math.fround(r / 3));
    const sums = whole.map((row) => row.map((value, r) => start[r] + value));
    expect(multiply(matrix, packed, tokens, [2, 3], start)).toEqual(sums);
  });

  // What rounding an activation to a multiple of its scale costs: at most half a scale, and 1 / sqrt(12) of it on average.
  it.each(formatNames)("%s: no farther from the exact product than the activations' rounding", (name) => {
    const kind = kindOf(name);
    const columns = widths(name).at(-1)!;
    const matrix = randomMatrix(name, 24, columns, 8);
    const tokens = randomTokens(9, columns, 9);
    const results = multiply(matrix, pack(matrix), tokens);
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
          const step = scales[Math.floor((k * scales.length) / columns)];
          exact += w[k] * x[k];
          bound += (Math.abs(w[k]) * step) / 2;
          // Roundings to f32: one for each block of columns, of a sum that may be some times as large as the result.
          bound += 4 * largest * Math.abs(x[k]) * scales.length * 2 ** -24;
          variance += (w[k] * step) ** 2 / 12;
        }
        const error = Math.abs(results[t][r] - exact);
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
    const packed = pack(matrix);
    const results = multiply(matrix, packed, tokens);
    expect(results).toEqual(expected(matrix, tokens, results));
    expect(tokens.map((x) => multiply(matrix, packed, [x])[0])).toEqual(results);
  });

  it.each(formatNames)("%s: a token that is not finite is so in all its results, and in no other token's", (name) => {
    const columns = widths(name)[2];
    const matrix = randomMatrix(name, 8, columns, 10);
    const tokens = randomTokens(7, columns, 11);
    const packed = pack(matrix);
    const clean = multiply(matrix, packed, tokens);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const bad of [1, 6]) {
        const spoilt = tokens.map((x) => x.slice());
        spoilt[bad][columns - 1] = value;
        const results = multiply(matrix, packed, spoilt);
        for (const [t, row] of results.entries()) {
          if (t === bad) expect(row.every((y) => !Number.isFinite(y))).toBe(true);
          else expect(row).toEqual(clean[t]);
        }
      }
    }
  });

  it.each(formatNames)("%s: zeros give zeros, and subnormal activations next to nothing", (name) => {
    const columns = widths(name)[1];
    const matrix = randomMatrix(name, 8, columns, 12);
    const packed = pack(matrix);
    const [x] = randomTokens(1, columns, 13);
    for (const factor of [0, 1e-45, 1e-41, 1e-37]) {
      const tokens = [x.map((value) => value * factor), x];
      const [tiny] = multiply(matrix, packed, tokens);
      expect(tiny.every((y) => Math.abs(y) <= 1e5 * factor)).toBe(true);
    }
  });
});

describe.each(builds)("encoded activations (%s)", (build) => {
  const arena = new Arena(build, 2 ** 20);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  const kinds = [ACTIVATION_F32, ACTIVATION_Q8_32, ACTIVATION_Q8_256, ACTIVATION_Q16_32];

  it.each(kinds)("of encoding %i fill their tile exactly", (kind) => {
    const columns = 512;
    for (const count of [1, 2, 3, 4]) {
      const stride = columns * 4;
      const source = arena.place(new Float32Array(columns * count).fill(0.25));
      const bytes = kernels.activationBytes(kind, columns) * (count === 1 ? 1 : TILE_TOKENS);
      const tile = arena.room(bytes);
      const before = arena.bytes.slice(tile, tile + bytes);
      kernels.encodeActivations(kind, source, stride, count, columns, tile);
      // Twice the same, over whatever was there: all of it is written.
      const first = arena.bytes.slice(tile, tile + bytes);
      expect(first).not.toEqual(before);
      arena.bytes.fill(0x55, tile, tile + bytes);
      kernels.encodeActivations(kind, source, stride, count, columns, tile);
      expect(arena.bytes.slice(tile, tile + bytes)).toEqual(first);
    }
  });
});

function same(a: readonly Float32Array[], b: readonly Float32Array[]): boolean {
  return a.every((row, t) => row.every((value, r) => Object.is(value, b[t][r])));
}

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

/** Rows whose quants and scales are all at an end of their range: each pattern of quant bytes with each of scale bytes. */
function extremes(name: string, columns: number): Matrix {
  const { quants, scales } = fields[name];
  const block = blockOf(name);
  const rows: Uint8Array[] = [];
  for (const q of [0x00, 0xff, 0x7f, 0x80]) {
    for (const s of scales === undefined ? [0] : [0x00, 0x7f, 0x80, 0xff]) {
      const one = randomBlocks(name as TensorTypeName, 1, new Random(q + s));
      one.fill(q, ...quants);
      if (scales !== undefined) one.fill(s, ...scales);
      const row = new Uint8Array((columns / block.weights) * block.bytes);
      for (let at = 0; at < row.length; at += block.bytes) row.set(one, at);
      rows.push(row);
    }
  }
  return { name, rows: rows.length, columns, bytes: Uint8Array.from(rows.flatMap((row) => [...row])) };
}
