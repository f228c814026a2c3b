// What all kernels of the lab have in common.

import type { WeightFormat } from "./formats.js";

/** A kernel with its buffers, ready to run any number of times, on the thread that calls it. */
export interface PreparedKernel {
  /** Runs the kernel once. */
  run(): void;
  /** A copy of what the last run wrote. */
  readonly result: Float32Array | Uint8Array;
  /**
   * Bytes of memory that one run must touch at least, each counted once, whether it is read, written or both: a line that is written is
   * fetched into the caches first, so it counts against the read bandwidth like a line that is read.
   */
  readonly bytes: number;
  /** Multiplications and additions of one run, two for each product; 0 for kernels that are not about arithmetic. */
  readonly operations: number;
}

/** A kernel that was made for a shape. */
export interface ShapedKernel<Shape> extends PreparedKernel {
  /** The shape, with its defaults filled in. */
  readonly shape: Required<Shape>;
}

/** A kernel that reads or writes weights of one format. */
export interface WeightKernel<Shape> extends ShapedKernel<Shape> {
  readonly format: WeightFormat;
}
