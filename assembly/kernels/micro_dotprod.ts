// Microkernels of the dotprod build: the results of 8 rows by 4 tokens stay in registers. ARM has 32, so that it takes both the sums of a
// block and the results; and V8 checks the bounds of each store there (a store may not be done in part), which costs 4 instructions more.
//
// Same integers, same additions as micro_q8_32.ts and micro_q8_256.ts, which have the formulas.
//
// Cost for 4 tokens, 8 rows, 32 columns (1024 products): 8 * (3 loads, 4 spreads, 8 dots), then 8 * 3 to leave integers of 32 columns, or
// 8 multiply-adds by integer scales and, for each 256 columns, 8 * 5.
// Registers: 8 sums, 8 results (Q8_256: 8 products by scales), 2 weights, 2 activations; the others are free.

import { Q8_256_COLUMN_BYTES, Q8_256_SCALE, Q8_256_TAIL_BYTES } from "../activations/q8_256";
import { Q8_32_COLUMN_BYTES, Q8_32_SCALES, Q8_32_SCALED_SUMS, Q8_32_TAIL_BYTES } from "../activations/q8_32";
import { Columns, dotBytes, scaleSums, spread0, spread1, spread2, spread3, startSums, X_BYTES } from "../dot";
import {
  highScales,
  lowScales,
  PANEL_Q8_256_BYTES,
  PANEL_Q8_256_MINIMA,
  PANEL_Q8_32_BYTES,
  PANEL_Q8_32_MINIMUM,
  PANEL_Q8_32_SCALE,
} from "../formats/panel";
import { finishToken, leaveQ8_32, minimaBytes, sumsOffset } from "../formats/sums";
import { madd } from "../lanes";

/** Four tokens: y holds 4 times 8 f32, 32 bytes apart. */
@inline
export function dotprodQ8_32x4<F>(panel: usize, x: usize, y: usize, blocks: i32): void {
  let ya0 = v128.load(y);
  let ya1 = v128.load(y, 16);
  let yb0 = v128.load(y, 32);
  let yb1 = v128.load(y, 48);
  let yc0 = v128.load(y, 64);
  let yc1 = v128.load(y, 80);
  let yd0 = v128.load(y, 96);
  let yd1 = v128.load(y, 112);
  for (; blocks > 0; blocks--, panel += PANEL_Q8_32_BYTES) {
    const tail = x + 4 * Q8_32_COLUMN_BYTES;
    const starts = startSums(v128.load(tail), changetype<F>(0).zero);
    let a0 = spread0(starts);
    let b0 = spread1(starts);
    let c0 = spread2(starts);
    let d0 = spread3(starts);
    let a1 = a0;
    let b1 = b0;
    let c1 = c0;
    let d1 = d0;
    for (let q = panel, stop = panel + 256; q < stop; q += 32, x += 16 * X_BYTES) {
      const w0 = v128.load(q);
      const w1 = v128.load(q, 16);
      const columns = changetype<Columns>(x).all();
      let one = spread0(columns);
      a0 = dotBytes(a0, w0, one);
      a1 = dotBytes(a1, w1, one);
      one = spread1(columns);
      b0 = dotBytes(b0, w0, one);
      b1 = dotBytes(b1, w1, one);
      one = spread2(columns);
      c0 = dotBytes(c0, w0, one);
      c1 = dotBytes(c1, w1, one);
      one = spread3(columns);
      d0 = dotBytes(d0, w0, one);
      d1 = dotBytes(d1, w1, one);
    }
    const scale0 = v128.load(panel, PANEL_Q8_32_SCALE);
    const scale1 = v128.load(panel, PANEL_Q8_32_SCALE + 16);
    const scales = v128.load(tail, Q8_32_SCALES);
    let scaleX = spread0(scales);
    ya0 = leaveQ8_32(ya0, a0, a0, scale0, scaleX);
    ya1 = leaveQ8_32(ya1, a1, a1, scale1, scaleX);
    scaleX = spread1(scales);
    yb0 = leaveQ8_32(yb0, b0, b0, scale0, scaleX);
    yb1 = leaveQ8_32(yb1, b1, b1, scale1, scaleX);
    scaleX = spread2(scales);
    yc0 = leaveQ8_32(yc0, c0, c0, scale0, scaleX);
    yc1 = leaveQ8_32(yc1, c1, c1, scale1, scaleX);
    scaleX = spread3(scales);
    yd0 = leaveQ8_32(yd0, d0, d0, scale0, scaleX);
    yd1 = leaveQ8_32(yd1, d1, d1, scale1, scaleX);
    if (changetype<F>(0).hasMinimum) {
      const minimum0 = v128.load(panel, PANEL_Q8_32_MINIMUM);
      const minimum1 = v128.load(panel, PANEL_Q8_32_MINIMUM + 16);
      const scaledSums = v128.load(tail, Q8_32_SCALED_SUMS);
      let scaledSum = spread0(scaledSums);
      ya0 = madd(ya0, minimum0, scaledSum);
      ya1 = madd(ya1, minimum1, scaledSum);
      scaledSum = spread1(scaledSums);
      yb0 = madd(yb0, minimum0, scaledSum);
      yb1 = madd(yb1, minimum1, scaledSum);
      scaledSum = spread2(scaledSums);
      yc0 = madd(yc0, minimum0, scaledSum);
      yc1 = madd(yc1, minimum1, scaledSum);
      scaledSum = spread3(scaledSums);
      yd0 = madd(yd0, minimum0, scaledSum);
      yd1 = madd(yd1, minimum1, scaledSum);
    }
    x = tail + 4 * Q8_32_TAIL_BYTES;
  }
  v128.store(y, ya0);
  v128.store(y, ya1, 16);
  v128.store(y, yb0, 32);
  v128.store(y, yb1, 48);
  v128.store(y, yc0, 64);
  v128.store(y, yc1, 80);
  v128.store(y, yd0, 96);
  v128.store(y, yd1, 112);
}

