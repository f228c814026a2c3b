// Microkernel: 8 rows of int8 weights with float scales (PanelQ16_32) by the activations Q16_32 of one token or four.
//
//   y[t, r] += sum over blocks b of  scale[b, r] * scaleX[b, t] * (sum over k of q[b, r, k] * x[b, t, k])
//
//   block   32 columns      the panel block is in L1, as are the tile's activations
//   pair    2 columns       weights widened by the load, one i32x4.dot_i16x8_s for 4 rows
//
// 32 bits are enough: 32 products of 127 * 32767. The 16-bit activations cost nothing here and make the product nearly exact.
// Cost for 4 tokens, 8 rows, 32 columns (1024 products): 16 * (2 + 4 loads, 8 dots, 8 adds), then 8 * 5 to leave integers.
// Registers: 8 sums, 2 weights, 1 activation. Wide, 16 rows: the same numbers of instructions and registers, each of 32 bytes.

import { PANEL_Q16_32_BYTES, PANEL_Q16_32_SCALE } from "../formats/panel";
import { leaveQ16_32, leaveTokenQ16_32 } from "../formats/sums";
import { storeRows } from "../lanes";

/** One token: y holds 8 f32. */
function microQ16_32x1(panel: usize, x: usize, y: usize, blocks: i32): void {
  let y0 = v128.load(y);
  let y1 = v128.load(y, 16);
  for (; blocks > 0; blocks--, panel += PANEL_Q16_32_BYTES) {
    let sums0 = i32x4.splat(0);
    let sums1 = i32x4.splat(0);
    for (let q = panel, stop = panel + 256; q < stop; q += 16, x += 4) {
      const pair = v128.load32_splat(x);
      sums0 = i32x4.add(sums0, i32x4.dot_i16x8_s(v128.load8x8_s(q), pair));
      sums1 = i32x4.add(sums1, i32x4.dot_i16x8_s(v128.load8x8_s(q, 8), pair));
    }
    const scaleX = v128.load32_splat(x);
    y0 = leaveQ16_32(y0, sums0, v128.load(panel, PANEL_Q16_32_SCALE), scaleX);
    y1 = leaveQ16_32(y1, sums1, v128.load(panel, PANEL_Q16_32_SCALE + 16), scaleX);
    x += 4;
  }
  storeRows(y, y0, y1);
}

/** Four tokens: y holds 4 times 8 f32, 32 bytes apart. */
function microQ16_32x4(panel: usize, x: usize, y: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, panel += PANEL_Q16_32_BYTES) {
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    for (let q = panel, stop = panel + 256; q < stop; q += 16, x += 16) {
      const w0 = v128.load8x8_s(q);
      const w1 = v128.load8x8_s(q, 8);
      let pair = v128.load32_splat(x);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, pair));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, pair));
      pair = v128.load32_splat(x, 4);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, pair));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, pair));
      pair = v128.load32_splat(x, 8);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(w0, pair));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(w1, pair));
      pair = v128.load32_splat(x, 12);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(w0, pair));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(w1, pair));
    }
    const scale0 = v128.load(panel, PANEL_Q16_32_SCALE);
    const scale1 = v128.load(panel, PANEL_Q16_32_SCALE + 16);
    leaveTokenQ16_32(y, a0, a1, scale0, scale1, v128.load32_splat(x));
    leaveTokenQ16_32(y + 32, b0, b1, scale0, scale1, v128.load32_splat(x, 4));
    leaveTokenQ16_32(y + 64, c0, c1, scale0, scale1, v128.load32_splat(x, 8));
    leaveTokenQ16_32(y + 96, d0, d1, scale0, scale1, v128.load32_splat(x, 12));
    x += 16;
  }
}

/** Four tokens by 16 rows: the second panel lies `next` bytes after the first, and z holds the results of its rows. */
function microQ16_32x4x16(panel: usize, next: usize, x: usize, y: usize, z: usize, blocks: i32): void {
  for (; blocks > 0; blocks--, panel += PANEL_Q16_32_BYTES) {
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    let c0 = a0;
    let c1 = a0;
    let c2 = a0;
    let c3 = a0;
    let d0 = a0;
    let d1 = a0;
    let d2 = a0;
    let d3 = a0;
    for (let q = panel, r = panel + next, stop = panel + 256; q < stop; q += 16, r += 16, x += 16) {
      const w0 = v128.load8x8_s(q);
      const w1 = v128.load8x8_s(q, 8);
      const w2 = v128.load8x8_s(r);
      const w3 = v128.load8x8_s(r, 8);
      let pair = v128.load32_splat(x);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, pair));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, pair));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(w2, pair));
      a3 = i32x4.add(a3, i32x4.dot_i16x8_s(w3, pair));
      pair = v128.load32_splat(x, 4);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, pair));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, pair));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(w2, pair));
      b3 = i32x4.add(b3, i32x4.dot_i16x8_s(w3, pair));
      pair = v128.load32_splat(x, 8);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(w0, pair));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(w1, pair));
      c2 = i32x4.add(c2, i32x4.dot_i16x8_s(w2, pair));
      c3 = i32x4.add(c3, i32x4.dot_i16x8_s(w3, pair));
      pair = v128.load32_splat(x, 12);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(w0, pair));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(w1, pair));
      d2 = i32x4.add(d2, i32x4.dot_i16x8_s(w2, pair));
      d3 = i32x4.add(d3, i32x4.dot_i16x8_s(w3, pair));
    }
    const scale0 = v128.load(panel, PANEL_Q16_32_SCALE);
    const scale1 = v128.load(panel, PANEL_Q16_32_SCALE + 16);
    const scale2 = v128.load(panel + next, PANEL_Q16_32_SCALE);
    const scale3 = v128.load(panel + next, PANEL_Q16_32_SCALE + 16);
    leaveTokenQ16_32(y, a0, a1, scale0, scale1, v128.load32_splat(x));
    leaveTokenQ16_32(y + 32, b0, b1, scale0, scale1, v128.load32_splat(x, 4));
    leaveTokenQ16_32(y + 64, c0, c1, scale0, scale1, v128.load32_splat(x, 8));
    leaveTokenQ16_32(y + 96, d0, d1, scale0, scale1, v128.load32_splat(x, 12));
    leaveTokenQ16_32(z, a2, a3, scale2, scale3, v128.load32_splat(x));
    leaveTokenQ16_32(z + 32, b2, b3, scale2, scale3, v128.load32_splat(x, 4));
    leaveTokenQ16_32(z + 64, c2, c3, scale2, scale3, v128.load32_splat(x, 8));
    leaveTokenQ16_32(z + 96, d2, d3, scale2, scale3, v128.load32_splat(x, 12));
    x += 16;
  }
}

@unmanaged
export class MicroQ16_32 {
  @inline get chunk(): i32 { return 1024; }
  @inline get panelColumns(): i32 { return 32; }
  @inline get panelBytes(): usize { return PANEL_Q16_32_BYTES; }

  @inline
  one<F>(panel: usize, x: usize, y: usize, columns: i32, _scratch: usize): void {
    microQ16_32x1(panel, x, y, columns >> 5);
  }

  @inline
  four<F>(panel: usize, x: usize, y: usize, columns: i32, _scratch: usize): void {
    microQ16_32x4(panel, x, y, columns >> 5);
  }

  @inline
  fourByPair<F>(panel: usize, next: usize, x: usize, y: usize, z: usize, columns: i32, _scratch: usize): void {
    microQ16_32x4x16(panel, next, x, y, z, columns >> 5);
  }
}
