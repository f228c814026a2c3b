// The scalar meaning of the weight formats, and the kernels', against values that ggml's reference code has made.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tensorTypeByName } from "../../dist/gguf/index.js";
import { dequantize, formatNames } from "../support/dequantize.js";
import { Arena, builds } from "../support/kernels/arena.js";
import { hasReferenceData, referenceData } from "../support/reference-data.js";
import { randomStream } from "../support/seed.js";

const arenas = Object.fromEntries(builds.map((build) => [build, new Arena(build, 4 * 2 ** 20)]));
const idOf = (name: string) => tensorTypeByName(name)!.id;

const names = formatNames.filter((name) => existsSync(referenceData(`quant/${name}.q.bin`)));

describe.skipIf(!hasReferenceData)("dequantisation of the reference vectors", () => {
  it("covers every block format", () => {
    expect(names).toHaveLength(formatNames.length - 3); // F32, F16 and BF16 have no blocks
  });

  it.each(names)("%s, scalar: bit for bit", (name) => {
    const expected = readFileSync(referenceData(`quant/${name}.dq.f32`));
    const weights = dequantize(name, readFileSync(referenceData(`quant/${name}.q.bin`)), expected.length / 4);
    expect(Buffer.from(weights.buffer).equals(expected)).toBe(true);
  });

  it.each(names.flatMap((name) => builds.map((build) => [name, build] as const)))(
    "%s, kernel (%s): bit for bit",
    (name, build) => {
      const arena = arenas[build]!;
      const expected = readFileSync(referenceData(`quant/${name}.dq.f32`));
      const destination = arena.room(expected.length);
      const source = arena.place(readFileSync(referenceData(`quant/${name}.q.bin`)));
      arena.kernels.dequantizeRow(idOf(name), source, expected.length / 4, destination, arena.room(20));
      expect(Buffer.from(arena.bytes.slice(destination, destination + expected.length)).equals(expected)).toBe(true);
      arena.clear();
    },
  );
});

describe("dequantisation", () => {
  it.each(formatNames)("%s: kernel and scalar agree on random blocks", (name) => {
    const arena = arenas.simd!;
    const type = tensorTypeByName(name)!;
    const count = 512;
    const random = randomStream(1);
    const blocks = Uint8Array.from({ length: (count / type.blockSize) * type.blockBytes }, () => random.below(256));
    const destination = arena.room(4 * count);
    arena.kernels.dequantizeRow(type.id, arena.place(blocks), count, destination, arena.room(20));
    const ours = arena.floats(destination, count);
    const scalar = dequantize(name, blocks, count);
    expect([...ours]).toEqual([...scalar]);
    arena.clear();
  });
});
