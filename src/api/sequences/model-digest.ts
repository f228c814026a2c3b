// What identifies a model: a SHA-256 of everything that determines its keys and values, as it lies in memory, so that the file need not
// be read again. It takes a sample of each weight, with every norm and bias and some rows of every matrix: further training changes the
// bytes of all of them. The digest covers the packed layout, because other kernels round keys and values differently.

import type { Blueprint } from "../../model/blueprint.js";
import type { Shard } from "../../model/plan/shard.js";

/** Bytes of a weight that are sampled, in evenly spaced slices. */
const SLICES = 16;
const SLICE_BYTES = 1024;

/**
 * @param frequencies of each RoPE
 * @returns hexadecimal
 */
export async function modelDigest(
  shards: readonly Shard[],
  { hyperparameters, layout, ropeMagnitudes }: Blueprint,
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
  for (const { shard, address, bytes } of layout.weights) {
    const slices = bytes <= SLICES * SLICE_BYTES ? 1 : SLICES;
    const length = slices === 1 ? bytes : SLICE_BYTES;
    for (let i = 0; i < slices; i++) {
      const at = address + (slices === 1 ? 0 : Math.floor((i * (bytes - length)) / (slices - 1)));
      parts.push(shards[shard]!.bytes.subarray(at, at + length));
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
