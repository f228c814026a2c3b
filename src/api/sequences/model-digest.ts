// What identifies a model: a SHA-256 of all that its keys and values follow from, as it lies in memory, so that the file need not be read
// again. Of each weight a sample is taken, which holds every norm and bias and some rows of every matrix: a model that was trained on has
// other bytes in all of them. The packed layout belongs to it: keys and values of other kernels have other roundings.

import type { Blueprint } from "../../model/blueprint.js";
import type { Shard } from "../../model/plan/shard.js";

/** Bytes of a weight that are taken, in slices at even distances. */
const SLICES = 16;
const SLICE_BYTES = 1024;

/**
 * @param frequencies of each RoPE
 * @returns hexadecimal
 */
export async function modelDigest(
  { bytes: memory, layout }: Shard,
  { hyperparameters, ropeMagnitudes }: Blueprint,
  frequencies: readonly Float64Array[],
): Promise<string> {
  const weights = layout.weights.map(({ name, format, rows, columns, bytes }) => ({
    name,
    format,
    rows,
    columns,
    bytes,
  }));
  const ropes = frequencies.map((one) => [...one]);
  const parts: Uint8Array[] = [
    new TextEncoder().encode(JSON.stringify({ hyperparameters, ropeMagnitudes, ropes, weights })),
  ];
  for (const { address, bytes } of layout.weights) {
    const slices = bytes <= SLICES * SLICE_BYTES ? 1 : SLICES;
    const length = slices === 1 ? bytes : SLICE_BYTES;
    for (let i = 0; i < slices; i++) {
      const at = address + (slices === 1 ? 0 : Math.floor((i * (bytes - length)) / (slices - 1)));
      parts.push(memory.subarray(at, at + length));
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
