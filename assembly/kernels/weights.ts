// What is done with weights other than multiplying them: facts of a format, packing 8 rows side by side, unpacking a row, dequantising.
//
//   GGUF                          packed
//   row 0: block block ...        group 0: 8 rows x block 0 | 8 rows x block 1 | ...
//   row 1: block block ...        group 1: ...
//   ...                           as many bytes as in the file; the last group has room for 8 rows, and missing rows are never written:
//                                 they stay zero, as memory begins
//
// Cost: packing and unpacking read and write every byte once, 1 to 4 bytes at a time; a row's pieces lie a group apart, so rows that are
// packed one after the other find their group in L1 or L2. Dequantising is the scalar meaning, one weight at a time, with 4
// bytes written for each.
// Plain version: test/support/dequantize.ts, test/kernels/pack.test.ts.

import { ACTIVATION_NONE, GROUP_ROWS } from "../abi";
import { withFormat } from "../formats/table";

@unmanaged
class Activation {
  run<F>(): i32 {
    return changetype<F>(0).activation;
  }
}

@unmanaged
class BlockWeights {
  run<F>(): i32 {
    return changetype<F>(0).blockWeights;
  }
}

@unmanaged
class BlockBytes {
  run<F>(): i32 {
    return changetype<F>(0).blockBytes;
  }
}

/** The encoding of activations that a format multiplies, ACTIVATION_NONE for a type that has no kernels. */
export function formatActivation(type: i32): i32 {
  const kind = withFormat<Activation>(type, 0);
  return kind < 0 ? ACTIVATION_NONE : kind;
}

/** Weights in one block of a format. */
export function formatBlockWeights(type: i32): i32 {
  return withFormat<BlockWeights>(type, 0);
}

/** Bytes of one block of a format. */
export function formatBlockBytes(type: i32): i32 {
  return withFormat<BlockBytes>(type, 0);
}

// The fields of the jobs below lie in the caller's scratch.
@unmanaged
class RowsJob {
  source: usize;
  destination: usize;
  first: i32; // the row within its matrix at which `source` (pack) or `destination` (unpack) begins
  rows: i32;
  columns: i32;
}

@unmanaged
class Pack extends RowsJob {
  run<F>(): i32 {
    const blocks = <usize>(this.columns / changetype<F>(0).blockWeights);
    const bytes: usize = changetype<F>(0).blockBytes;
    let block = this.source;
    for (let row = this.first, last = this.first + this.rows; row < last; row++) {
      let group = this.destination + <usize>(row / GROUP_ROWS) * blocks * bytes * GROUP_ROWS;
      for (let b: usize = 0; b < blocks; b++, block += bytes, group += bytes * GROUP_ROWS) {
        changetype<F>(0).put(group, row % GROUP_ROWS, block);
      }
    }
    return 0;
  }
}

@unmanaged
class Unpack extends RowsJob {
  run<F>(): i32 {
    const blocks = <usize>(this.columns / changetype<F>(0).blockWeights);
    const bytes: usize = changetype<F>(0).blockBytes;
    let block = this.destination;
    for (let row = this.first, last = this.first + this.rows; row < last; row++) {
      let group = this.source + <usize>(row / GROUP_ROWS) * blocks * bytes * GROUP_ROWS;
      for (let b: usize = 0; b < blocks; b++, block += bytes, group += bytes * GROUP_ROWS) {
        changetype<F>(0).get(group, row % GROUP_ROWS, block);
      }
    }
    return 0;
  }
}

@unmanaged
class Dequantize extends RowsJob {
  run<F>(): i32 {
    const blocks = this.columns / changetype<F>(0).blockWeights;
    let block = this.source;
    let out = this.destination;
    for (let b = 0; b < blocks; b++) {
      changetype<F>(0).dequantize(block, out);
      block += changetype<F>(0).blockBytes;
      out += changetype<F>(0).blockWeights << 2;
    }
    return 0;
  }
}

/**
 * Packs `rows` rows of `columns` weights, from GGUF's layout at `source`, into a packed matrix at `destination`; the first of them is
 * row `first` of the matrix. `job`: 20 bytes of scratch.
 */
export function packRows(
  type: i32,
  source: usize,
  first: i32,
  rows: i32,
  columns: i32,
  destination: usize,
  job: usize,
): void {
  const it = changetype<RowsJob>(job);
  it.source = source;
  it.destination = destination;
  it.first = first;
  it.rows = rows;
  it.columns = columns;
  withFormat<Pack>(type, job);
}

/** The inverse of `packRows`: row `row` of the packed matrix at `source`, in GGUF's layout. */
export function unpackRow(type: i32, source: usize, row: i32, columns: i32, destination: usize, job: usize): void {
  const it = changetype<RowsJob>(job);
  it.source = source;
  it.destination = destination;
  it.first = row;
  it.rows = 1;
  it.columns = columns;
  withFormat<Unpack>(type, job);
}

/** `columns` weights in GGUF's layout at `source` to f32 at `destination`: bit for bit what the format means. */
export function dequantizeRow(type: i32, source: usize, columns: i32, destination: usize, job: usize): void {
  const it = changetype<RowsJob>(job);
  it.source = source;
  it.destination = destination;
  it.columns = columns;
  withFormat<Dequantize>(type, job);
}
