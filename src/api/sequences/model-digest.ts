// What identifies a model: a SHA-256 of everything that determines its keys and values, as it lies in memory, so that the file need not
// be read again. Of the weights it takes samples (model/plan/samples.ts). The digest covers the packed layout.

import type { Blueprint } from "../../model/blueprint.js";
import { bytesInMemory } from "../../model/plan/samples.js";
import { sha256 } from "./sha256.js";

/**
 * @param samples of the weights @param frequencies of each RoPE
 * @returns hexadecimal
 */
export async function modelDigest(
  samples: Uint8Array,
  { hyperparameters, layout, ropeMagnitudes }: Blueprint,
  frequencies: readonly Float64Array[],
): Promise<string> {
  const weights = layout.weights.map((weight) => {
    const { name, format, rows, columns } = weight;
    return { name, format, rows, columns, bytes: bytesInMemory(weight) };
  });
  const ropes = frequencies.map((one) => [...one]);
  const shape = new TextEncoder().encode(JSON.stringify({ hyperparameters, ropeMagnitudes, ropes, weights }));
  const all = new Uint8Array(shape.length + samples.length);
  all.set(shape);
  all.set(samples, shape.length);
  const digest = await sha256(all);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
