// One token times packed weights that are floats: F32, F16, BF16. A column of 8 rows lies side by side; a result is one chain of additions, in
// the order of k.
//
// What the format's class has in addition to what the table says:
//
//   columnBytes      bytes of a column of 8 rows
//   rows             rows 0..3 (half 0) or 4..7 (half 1) of the column at `at`, as f32
//
// The 2 sums of one group wait for themselves: 4 cycles a column, in which a core could read 30 to 60 bytes, and F16 has 16. So two groups go
// together (`streamFloatsOfPair`).
//
// Cost for a column: 1 splat, and for each 4 rows 1 load, the conversion, and 1 multiply-add. Registers: 2 sums, or 4 of a pair; 2 constants.

import { HALF_BIAS, HALF_MASK, kept, madd, storeRows } from "../lanes";

/** One group: y (8 f32) += its `columns` columns times x (F32). `scratch`: 16 bytes. */
@inline
export function streamFloats<F>(group: usize, x: usize, y: usize, columns: i32, scratch: usize): void {
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  let y0 = v128.load(y);
  let y1 = v128.load(y, 16);
  for (const stop = x + (<usize>columns << 2); x < stop; x += 4, group += changetype<F>(0).columnBytes) {
    const value = v128.load32_splat(x);
    y0 = madd(y0, changetype<F>(0).rows(group, 0, mask, bias), value);
    y1 = madd(y1, changetype<F>(0).rows(group, 1, mask, bias), value);
  }
  storeRows(y, y0, y1);
}

/** Two groups, the second `next` bytes after the first: y and z (8 f32 each) += their columns times x. `scratch`: 16 bytes. */
@inline
export function streamFloatsOfPair<F>(group: usize, next: usize, x: usize, y: usize, z: usize, columns: i32, scratch: usize): void {
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  let y0 = v128.load(y);
  let y1 = v128.load(y, 16);
  let z0 = v128.load(z);
  let z1 = v128.load(z, 16);
  next += group;
  for (const stop = x + (<usize>columns << 2); x < stop; x += 4) {
    const value = v128.load32_splat(x);
    y0 = madd(y0, changetype<F>(0).rows(group, 0, mask, bias), value);
    y1 = madd(y1, changetype<F>(0).rows(group, 1, mask, bias), value);
    z0 = madd(z0, changetype<F>(0).rows(next, 0, mask, bias), value);
    z1 = madd(z1, changetype<F>(0).rows(next, 1, mask, bias), value);
    group += changetype<F>(0).columnBytes;
    next += changetype<F>(0).columnBytes;
  }
  storeRows(y, y0, y1);
  storeRows(z, z0, z1);
}
