// encodeActivations and matmul, every format: bit for bit their plain version, and a token's results the same whatever is computed beside
// them.

import { afterEach, describe, expect, it } from "vitest";
import {
  ACTIVATION_CENTRED_Q8_32,
  ACTIVATION_F32,
  ACTIVATION_Q8_32,
  ACTIVATION_Q8_256,
  ACTIVATION_Q16_32,
  TILE_TOKENS,
} from "../../dist/abi.js";
import { formatNames } from "../support/dequantize.js";
import { Arena, builds } from "../support/kernels/arena.js";
import { multiply, pack, plain, randomMatrix, randomTokens, widths } from "../support/kernels/matmul-case.js";

const COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 33, 128];

describe.each(builds)("matmul (%s)", (build) => {
  const arena = new Arena(build, 2 ** 24);
  afterEach(() => arena.clear());

  it.each(formatNames)("%s: bit for bit the plain version", (name) => {
    for (const columns of widths(name)) {
      const matrix = randomMatrix(name, 11, columns, columns);
      const packed = pack(arena, matrix);
      const all = randomTokens(8, columns, columns + 1);
      for (const count of [1, 3, 8]) {
        const tokens = all.slice(0, count);
        const results = multiply(arena, matrix, packed, tokens);
        expect(results).toEqual(plain(arena, matrix, tokens, results));
      }
      arena.clear();
    }
  });

  it.each(formatNames)("%s: a token's results are those that it has alone", (name) => {
    for (const columns of [widths(name)[0], widths(name).at(-1)!]) {
      const matrix = randomMatrix(name, 17, columns!, 3);
      const tokens = randomTokens(COUNTS.at(-1)!, columns!, 4);
      let packed = pack(arena, matrix);
      const alone = tokens.map((x) => multiply(arena, matrix, packed, [x])[0]);
      for (const count of COUNTS) {
        arena.clear();
        packed = pack(arena, matrix);
        expect(multiply(arena, matrix, packed, tokens.slice(0, count))).toEqual(alone.slice(0, count));
      }
      arena.clear();
    }
  });

  it.each(formatNames)("%s: groups in pieces, and added to what is there", (name) => {
    const columns = widths(name)[2]!;
    const matrix = randomMatrix(name, 37, columns, 5);
    const tokens = randomTokens(6, columns, 6);
    const packed = pack(arena, matrix);
    const whole = multiply(arena, matrix, packed, tokens);
    expect(multiply(arena, matrix, packed, tokens, [1, 4])).toEqual(whole);
    const start = Array.from({ length: 37 }, (_, r) => Math.fround(r / 3));
    const sums = whole.map((row) => row.map((value, r) => start[r]! + value));
    expect(multiply(arena, matrix, packed, tokens, [2, 3], start)).toEqual(sums);
  });
});

describe.each(builds)("encoded activations (%s)", (build) => {
  const arena = new Arena(build, 2 ** 20);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  const kinds = [ACTIVATION_CENTRED_Q8_32, ACTIVATION_F32, ACTIVATION_Q8_32, ACTIVATION_Q8_256, ACTIVATION_Q16_32];

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
