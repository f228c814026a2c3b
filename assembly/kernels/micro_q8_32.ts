// Microkernel: 8 rows of small weights with float scales (PanelQ8_32) by the activations Q8_32 of one token or four.
//
//   y[t, r] += sum over blocks b of  scale[b, r] * scaleX[b, t] * (sum over k of (q[b, r, k] - zero) * x[b, t, k])
//                                  + minimum[b, r] * scaledSum[b, t]
//
//   block   32 columns     the panel block is in L1, as are the tile's activations
//   group   4 columns      2 weight registers (rows 0..3, rows 4..7), 8 sums of 16 bits (a0 .. d1: token a .. d, rows 0..3 or 4..7)
//
// Offsets are free: the sums start at -zero * (sums of the activations). 16 bits are enough: 16 products of 127 * 16 at most.
// Cost for 4 tokens, 8 rows, 32 columns (1024 products), relaxed: 8 * (2 + 4 loads, 8 dots, 8 adds), then 8 * 6 to leave integers.
// Registers: 8 sums, 2 weights, 1 activation. Wide, 16 rows: the same numbers of instructions and registers, each of 32 bytes.

import {
  Q8_32_COLUMN_BYTES,
  Q8_32_SCALE,
  Q8_32_SCALED_SUM,
  Q8_32_SCALED_SUMS,
  Q8_32_SCALES,
  Q8_32_TAIL_BYTES,
} from "../activations/q8_32";
import { Columns, dotAdd, dotBytes, evenWeights, oddWeights, startSums, X_BYTES } from "../dot";
import { kept, madd, storeRows } from "../lanes";
import { PANEL_Q8_32_BYTES, PANEL_Q8_32_MINIMUM, PANEL_Q8_32_SCALE } from "../formats/panel";
import { leaveQ8_32 } from "../formats/sums";
import { dotprodQ8_32x4 } from "./micro_dotprod";

/** One token: y holds 8 f32. */
@inline
function microQ8_32x1<F>(panel: usize, x: usize, y: usize, blocks: i32): void {
  const ones = i16x8.splat(1);
  let y0 = v128.load(y);
  let y1 = v128.load(y, 16);
  for (; blocks > 0; blocks--, panel += PANEL_Q8_32_BYTES) {
    const tail = x + Q8_32_COLUMN_BYTES;
    let sums0 = startSums(v128.load32_splat(tail), changetype<F>(0).zero);
    let sums1 = sums0;
    for (let q = panel, stop = panel + 256; q < stop; q += 32, x += 4 * X_BYTES) {
      const even = changetype<Columns>(x).even0();
      const odd = changetype<Columns>(x).odd0();
      const w0 = v128.load(q);
      const w1 = v128.load(q, 16);
      sums0 = dotAdd(sums0, evenWeights(w0), oddWeights(w0), even, odd);
      sums1 = dotAdd(sums1, evenWeights(w1), oddWeights(w1), even, odd);
    }
    const scaleX = v128.load32_splat(tail, Q8_32_SCALE);
    y0 = leaveQ8_32(y0, sums0, ones, v128.load(panel, PANEL_Q8_32_SCALE), scaleX);
    y1 = leaveQ8_32(y1, sums1, ones, v128.load(panel, PANEL_Q8_32_SCALE + 16), scaleX);
    if (changetype<F>(0).hasMinimum) {
      const scaledSum = v128.load32_splat(tail, Q8_32_SCALED_SUM);
      y0 = madd(y0, v128.load(panel, PANEL_Q8_32_MINIMUM), scaledSum);
      y1 = madd(y1, v128.load(panel, PANEL_Q8_32_MINIMUM + 16), scaledSum);
    }
    x = tail + Q8_32_TAIL_BYTES;
  }
  storeRows(y, y0, y1);
}

/** Adds one block to the 8 results of one token at y. `scaledSum` is met by the minima of a format that has them. */
@inline
function finish<F>(
  y: usize,
  panel: usize,
  sums0: v128,
  sums1: v128,
  ones: v128,
  scale0: v128,
  scale1: v128,
  scaleX: v128,
  scaledSum: v128,
): void {
  let y0 = leaveQ8_32(v128.load(y), sums0, ones, scale0, scaleX);
  let y1 = leaveQ8_32(v128.load(y, 16), sums1, ones, scale1, scaleX);
  if (changetype<F>(0).hasMinimum) {
    y0 = madd(y0, v128.load(panel, PANEL_Q8_32_MINIMUM), scaledSum);
    y1 = madd(y1, v128.load(panel, PANEL_Q8_32_MINIMUM + 16), scaledSum);
  }
  storeRows(y, y0, y1);
}

