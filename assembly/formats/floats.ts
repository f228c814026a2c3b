// Tokens times packed weights that are floats: F32, F16, BF16. A column of 8 rows lies side by side; a result is one chain of additions,
// in the order of k.
//
// What the format's class has in addition to what the table says:
//
//   columnBytes      bytes of a column of 8 rows
//   rows             rows 0..3 (half 0) or 4..7 (half 1) of the column at `at`, as f32
//
// The 2 sums of one group wait for themselves: 4 cycles a column, in which a core could read 30 to 60 bytes, and F16 has 16. So two groups go
// together (`streamFloatsOfPair`).
//
// While a panel is made, nothing is multiplied. So tiles of tokens read the packed columns themselves (`streamFloatsTile`): those of F32 are
// what a panel is, those of F16 and BF16 are converted for each tile. The wide builds keep to panels, which they multiply in pairs.
//
// Cost for a column: 1 splat for each token, and for each 4 rows 1 load, the conversion, and 1 multiply-add for each token. Registers: 2 sums,
// 4 of a pair, or 8 of a tile; 2 weights; 2 constants.

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

/** A tile of four tokens, x (columns, 4), or the first `two` of one: y (4 times 8 f32) += a group's `columns` columns times x. */
@inline
export function streamFloatsTile<F>(group: usize, x: usize, y: usize, columns: i32, scratch: usize, two: bool): void {
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  let a0 = v128.load(y);
  let a1 = v128.load(y, 16);
  let b0 = v128.load(y, 32);
  let b1 = v128.load(y, 48);
  let c0 = v128.load(y, 64);
  let c1 = v128.load(y, 80);
  let d0 = v128.load(y, 96);
  let d1 = v128.load(y, 112);
  for (const stop = x + (<usize>columns << 4); x < stop; x += 16, group += changetype<F>(0).columnBytes) {
    const w0 = changetype<F>(0).rows(group, 0, mask, bias);
    const w1 = changetype<F>(0).rows(group, 1, mask, bias);
    let value = v128.load32_splat(x);
    a0 = madd(a0, w0, value);
    a1 = madd(a1, w1, value);
    value = v128.load32_splat(x, 4);
    b0 = madd(b0, w0, value);
    b1 = madd(b1, w1, value);
    if (!two) {
      value = v128.load32_splat(x, 8);
      c0 = madd(c0, w0, value);
      c1 = madd(c1, w1, value);
      value = v128.load32_splat(x, 12);
      d0 = madd(d0, w0, value);
      d1 = madd(d1, w1, value);
    }
  }
  storeRows(y, a0, a1);
  storeRows(y + 32, b0, b1);
  if (!two) {
    storeRows(y + 64, c0, c1);
    storeRows(y + 96, d0, d1);
  }
}
