// Samples of a model's weights as they lie in memory: what tells it from others.

import type { PlacedWeight } from "./memory-plan.js";
import type { Shard } from "./shard.js";
import { samplesOf, tableParts } from "./tables.js";

/**
 * Every norm and bias and some rows of every matrix, one after another: further training changes the bytes of all of them. They lie packed,
 * because other kernels round keys and values differently.
 */
export function sampleWeights(shards: readonly Shard[]): Uint8Array<ArrayBuffer> {
  const { layout } = shards[0]!;
  const parts = layout.weights.flatMap((weight) => {
    const { bytes } = shards[weight.shard]!;
    // Of a table memory has the samples, one after another.
    let sample = weight.address + (weight.role === "table" ? tableParts(weight, layout.rows).samples : 0);
    return samplesOf(bytesInMemory(weight)).map(({ at, bytes: length }) => {
      const from = weight.role === "table" ? sample : weight.address + at;
      sample += length;
      return bytes.subarray(from, from + length);
    });
  });
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

/** Of a weight as it would lie in memory: the samples do not depend on whether it stays in the file. */
export function bytesInMemory({ role, rows, rowBytes, bytes }: PlacedWeight): number {
  return role === "table" ? rows * rowBytes : bytes;
}
