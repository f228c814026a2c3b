// What a measured kernel is to the rest of the lab: the shapes that are worth measuring, random input, and its distance from the exact
// result.

import { Random } from "../../sampling/random.js";
import type { KernelLab } from "../kernels/index.js";
import type { Residence } from "../residence.js";

/** Kinds of multiplication that have a peak of their own. */
export type PeakName = "int8" | "int16" | "f32";

/** A kernel with its buffers and random input. */
export interface PreparedCase {
  /** Runs the kernel once. */
  run(): void;
  /** Of one run: see PreparedKernel. */
  readonly bytes: number;
  readonly operations: number;
  /**
   * Of what a run writes, relative to the exact result; rows are sampled where there are many. It is asked for after the first run and
   * before any other, which a kernel that works in place would do over its own result; it may run the kernel itself.
   */
  readonly error?: () => number;
}

/** A kernel as it is measured. */
export interface KernelRow {
  /** What the numbers of a shape count. */
  readonly dimensions: readonly string[];
  /** What it comes in: weight formats, element types of the KV cache, encodings. */
  formats(lab: KernelLab): readonly string[];
  /** The shapes that are measured when none is asked for. */
  shapes(lab: KernelLab, format: string, residence: Residence): readonly (readonly number[])[];
  /** @throws CriaError INVALID_SHAPE for numbers that do not go together */
  check(lab: KernelLab, format: string, shape: readonly number[]): void;
  /** The part of a shape that one of several workers takes; undefined: nothing is left for it. */
  share(shape: readonly number[], index: number, workers: number): readonly number[] | undefined;
  /** The multiplications that it is made of; undefined: its limit is memory alone. */
  peak(lab: KernelLab, format: string): PeakName | undefined;
  /** Makes the buffers of a case, filled. */
  prepare(lab: KernelLab, format: string, shape: readonly number[]): PreparedCase;
}

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

/** What the kernels have in common that do f32 row by row: a prefill chunk of Llama-3.2-1B's width, shared out by rows. */
export const rowsOfChunk = {
  dimensions: ["rows", "columns"],
  formats: () => ["f32"],
  shapes: () => [[128, 2048]],
  share: shareOf(0),
  peak: () => undefined,
} as const satisfies Partial<KernelRow>;

/** Numbers of [-1, 1), the same for the same seed. */
export function noise(count: number, seed: number): Float32Array {
  const random = Random.seeded(seed);
  return Float32Array.from({ length: count }, () => random.nextInteger() / 2 ** 31 - 1);
}

/** Some 32 of `count` rows, spread over all. */
export function sampled(count: number): readonly number[] {
  const step = Math.ceil(count / 32);
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
}
