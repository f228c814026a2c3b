// f32 to weights of the formats that have an encoder; formats/search.ts and search_k.ts find the scales, which is nearly all of the cost.
//
// Cost of the rest, for one weight: 4 bytes read, 1 comparison.
//
// Scratch: the job (32 bytes) | the search's record (SEARCH_K_BYTES)
// Plain version: test/kernels/quantize.test.ts.

import { SEARCH_K_BYTES } from "../formats/search_k";
import { withFormat } from "../formats/table";

@inline const JOB_BYTES: usize = 32;

@unmanaged
class Largest {
  run<F>(): i32 {
    if (isDefined(changetype<F>(0).quantize)) return reinterpret<i32>(changetype<F>(0).largest);
    return 0;
  }
}

/** The largest magnitude that a format's encoder takes; 0 for a format that has none. */
export function formatLargest(type: i32): f32 {
  const bits = withFormat<Largest>(type, 0);
  return bits < 0 ? 0 : reinterpret<f32>(bits);
}

/** Bytes of scratch that `quantizeRow` needs. */
export function quantizeScratchBytes(): usize {
  return JOB_BYTES + SEARCH_K_BYTES;
}

@unmanaged
class Quantize {
  source: usize;
  destination: usize;
  columns: i32;

  run<F>(): i32 {
    if (isDefined(changetype<F>(0).quantize)) {
      const largest = changetype<F>(0).largest;
      const scratch = changetype<usize>(this) + JOB_BYTES;
      let from = this.source;
      let block = this.destination;
      for (const end = from + (<usize>this.columns << 2); from < end; block += changetype<F>(0).blockBytes) {
        const next = from + (changetype<F>(0).blockWeights << 2);
        for (let x = from; x < next; x += 4) {
          // NaN is not <= either.
          if (!(abs(load<f32>(x)) <= largest)) return <i32>((x - this.source) >> 2);
        }
        changetype<F>(0).quantize(from, block, scratch);
        from = next;
      }
      return this.columns;
    }
    return -1;
  }
}

/**
 * Encodes `columns` f32 at `source` (a whole number of blocks) at `destination`, in GGUF's layout. Returns how many lie before the
 * first weight that is not finite or exceeds `formatLargest`: `columns` when all are encoded, -1 for a format without an encoder.
 */
export function quantizeRow(type: i32, source: usize, columns: i32, destination: usize, scratch: usize): i32 {
  const job = changetype<Quantize>(scratch);
  job.source = source;
  job.destination = destination;
  job.columns = columns;
  return withFormat<Quantize>(type, scratch);
}
