// The cosines and sines that the rotary embedding multiplies by (assembly/kernels/rope.ts): made once for a row, read by all its heads.

import { checkInteger, checkNumber } from "../../options.js";
import { checkLength, checkMultiple, f32, f64, fill, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { relativeError, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

// A frequency is at most 1 unless a file's factors raise it; with this, angles stay far within what the kernel reduces.
const LARGEST_FREQUENCY = 1024;
const LARGEST_MAGNITUDE = 1024;

/** The shape of tables. */
export interface RopeTableShape {
  /** Even. */
  readonly headDim: number;
  /** Pairs that are rotated; those behind them get a cosine of 1 and a sine of 0. Default: headDim / 2. */
  readonly pairs?: number;
  /** Tables, of consecutive positions. Default 1. */
  readonly rows?: number;
  /** Position of the first row. Default 0. */
  readonly position?: number;
}

/**
 * The cosines and sines of a position's angles, which are position * frequency for each pair (Su et al. 2021). They are the kernel's own,
 * in float64, rounded to f32: those of the host differ between its versions. From `KernelLab.ropeTable`.
 */
export interface RopeTableKernel extends ShapedKernel<RopeTableShape> {
  /** Frequencies and tables. */
  readonly bytes: number;
  /**
   * @param frequencies (pairs) f64, radians per position: with a base b, b^(-2i / headDim) for pair i
   * @param magnitude multiplies cosines and sines: YaRN's attention factor. Default 1
   * @throws CriaError INVALID_SHAPE when the number of frequencies is another, INVALID_OPTION for a number out of its range
   */
  setFrequencies(frequencies: Float64Array, magnitude?: number): this;
  /** (rows, 2, headDim) f32: the cosines, each twice, then the sines, each negated and then as it is. */
  readonly result: Float32Array;
}

export const ropeTable = declareKernel<RopeTableShape, RopeTableKernel, "frequencies" | "tables" | "scratch">({
  plan(given) {
    const headDim = checkInteger("headDim", given.headDim, 2, 1024);
    checkMultiple("headDim", headDim, 2);
    const pairs = checkInteger("pairs", given.pairs ?? headDim / 2, 1, headDim / 2);
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 22);
    const position = checkInteger("position", given.position ?? 0, 0, 2 ** 22);
    let factor = 1;
    return {
      shape: { headDim, pairs, rows, position },
      bytes: 8 * pairs + 8 * rows * headDim,
      buffers: { frequencies: f64(pairs), tables: f32(rows, 2 * headDim), scratch: u8(16) },
      set: {
        setFrequencies(space, frequencies, magnitude = 1) {
          checkLength("frequencies", frequencies, pairs);
          for (const [i, frequency] of frequencies.entries()) {
            checkNumber(`frequencies[${i}]`, frequency, -LARGEST_FREQUENCY, LARGEST_FREQUENCY);
          }
          factor = checkNumber("magnitude", magnitude, 0, LARGEST_MAGNITUDE);
          fill(space, ["frequencies"], [frequencies]);
        },
      },
      run({ at, kernels }) {
        for (let row = 0; row < rows; row++) {
          const table = at.tables + row * headDim * 8;
          kernels.ropeTable(at.frequencies, pairs, headDim, position + row, factor, table, at.scratch);
        }
      },
      result: "tables",
    };
  },
  dimensions: ["rows", "headDim"],
  // A prefill chunk of Llama-3.2-1B.
  shapes: () => [[128, 64]],
  share: shareOf(0),
  fill(kernel) {
    const { rows, headDim } = kernel.shape;
    const frequencies = Float64Array.from({ length: headDim / 2 }, (_, i) => 10000 ** ((-2 * i) / headDim));
    kernel.setFrequencies(frequencies);
    return () => {
      const exact = new Float64Array(rows * 2 * headDim);
      for (let position = 0; position < rows; position++) {
        for (const [i, frequency] of frequencies.entries()) {
          const at = position * 2 * headDim + 2 * i;
          const sine = Math.sin(position * frequency);
          exact.fill(Math.cos(position * frequency), at, at + 2);
          exact.set([-sine, sine], at + headDim);
        }
      }
      return relativeError(kernel.result, exact);
    };
  },
});
