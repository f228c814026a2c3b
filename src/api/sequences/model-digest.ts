// What identifies a model: a SHA-256 of everything that determines its keys and values, as it lies in memory, so that the file need not
// be read again. It takes a sample of each weight, with every norm and bias and some rows of every matrix: further training changes the
// bytes of all of them. The digest covers the packed layout, because other kernels round keys and values differently.

import type { Blueprint } from "../../model/blueprint.js";
import type { PlacedWeight } from "../../model/plan/memory-plan.js";
import type { Shard } from "../../model/plan/shard.js";
import { samplesOf, tableParts } from "../../model/plan/tables.js";

/**
 * @param frequencies of each RoPE
 * @returns hexadecimal
 */
export async function modelDigest(
  shards: readonly Shard[],
  { hyperparameters, layout, ropeMagnitudes }: Blueprint,
  frequencies: readonly Float64Array[],
): Promise<string> {
  const weights = layout.weights.map((weight) => {
    const { name, format, rows, columns } = weight;
    return { name, format, rows, columns, bytes: bytesOf(weight) };
  });
  const ropes = frequencies.map((one) => [...one]);
  const parts: Uint8Array[] = [
    new TextEncoder().encode(JSON.stringify({ hyperparameters, ropeMagnitudes, ropes, weights })),
  ];
  for (const weight of layout.weights) {
    const { bytes } = shards[weight.shard]!;
    // Of a table memory has the samples, one after another.
    let sample = weight.address + (weight.role === "table" ? tableParts(weight, layout.rows).samples : 0);
    for (const { at, bytes: length } of samplesOf(bytesOf(weight))) {
      const from = weight.role === "table" ? sample : weight.address + at;
      parts.push(bytes.subarray(from, from + length));
      sample += length;
    }
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Of a weight as it would lie in memory: the digest does not depend on whether it stays in the file. */
function bytesOf({ role, rows, rowBytes, bytes }: PlacedWeight): number {
  return role === "table" ? rows * rowBytes : bytes;
}