/** The scaled sum of a token, `tail` + 4 t: where the format has minima. */
@inline
function scaledSumAt<F>(tail: usize): v128 {
  return changetype<F>(0).hasMinimum ? v128.load32_splat(tail, Q8_32_SCALED_SUMS) : i32x4.splat(0);
}

/** Four tokens: y holds 4 times 8 f32, 32 bytes apart. */
@inline
function microQ8_32x4<F>(panel: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
  const ones = kept(scratch, i16x8.splat(1));
  for (; blocks > 0; blocks--, panel += PANEL_Q8_32_BYTES) {
    const tail = x + 4 * Q8_32_COLUMN_BYTES;
    let a0 = startSums(v128.load32_splat(tail), changetype<F>(0).zero);
    let b0 = startSums(v128.load32_splat(tail, 4), changetype<F>(0).zero);
    let c0 = startSums(v128.load32_splat(tail, 8), changetype<F>(0).zero);
    let d0 = startSums(v128.load32_splat(tail, 12), changetype<F>(0).zero);
    let a1 = a0;
    let b1 = b0;
    let c1 = c0;
    let d1 = d0;
    for (let q = panel, stop = panel + 256; q < stop; q += 32, x += 16 * X_BYTES) {
      const w0 = v128.load(q);
      const w1 = v128.load(q, 16);
      const even0 = evenWeights(w0);
      const even1 = evenWeights(w1);
      const odd0 = oddWeights(w0);
      const odd1 = oddWeights(w1);
      let even = changetype<Columns>(x).even0();
      let odd = changetype<Columns>(x).odd0();
      a0 = dotAdd(a0, even0, odd0, even, odd);
      a1 = dotAdd(a1, even1, odd1, even, odd);
      even = changetype<Columns>(x).even1();
      odd = changetype<Columns>(x).odd1();
      b0 = dotAdd(b0, even0, odd0, even, odd);
      b1 = dotAdd(b1, even1, odd1, even, odd);
      even = changetype<Columns>(x).even2();
      odd = changetype<Columns>(x).odd2();
      c0 = dotAdd(c0, even0, odd0, even, odd);
      c1 = dotAdd(c1, even1, odd1, even, odd);
      even = changetype<Columns>(x).even3();
      odd = changetype<Columns>(x).odd3();
      d0 = dotAdd(d0, even0, odd0, even, odd);
      d1 = dotAdd(d1, even1, odd1, even, odd);
    }
    const scale0 = v128.load(panel, PANEL_Q8_32_SCALE);
    const scale1 = v128.load(panel, PANEL_Q8_32_SCALE + 16);
    finish<F>(y, panel, a0, a1, ones, scale0, scale1, v128.load32_splat(tail, Q8_32_SCALES), scaledSumAt<F>(tail));
    finish<F>(y + 32, panel, b0, b1, ones, scale0, scale1, v128.load32_splat(tail, Q8_32_SCALES + 4), scaledSumAt<F>(tail + 4));
    finish<F>(y + 64, panel, c0, c1, ones, scale0, scale1, v128.load32_splat(tail, Q8_32_SCALES + 8), scaledSumAt<F>(tail + 8));
    finish<F>(y + 96, panel, d0, d1, ones, scale0, scale1, v128.load32_splat(tail, Q8_32_SCALES + 12), scaledSumAt<F>(tail + 12));
    x = tail + 4 * Q8_32_TAIL_BYTES;
  }
}

