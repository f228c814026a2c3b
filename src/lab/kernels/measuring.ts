// What kernels are measured with: shares of a shape, random input, and distances from results in float64.

import { Random } from "../../sampling/random.js";
import type { KernelHost, KernelRow } from "./declaration.js";

/** Shares dimension `which` of a shape in pieces of `unit`; those in `along` follow it in proportion. */
export function shareOf(which: number, unit = 1, along: readonly number[] = []): KernelRow["share"] {
  return (shape, index, workers) => {
    const whole = shape[which]!;
    const pieces = Math.ceil(whole / unit);
    const end = (i: number) => Math.min(whole, Math.floor((pieces * i) / workers) * unit);
    const count = end(index + 1) - end(index);
    if (count === 0) return undefined;
    return shape.map((n, i) => (i === which ? count : along.includes(i) ? (n / whole) * count : n));
  };
}

/** What kernels have in common that do f32 row by row: a prefill chunk of Llama-3.2-1B's width, shared out by rows. */
export const rowsOfChunk = {
  dimensions: ["rows", "columns"],
  shapes: () => [[128, 2048]],
  share: shareOf(0),
} as const;

/** What kernels have in common that do something to weights: some rows of Llama-3.2-1B's width, in any format. They stay in the caches. */
export const rowsOfWeights = {
  dimensions: ["rows", "columns"],
  formatOption: "format",
  formats: (lab: KernelHost) => lab.formats.map(({ name }) => name),
  shapes: () => [[64, 2048]],
} as const;

/** Numbers of [-1, 1), the same for the same seed. */
export function noise(count: number, seed: number): Float32Array {
  const random = Random.seeded(seed);
  return Float32Array.from({ length: count }, () => random.nextInteger() / 2 ** 31 - 1);
}

/** About 32 of `count` rows, spread over all. */
export function sampled(count: number): readonly number[] {
  const step = Math.ceil(count / 32);
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
}

/** |a - b| / |b|, as vectors: how far `a` is from the exact `b`. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}
