// From integer sums to f32: what a block of products adds to 4 results of one token. All arithmetic of floats is in this file, so that
// streaming one token and multiplying a tile of four add the same numbers in the same order.
//
// Cost for 4 results of a block, loads and stores aside: leaveQ8_32 3 instructions (simd and relaxed 1 more for whole sums); finishQ8_256
// 3, and with minima 4 more and 2 for each pair of sub-blocks; simd has 1 more for each madd.

import { Q8_256_SCALE, Q8_256_SUMS_16, Q8_256_SUMS_32, Q8_256_TAIL_BYTES } from "../activations/q8_256";
import { scaleSums, wholeSums } from "../dot";
import { madd } from "../lanes";
import { PANEL_Q8_256_D, PANEL_Q8_256_DMIN, PANEL_Q8_256_MINIMA } from "./panel";

/** Q8_32: y + sums * (scale * scaleX); `sums`: of dotAdd. */
@inline
export function leaveQ8_32(y: v128, sums: v128, ones: v128, scale: v128, scaleX: v128): v128 {
  return madd(y, f32x4.convert_i32x4_s(wholeSums(sums, ones)), f32x4.mul(scale, scaleX));
}

/** Q8_32: adds one block to the 8 results of one token at y. */
@inline
export function leaveTokenQ8_32(y: usize, sums0: v128, sums1: v128, ones: v128, scale0: v128, scale1: v128, scaleX: v128): void {
  v128.store(y, leaveQ8_32(v128.load(y), sums0, ones, scale0, scaleX));
  v128.store(y, leaveQ8_32(v128.load(y, 16), sums1, ones, scale1, scaleX), 16);
}

/** Q16_32: y + sums * (scale * scaleX); `sums`: i32x4. */
@inline
export function leaveQ16_32(y: v128, sums: v128, scale: v128, scaleX: v128): v128 {
  return madd(y, f32x4.convert_i32x4_s(sums), f32x4.mul(scale, scaleX));
}

/** Q16_32: adds one block to the 8 results of one token at y. */
@inline
export function leaveTokenQ16_32(y: usize, sums0: v128, sums1: v128, scale0: v128, scale1: v128, scaleX: v128): void {
  v128.store(y, leaveQ16_32(v128.load(y), sums0, scale0, scaleX));
  v128.store(y, leaveQ16_32(v128.load(y, 16), sums1, scale1, scaleX), 16);
}

/** Sum over all sub-blocks of minimum * sum of activations, for 4 rows of one token; `minima` at the rows, `sums` at the token. */
@inline
function minima<F>(minima: usize, sums: usize, step: usize): v128 {
  let m = i32x4.splat(0);
  for (let pair = 128 / changetype<F>(0).minimumBlock; pair > 0; pair--, minima += 16, sums += step) {
    m = i32x4.add(m, i32x4.dot_i16x8_s(v128.load8x8_u(minima), v128.load32_splat(sums)));
  }
  return m;
}

/** Adds one block to 4 results of one token at y. */
@inline
function finishRowsQ8_256<F>(y: usize, panel: usize, rows: usize, products: v128, scaleX: v128, sums: usize, step: usize): void {
  const d = f32x4.mul(v128.load(panel + rows, PANEL_Q8_256_D), scaleX);
  let sum = madd(v128.load(y + rows), f32x4.convert_i32x4_s(products), d);
  if (changetype<F>(0).minimumBlock != 0) {
    const dmin = f32x4.mul(v128.load(panel + rows, PANEL_Q8_256_DMIN), scaleX);
    const m = minima<F>(panel + PANEL_Q8_256_MINIMA + (rows >> 1), sums, step);
    sum = madd(sum, f32x4.convert_i32x4_s(i32x4.neg(m)), dmin);
  }
  v128.store(y + rows, sum);
}

/** Where the sums for the minima begin, after the sums of the pairs: those of 16, then those of 32 columns. */
@inline
function sumsOffset<F>(width: usize): usize {
  return changetype<F>(0).minimumBlock == 32 ? Q8_256_SUMS_32 * width : Q8_256_SUMS_16 * width;
}

/** Adds one block to the 8 results of one token; `tail`: after the token's activations. Returns where the next block's begin. */
@inline
export function finishQ8_256<F>(y: usize, panel: usize, products0: v128, products1: v128, tail: usize): usize {
  const scaleX = v128.load32_splat(tail, Q8_256_SCALE);
  const sums = tail + sumsOffset<F>(1);
  finishRowsQ8_256<F>(y, panel, 0, products0, scaleX, sums, 4);
  finishRowsQ8_256<F>(y, panel, 16, products1, scaleX, sums, 4);
  return tail + Q8_256_TAIL_BYTES;
}

/** Adds the sums of one sub-block of one token, times its scales (`low`: of rows 0..3), to 32-bit sums in memory. */
@inline
export function scaleUp(products: usize, sums0: v128, sums1: v128, low: v128, high: v128): void {
  v128.store(products, scaleSums(v128.load(products), sums0, low));
  v128.store(products, scaleSums(v128.load(products, 16), sums1, high), 16);
}

/** `finishQ8_256` for a tile of four tokens whose 32-bit sums lie at `products`. */
@inline
export function finishTileQ8_256<F>(y: usize, panel: usize, products: usize, tail: usize): usize {
  const sums = tail + sumsOffset<F>(4);
  for (let t: usize = 0; t < 4; t++, y += 32, products += 32) {
    const scaleX = v128.load32_splat(tail + (t << 2), 4 * Q8_256_SCALE);
    finishRowsQ8_256<F>(y, panel, 0, v128.load(products), scaleX, sums + (t << 2), 16);
    finishRowsQ8_256<F>(y, panel, 16, v128.load(products, 16), scaleX, sums + (t << 2), 16);
  }
  return tail + 4 * Q8_256_TAIL_BYTES;
}
