// From integer sums to f32: what a block of products adds to 4 results of one token. All arithmetic of floats is in this file, so that
// streaming one token and multiplying a tile of four add the same numbers in the same order. Both halves of 8 rows are loaded before either
// is stored: only then can a compiler join them to registers of 32 bytes.
//
// Cost for 4 results of a block, loads and stores aside: leaveQ8_32 3 instructions (simd and relaxed 1 more for whole sums); finishQ8_256
// 3, and with minima 4 more and 2 for each pair of sub-blocks; simd has 1 more for each madd.

import { Q8_256_SCALE, Q8_256_SUMS_16, Q8_256_SUMS_32, Q8_256_TAIL_BYTES } from "../activations/q8_256";
import { scaleSums, wholeSums } from "../dot";
import { madd, storeRows } from "../lanes";
import { PANEL_Q8_256_D, PANEL_Q8_256_DMIN, PANEL_Q8_256_MINIMA } from "./panel";

/** Q8_32: y + sums * (scale * scaleX); `sums`: of dotAdd. */
@inline
export function leaveQ8_32(y: v128, sums: v128, ones: v128, scale: v128, scaleX: v128): v128 {
  return madd(y, f32x4.convert_i32x4_s(wholeSums(sums, ones)), f32x4.mul(scale, scaleX));
}

/** Q8_32: adds one block to the 8 results of one token at y. */
@inline
export function leaveTokenQ8_32(y: usize, sums0: v128, sums1: v128, ones: v128, scale0: v128, scale1: v128, scaleX: v128): void {
  const y0 = leaveQ8_32(v128.load(y), sums0, ones, scale0, scaleX);
  const y1 = leaveQ8_32(v128.load(y, 16), sums1, ones, scale1, scaleX);
  storeRows(y, y0, y1);
}

/** Q16_32: y + sums * (scale * scaleX); `sums`: i32x4. */
@inline
export function leaveQ16_32(y: v128, sums: v128, scale: v128, scaleX: v128): v128 {
  return madd(y, f32x4.convert_i32x4_s(sums), f32x4.mul(scale, scaleX));
}

/** Q16_32: adds one block to the 8 results of one token at y. */
@inline
export function leaveTokenQ16_32(y: usize, sums0: v128, sums1: v128, scale0: v128, scale1: v128, scaleX: v128): void {
  const y0 = leaveQ16_32(v128.load(y), sums0, scale0, scaleX);
  const y1 = leaveQ16_32(v128.load(y, 16), sums1, scale1, scaleX);
  storeRows(y, y0, y1);
}

/** Adds one block to the 8 results of one token at y; `minima`: sums over all sub-blocks of -minimum * sum of activations, if F has any. */
@inline
export function finishToken<F>(y: usize, panel: usize, products0: v128, products1: v128, scaleX: v128, minima0: v128, minima1: v128): void {
  let y0 = madd(v128.load(y), f32x4.convert_i32x4_s(products0), f32x4.mul(v128.load(panel, PANEL_Q8_256_D), scaleX));
  let y1 = madd(v128.load(y, 16), f32x4.convert_i32x4_s(products1), f32x4.mul(v128.load(panel, PANEL_Q8_256_D + 16), scaleX));
  if (changetype<F>(0).minimumBlock != 0) {
    y0 = madd(y0, f32x4.convert_i32x4_s(minima0), f32x4.mul(v128.load(panel, PANEL_Q8_256_DMIN), scaleX));
    y1 = madd(y1, f32x4.convert_i32x4_s(minima1), f32x4.mul(v128.load(panel, PANEL_Q8_256_DMIN + 16), scaleX));
  }
  storeRows(y, y0, y1);
}

/** Where the sums for the minima begin, after the sums of the pairs: those of 16, then those of 32 columns. */
@inline
export function sumsOffset<F>(width: usize): usize {
  return changetype<F>(0).minimumBlock == 32 ? Q8_256_SUMS_32 * width : Q8_256_SUMS_16 * width;
}

/** Bytes of a panel's minima: 16 for each pair of sub-blocks. */
@inline
export function minimaBytes<F>(): usize {
  return changetype<F>(0).minimumBlock == 0 ? 0 : 2048 / changetype<F>(0).minimumBlock;
}

