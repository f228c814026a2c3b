// The mean of rows, which an embedding is made of: y = (x[0] + x[1] + ...) / rows, with sums in f64, added in the order of the rows.
//
// Cost for 4 elements of one row: 16 bytes read; 1 load, 2 conversions, 1 shuffle, 2 additions. 2 sums in registers.
// Plain version: test/kernels/mean.test.ts.

/**
 * Rows of `columns` f32 (rounded up to a multiple of 4) lie `stride` bytes apart at `x`; `y`: (columns) f32. The mean of one row is its
 * copy, except that -0 becomes 0.
 */
export function meanRows(x: usize, stride: usize, rows: i32, columns: i32, y: usize): void {
  const count = f64x2.splat(<f64>rows);
  for (const stop = x + (<usize>columns << 2); x < stop; x += 16, y += 16) {
    let low = f64x2.splat(0);
    let high = low;
    let from = x;
    for (let row = 0; row < rows; row++, from += stride) {
      const values = v128.load(from);
      low = f64x2.add(low, f64x2.promote_low_f32x4(values));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i64>(values, values, 1, 0)));
    }
    const lowMeans = f32x4.demote_f64x2_zero(f64x2.div(low, count));
    const highMeans = f32x4.demote_f64x2_zero(f64x2.div(high, count));
    v128.store(y, v128.shuffle<i64>(lowMeans, highMeans, 0, 2));
  }
}
