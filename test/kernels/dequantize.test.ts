// The scalar meaning of the weight formats, and the kernels', against values that ggml's reference code has made.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tensorTypeByName } from "../../dist/gguf/index.js";
import { dequantize, formatNames } from "../support/dequantize.js";
import { instantiate, runnableBuilds } from "../support/kernel-module.js";
import { hasReferenceData, referenceData } from "../support/reference-data.js";

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

  it.each(names.flatMap((name) => runnableBuilds.map((build) => [name, build] as const)))(
    "%s, kernel (%s): bit for bit",
    (name, build) => {
      const { kernels, bytes } = instantiate(build, 4 * 2 ** 20);
      const expected = readFileSync(referenceData(`quant/${name}.dq.f32`));
      const source = 2 ** 16;
      const destination = 2 ** 20;
      bytes.set(readFileSync(referenceData(`quant/${name}.q.bin`)), source);
      kernels.dequantizeRow(tensorTypeByName(name)!.id, source, expected.length / 4, destination, 64);
      expect(Buffer.from(bytes.slice(destination, destination + expected.length)).equals(expected)).toBe(true);
    },
  );
});

describe("dequantisation", () => {
  it.each(formatNames)("%s: kernel and scalar agree on random blocks", (name) => {
    const { kernels, bytes } = instantiate("simd", 2 ** 20);
    const type = tensorTypeByName(name)!;
    const count = 512;
    const source = 2 ** 16;
    const destination = 2 ** 18;
    let seed = 1;
    const length = (count / type.blockSize) * type.blockBytes;
    for (let i = 0; i < length; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      bytes[source + i] = seed >>> 24;
    }
    kernels.dequantizeRow(type.id, source, count, destination, 64);
    const ours = new Float32Array(bytes.slice(destination, destination + 4 * count).buffer);
    const scalar = dequantize(name, bytes.slice(source, source + length), count);
    expect([...ours]).toEqual([...scalar]);
  });
});