/** Adds one block to the 8 results of one token; `tail`: after the token's activations. Returns where the next block's begin. */
@inline
export function finishQ8_256<F>(y: usize, panel: usize, products0: v128, products1: v128, tail: usize): usize {
  let minima0 = i32x4.splat(0);
  let minima1 = minima0;
  let sums = tail + sumsOffset<F>(1);
  for (let at = panel, end = panel + minimaBytes<F>(); at < end; at += 16, sums += 4) {
    const x = v128.load32_splat(sums);
    minima0 = i32x4.sub(minima0, i32x4.dot_i16x8_s(v128.load8x8_u(at, PANEL_Q8_256_MINIMA), x));
    minima1 = i32x4.sub(minima1, i32x4.dot_i16x8_s(v128.load8x8_u(at, PANEL_Q8_256_MINIMA + 8), x));
  }
  finishToken<F>(y, panel, products0, products1, v128.load32_splat(tail, Q8_256_SCALE), minima0, minima1);
  return tail + Q8_256_TAIL_BYTES;
}

/** `finishQ8_256` for a token whose sums over all sub-blocks of minimum * sum of activations lie in the panel, where the minima would. */
@inline
export function finishMultipliedQ8_256(y: usize, panel: usize, products0: v128, products1: v128, tail: usize): usize {
  const scaleX = v128.load32_splat(tail, Q8_256_SCALE);
  const m0 = i32x4.neg(v128.load(panel, PANEL_Q8_256_MINIMA));
  const m1 = i32x4.neg(v128.load(panel, PANEL_Q8_256_MINIMA + 16));
  let y0 = madd(v128.load(y), f32x4.convert_i32x4_s(products0), f32x4.mul(v128.load(panel, PANEL_Q8_256_D), scaleX));
  let y1 = madd(v128.load(y, 16), f32x4.convert_i32x4_s(products1), f32x4.mul(v128.load(panel, PANEL_Q8_256_D + 16), scaleX));
  y0 = madd(y0, f32x4.convert_i32x4_s(m0), f32x4.mul(v128.load(panel, PANEL_Q8_256_DMIN), scaleX));
  y1 = madd(y1, f32x4.convert_i32x4_s(m1), f32x4.mul(v128.load(panel, PANEL_Q8_256_DMIN + 16), scaleX));
  storeRows(y, y0, y1);
  return tail + Q8_256_TAIL_BYTES;
}

/** Adds the sums of one sub-block of one token, times its scales (of rows 0..3, of rows 4..7), to 32-bit sums in memory. */
@inline
export function scaleUp(products: usize, sums0: v128, sums1: v128, scales0: v128, scales1: v128): void {
  const products0 = scaleSums(v128.load(products), sums0, scales0);
  const products1 = scaleSums(v128.load(products, 16), sums1, scales1);
  storeRows(products, products0, products1);
}

/** `finishQ8_256` for a tile of four tokens, or the first `two` of one, whose 32-bit sums lie at `products`. */
@inline
export function finishTileQ8_256<F>(y: usize, panel: usize, products: usize, tail: usize, two: bool): usize {
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  let sums = tail + sumsOffset<F>(4);
  for (let at = panel, end = panel + minimaBytes<F>(); at < end; at += 16, sums += 16) {
    const minima0 = v128.load8x8_u(at, PANEL_Q8_256_MINIMA);
    const minima1 = v128.load8x8_u(at, PANEL_Q8_256_MINIMA + 8);
    let x = v128.load32_splat(sums);
    a0 = i32x4.sub(a0, i32x4.dot_i16x8_s(minima0, x));
    a1 = i32x4.sub(a1, i32x4.dot_i16x8_s(minima1, x));
    x = v128.load32_splat(sums, 4);
    b0 = i32x4.sub(b0, i32x4.dot_i16x8_s(minima0, x));
    b1 = i32x4.sub(b1, i32x4.dot_i16x8_s(minima1, x));
    if (!two) {
      x = v128.load32_splat(sums, 8);
      c0 = i32x4.sub(c0, i32x4.dot_i16x8_s(minima0, x));
      c1 = i32x4.sub(c1, i32x4.dot_i16x8_s(minima1, x));
      x = v128.load32_splat(sums, 12);
      d0 = i32x4.sub(d0, i32x4.dot_i16x8_s(minima0, x));
      d1 = i32x4.sub(d1, i32x4.dot_i16x8_s(minima1, x));
    }
  }
  finishToken<F>(y, panel, v128.load(products), v128.load(products, 16), v128.load32_splat(tail, 4 * Q8_256_SCALE), a0, a1);
  finishToken<F>(y + 32, panel, v128.load(products, 32), v128.load(products, 48), v128.load32_splat(tail, 4 * Q8_256_SCALE + 4), b0, b1);
  if (!two) {
    finishToken<F>(y + 64, panel, v128.load(products, 64), v128.load(products, 80), v128.load32_splat(tail, 4 * Q8_256_SCALE + 8), c0, c1);
    finishToken<F>(y + 96, panel, v128.load(products, 96), v128.load(products, 112), v128.load32_splat(tail, 4 * Q8_256_SCALE + 12), d0, d1);
  }
  return tail + 4 * Q8_256_TAIL_BYTES;
}
