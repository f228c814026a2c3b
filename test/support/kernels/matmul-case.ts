// A matmul as a test sees it: weights in GGUF's layout and tokens in, results out; packed, encoded and multiplied by a build of the kernels,
// and by the plain version.

import { expect } from "vitest";
import { randomBlocks } from "../../../bench/synthetic/blocks.js";
import { GROUP_ROWS, TILE_TOKENS } from "../../../dist/abi.js";
import { type TensorTypeName, tensorTypeByName } from "../../../dist/gguf/index.js";
import { blockOf } from "../dequantize.js";
import { randomStream } from "../seed.js";
import type { Arena } from "./arena.js";
import { encode, fused, type MultiplyAdd, rounded, rowTwin } from "./matmul-twin.js";

/** Weights (rows, columns) in GGUF's layout. */
export interface Matrix {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: Uint8Array;
}

export function randomMatrix(name: string, rows: number, columns: number, seed: number): Matrix {
  const blocks = (rows * columns) / blockOf(name).weights;
  return { name, rows, columns, bytes: randomBlocks(name as TensorTypeName, blocks, randomStream(seed)) };
}

export function rowOf({ name, columns, bytes }: Matrix, row: number): Uint8Array {
  const rowBytes = (columns / blockOf(name).weights) * blockOf(name).bytes;
  return bytes.subarray(row * rowBytes, (row + 1) * rowBytes);
}

/** Tokens (count, columns) with outliers, as hidden states have them. */
export function randomTokens(count: number, columns: number, seed: number): Float32Array[] {
  const random = randomStream(seed);
  return Array.from({ length: count }, () =>
    Float32Array.from({ length: columns }, () => random.normal() * (random.below(50) === 0 ? 20 : 1)),
  );
}

/** Columns of a matrix: one block, some, and more than any chunk. Floats have blocks of one, and so any number. */
export function widths(name: string): number[] {
  const { weights } = blockOf(name);
  if (weights === 1) return [1, 7, 172, 2500];
  return weights === 32 ? [32, 160, 4192] : [256, 768, 4352];
}

const idOf = (name: string) => tensorTypeByName(name)!.id;

/** The encoding of activations that a format multiplies. */
export function kindOf({ kernels }: Arena, name: string): number {
  return kernels.formatActivation(idOf(name));
}

/** Packs a matrix; returns where it lies. */
export function pack(arena: Arena, { name, rows, columns, bytes }: Matrix): number {
  const packed = arena.place(new Uint8Array((bytes.length / rows) * GROUP_ROWS * Math.ceil(rows / GROUP_ROWS)));
  arena.kernels.packRows(idOf(name), arena.place(bytes), 0, rows, columns, packed, arena.room(20));
  return packed;
}

/** Encodes tokens in tiles; returns where they lie. */
function encoded(arena: Arena, kind: number, tokens: readonly Float32Array[]): number {
  const { kernels } = arena;
  const columns = tokens[0]!.length;
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
export function multiply(
  arena: Arena,
  matrix: Matrix,
  packed: number,
  tokens: readonly Float32Array[],
  cuts: readonly number[] = [],
  addTo?: readonly number[],
): Float32Array[] {
  const { kernels } = arena;
  const { name, rows, columns } = matrix;
  const groups = Math.ceil(rows / GROUP_ROWS);
  const stride = (groups + 1) * GROUP_ROWS * 4;
  const y = arena.room(tokens.length * stride);
  const at = (t: number) => y + t * stride;
  if (addTo !== undefined) {
    const start = Float32Array.from({ length: groups * GROUP_ROWS }, (_, r) => addTo[r] ?? 0);
    for (let t = 0; t < tokens.length; t++) arena.bytes.set(new Uint8Array(start.buffer), at(t));
  }
  const x = encoded(arena, kindOf(arena, name), tokens);
  const scratch = arena.room(kernels.matmulScratchBytes(tokens.length));
  const bounds = [0, ...cuts, groups];
  for (let i = 0; i + 1 < bounds.length; i++) {
    const accumulate = addTo === undefined ? 0 : 1;
    const [first, last] = [bounds[i], bounds[i + 1]];
    kernels.matmul(idOf(name), packed, first!, last!, columns, x, tokens.length, y, stride, accumulate, scratch);
  }
  for (let t = 0; t < tokens.length; t++) {
    const beyond = arena.bytes.subarray(at(t) + groups * GROUP_ROWS * 4, at(t + 1));
    expect(beyond.every((byte) => byte === 0xff)).toBe(true);
  }
  return tokens.map((_, t) => arena.floats(at(t), rows));
}

/** The plain version's results, (tokens, rows); of the two kinds of multiply-add, the one that fits these results. */
export function plain(
  arena: Arena,
  matrix: Matrix,
  tokens: readonly Float32Array[],
  results: readonly Float32Array[],
): Float32Array[] {
  const kind = kindOf(arena, matrix.name);
  const inputs = tokens.map((x) => encode(kind, x));
  const twin = (madd: MultiplyAdd) => {
    const byRow = Array.from({ length: matrix.rows }, (_, r) =>
      rowTwin(matrix.name, kind, rowOf(matrix, r), inputs, madd),
    );
    return tokens.map((_, t) => Float32Array.from(byRow, (row) => row[t]!));
  };
  const twice = twin(rounded);
  if (arena.build === "simd") return twice; // only the relaxed build may fuse
  const fits = results.every((row, t) => row.every((value, r) => Object.is(value, twice[t]![r])));
  return fits ? twice : twin(fused);
}