/** Four tokens by 16 rows: the second panel lies `next` bytes after the first, and z holds the results of its rows. */
@inline
function microQ8_32x4x16<F>(panel: usize, next: usize, x: usize, y: usize, z: usize, blocks: i32, scratch: usize): void {
  const ones = kept(scratch, i16x8.splat(1));
  for (; blocks > 0; blocks--, panel += PANEL_Q8_32_BYTES) {
    const tail = x + 4 * Q8_32_COLUMN_BYTES;
    let a0 = startSums(v128.load32_splat(tail), changetype<F>(0).zero);
    let b0 = startSums(v128.load32_splat(tail, 4), changetype<F>(0).zero);
    let c0 = startSums(v128.load32_splat(tail, 8), changetype<F>(0).zero);
    let d0 = startSums(v128.load32_splat(tail, 12), changetype<F>(0).zero);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b1 = b0;
    let b2 = b0;
    let b3 = b0;
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    let d1 = d0;
    let d2 = d0;
    let d3 = d0;
    for (let q = panel, r = panel + next, stop = panel + 256; q < stop; q += 32, r += 32, x += 16 * X_BYTES) {
      const w0 = v128.load(q);
      const w1 = v128.load(q, 16);
      const w2 = v128.load(r);
      const w3 = v128.load(r, 16);
      let columns = changetype<Columns>(x).even0();
      a0 = dotBytes(a0, w0, columns);
      a1 = dotBytes(a1, w1, columns);
      a2 = dotBytes(a2, w2, columns);
      a3 = dotBytes(a3, w3, columns);
      columns = changetype<Columns>(x).even1();
      b0 = dotBytes(b0, w0, columns);
      b1 = dotBytes(b1, w1, columns);
      b2 = dotBytes(b2, w2, columns);
      b3 = dotBytes(b3, w3, columns);
      columns = changetype<Columns>(x).even2();
      c0 = dotBytes(c0, w0, columns);
      c1 = dotBytes(c1, w1, columns);
      c2 = dotBytes(c2, w2, columns);
      c3 = dotBytes(c3, w3, columns);
      columns = changetype<Columns>(x).even3();
      d0 = dotBytes(d0, w0, columns);
      d1 = dotBytes(d1, w1, columns);
      d2 = dotBytes(d2, w2, columns);
      d3 = dotBytes(d3, w3, columns);
    }
    const scale0 = v128.load(panel, PANEL_Q8_32_SCALE);
    const scale1 = v128.load(panel, PANEL_Q8_32_SCALE + 16);
    const scale2 = v128.load(panel + next, PANEL_Q8_32_SCALE);
    const scale3 = v128.load(panel + next, PANEL_Q8_32_SCALE + 16);
    let scaleX = v128.load32_splat(tail, Q8_32_SCALES);
    let scaledSum = scaledSumAt<F>(tail);
    finish<F>(y, panel, a0, a1, ones, scale0, scale1, scaleX, scaledSum);
    finish<F>(z, panel + next, a2, a3, ones, scale2, scale3, scaleX, scaledSum);
    scaleX = v128.load32_splat(tail, Q8_32_SCALES + 4);
    scaledSum = scaledSumAt<F>(tail + 4);
    finish<F>(y + 32, panel, b0, b1, ones, scale0, scale1, scaleX, scaledSum);
    finish<F>(z + 32, panel + next, b2, b3, ones, scale2, scale3, scaleX, scaledSum);
    scaleX = v128.load32_splat(tail, Q8_32_SCALES + 8);
    scaledSum = scaledSumAt<F>(tail + 8);
    finish<F>(y + 64, panel, c0, c1, ones, scale0, scale1, scaleX, scaledSum);
    finish<F>(z + 64, panel + next, c2, c3, ones, scale2, scale3, scaleX, scaledSum);
    scaleX = v128.load32_splat(tail, Q8_32_SCALES + 12);
    scaledSum = scaledSumAt<F>(tail + 12);
    finish<F>(y + 96, panel, d0, d1, ones, scale0, scale1, scaleX, scaledSum);
    finish<F>(z + 96, panel + next, d2, d3, ones, scale2, scale3, scaleX, scaledSum);
    x = tail + 4 * Q8_32_TAIL_BYTES;
  }
}

@unmanaged
export class MicroQ8_32 {
  @inline get chunk(): i32 { return 1024; }
  @inline get panelColumns(): i32 { return 32; }
  @inline get panelBytes(): usize { return PANEL_Q8_32_BYTES; }

  @inline
  one<F>(panel: usize, x: usize, y: usize, columns: i32, _scratch: usize): void {
    microQ8_32x1<F>(panel, x, y, columns >> 5);
  }

  @inline
  four<F>(panel: usize, x: usize, y: usize, columns: i32, scratch: usize): void {
    if (DOTPROD) dotprodQ8_32x4<F>(panel, x, y, columns >> 5);
    else microQ8_32x4<F>(panel, x, y, columns >> 5, scratch);
  }

  @inline
  fourByPair<F>(panel: usize, next: usize, x: usize, y: usize, z: usize, columns: i32, scratch: usize): void {
    microQ8_32x4x16<F>(panel, next, x, y, z, columns >> 5, scratch);
  }
}