/** Four tokens: y holds 4 times 8 f32, 32 bytes apart. */
@inline
export function dotprodQ8_256x4<F>(panel: usize, x: usize, y: usize, blocks: i32): void {
  const groupBytes: usize = changetype<F>(0).subBlock * 8;
  for (; blocks > 0; blocks--, panel += PANEL_Q8_256_BYTES) {
    const tail = x + 4 * Q8_256_COLUMN_BYTES;
    let pairs = tail;
    let at = panel;
    let pa0 = i32x4.splat(0);
    let pa1 = pa0;
    let pb0 = pa0;
    let pb1 = pa0;
    let pc0 = pa0;
    let pc1 = pa0;
    let pd0 = pa0;
    let pd1 = pa0;
    for (let q = panel, end = panel + 2048; q < end; pairs += 16) {
      const starts = startSums(v128.load(pairs), changetype<F>(0).zero);
      let a0 = spread0(starts);
      let b0 = spread1(starts);
      let c0 = spread2(starts);
      let d0 = spread3(starts);
      let a1 = a0;
      let b1 = b0;
      let c1 = c0;
      let d1 = d0;
      for (const stop = q + groupBytes; q < stop; q += 32, x += 16 * X_BYTES) {
        const w0 = v128.load(q);
        const w1 = v128.load(q, 16);
        const columns = changetype<Columns>(x).all();
        let one = spread0(columns);
        a0 = dotBytes(a0, w0, one);
        a1 = dotBytes(a1, w1, one);
        one = spread1(columns);
        b0 = dotBytes(b0, w0, one);
        b1 = dotBytes(b1, w1, one);
        one = spread2(columns);
        c0 = dotBytes(c0, w0, one);
        c1 = dotBytes(c1, w1, one);
        one = spread3(columns);
        d0 = dotBytes(d0, w0, one);
        d1 = dotBytes(d1, w1, one);
      }
      const low = lowScales(at);
      const high = highScales(at);
      pa0 = scaleSums(pa0, a0, low);
      pa1 = scaleSums(pa1, a1, high);
      pb0 = scaleSums(pb0, b0, low);
      pb1 = scaleSums(pb1, b1, high);
      pc0 = scaleSums(pc0, c0, low);
      pc1 = scaleSums(pc1, c1, high);
      pd0 = scaleSums(pd0, d0, low);
      pd1 = scaleSums(pd1, d1, high);
      at += 16;
    }
    let ma0 = i32x4.splat(0);
    let ma1 = ma0;
    let mb0 = ma0;
    let mb1 = ma0;
    let mc0 = ma0;
    let mc1 = ma0;
    let md0 = ma0;
    let md1 = ma0;
    let sums = tail + sumsOffset<F>(4);
    for (let at = panel, end = panel + minimaBytes<F>(); at < end; at += 16, sums += 16) {
      const minima0 = v128.load8x8_u(at, PANEL_Q8_256_MINIMA);
      const minima1 = v128.load8x8_u(at, PANEL_Q8_256_MINIMA + 8);
      const pairs = v128.load(sums);
      let pair = spread0(pairs);
      ma0 = i32x4.sub(ma0, i32x4.dot_i16x8_s(minima0, pair));
      ma1 = i32x4.sub(ma1, i32x4.dot_i16x8_s(minima1, pair));
      pair = spread1(pairs);
      mb0 = i32x4.sub(mb0, i32x4.dot_i16x8_s(minima0, pair));
      mb1 = i32x4.sub(mb1, i32x4.dot_i16x8_s(minima1, pair));
      pair = spread2(pairs);
      mc0 = i32x4.sub(mc0, i32x4.dot_i16x8_s(minima0, pair));
      mc1 = i32x4.sub(mc1, i32x4.dot_i16x8_s(minima1, pair));
      pair = spread3(pairs);
      md0 = i32x4.sub(md0, i32x4.dot_i16x8_s(minima0, pair));
      md1 = i32x4.sub(md1, i32x4.dot_i16x8_s(minima1, pair));
    }
    const scales = v128.load(tail, 4 * Q8_256_SCALE);
    finishToken<F>(y, panel, pa0, pa1, spread0(scales), ma0, ma1);
    finishToken<F>(y + 32, panel, pb0, pb1, spread1(scales), mb0, mb1);
    finishToken<F>(y + 64, panel, pc0, pc1, spread2(scales), mc0, mc1);
    finishToken<F>(y + 96, panel, pd0, pd1, spread3(scales), md0, md1);
    x = tail + 4 * Q8_256_TAIL_BYTES;
  }
}
