// What all kernels of the lab have in common.

/** A kernel with its buffers, ready to run as often as one likes, on the thread that calls it. */
export interface PreparedKernel {
  /** Runs the kernel once. */
  run(): void;
  /** A copy of what the last run wrote. */
  readonly result: Float32Array | Uint8Array;
  /**
   * Bytes of memory that one run must touch at least, each counted once, whether it is read, written or both: what is written is fetched
   * into the caches before, so that it counts against the read bandwidth as what is read does.
   */
  readonly bytes: number;
  /** Multiplications and additions of one run, two for each product; 0 for kernels that are not about arithmetic. */
  readonly operations: number;
}
