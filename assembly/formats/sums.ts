// From integer sums to f32: what a block of products adds to 4 results of one token. Here, and only here, is the arithmetic of floats,
// so that streaming one token and tiles of four add the same numbers in the same order.

import { wholeSums } from "../dot";
import { madd } from "../lanes";
import { PANEL_Q8_256_D, PANEL_Q8_256_DMIN, PANEL_Q8_256_MINIMA } from "./panel";

/** Q8_32: y + sums * (scale * scaleX); `sums`: of dotAdd. */
// @ts-ignore: decorator
@inline
export function leaveQ8_32(y: v128, sums: v128, ones: v128, scale: v128, scaleX: v128): v128 {
  return madd(y, f32x4.convert_i32x4_s(wholeSums(sums, ones)), f32x4.mul(scale, scaleX));
}

/** Q16_32: y + sums * (scale * scaleX); `sums`: i32x4. */
// @ts-ignore: decorator
@inline
export function leaveQ16_32(y: v128, sums: v128, scale: v128, scaleX: v128): v128 {
  return madd(y, f32x4.convert_i32x4_s(sums), f32x4.mul(scale, scaleX));
}

/** Sum over all sub-blocks of minimum * sum of activations, for 4 rows of one token; `minima` at the rows, `sums` at the token. */
// @ts-ignore: decorator
@inline
function minima<F>(minima: usize, sums: usize, step: usize): v128 {
  let m = i32x4.splat(0);
  for (let pair = 128 / changetype<F>(0).minimumBlock; pair > 0; pair--, minima += 32, sums += step) {
    m = i32x4.add(m, i32x4.dot_i16x8_s(v128.load(minima), v128.load32_splat(sums)));
  }
  return m;
}

/** Adds one block to 4 results of one token at y. */
// @ts-ignore: decorator
@inline
export function finishRowsQ8_256<F>(y: usize, panel: usize, rows: usize, products: v128, scaleX: v128, sums: usize, step: usize): void {
  const d = f32x4.mul(v128.load(panel + rows, PANEL_Q8_256_D), scaleX);
  let sum = madd(v128.load(y + rows), f32x4.convert_i32x4_s(products), d);
  if (changetype<F>(0).minimumBlock != 0) {
    const dmin = f32x4.mul(v128.load(panel + rows, PANEL_Q8_256_DMIN), scaleX);
    const m = minima<F>(panel + PANEL_Q8_256_MINIMA + rows, sums, step);
    sum = madd(sum, f32x4.convert_i32x4_s(i32x4.neg(m)), dmin);
  }
  v128.store(y + rows, sum);
}

/** Where the sums for the minima begin, after the sums of the pairs: those of 16, then those of 32 columns. */
// @ts-ignore: decorator
@inline
export function sumsOffset<F>(width: usize): usize {
  return changetype<F>(0).minimumBlock == 32 ? 96 * width : 64 * width;
}

/** Adds one block to the 8 results of one token; `tail`: after the token's activations. Returns where the next block's begin. */
// @ts-ignore: decorator
@inline
export function finishQ8_256<F>(y: usize, panel: usize, products0: v128, products1: v128, tail: usize): usize {
  const scaleX = v128.load32_splat(tail, 112);
  const sums = tail + sumsOffset<F>(1);
  finishRowsQ8_256<F>(y, panel, 0, products0, scaleX, sums, 4);
  finishRowsQ8_256<F>(y, panel, 16, products1, scaleX, sums, 4);
  return tail + 116;
}
