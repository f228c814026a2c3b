// Microkernel: 8 rows of f32 weights (PanelF32) by the f32 activations of one token or four.
//
//   y[t, r] += sum over k of w[r, k] * x[t, k]        one chain of additions for each result, in the order of k
//
//   column   1 column     the panel is in L1, as are the tile's activations; the 8 results of each token stay in registers
//
// Cost for 4 tokens, 8 rows, 1 column (32 products): 2 + 4 loads, 8 multiply-adds (8 multiplications and 8 additions in simd).
// Registers: 8 sums, 2 weights, 1 activation. One token alone waits for its own additions: 2 chains of 4 cycles a column.
// Wide, 16 rows: the same numbers of instructions and registers, each of 32 bytes.

import { F32 } from "../formats/f32";
import { PANEL_F32_BYTES } from "../formats/panel";
import { madd, storeRows } from "../lanes";

/** Four tokens: y holds 4 times 8 f32, 32 bytes apart. */
function microF32x4(panel: usize, x: usize, y: usize, columns: i32): void {
  let a0 = v128.load(y);
  let a1 = v128.load(y, 16);
  let b0 = v128.load(y, 32);
  let b1 = v128.load(y, 48);
  let c0 = v128.load(y, 64);
  let c1 = v128.load(y, 80);
  let d0 = v128.load(y, 96);
  let d1 = v128.load(y, 112);
  for (const stop = x + (<usize>columns << 4); x < stop; x += 16, panel += PANEL_F32_BYTES) {
    const w0 = v128.load(panel);
    const w1 = v128.load(panel, 16);
    let value = v128.load32_splat(x);
    a0 = madd(a0, w0, value);
    a1 = madd(a1, w1, value);
    value = v128.load32_splat(x, 4);
    b0 = madd(b0, w0, value);
    b1 = madd(b1, w1, value);
    value = v128.load32_splat(x, 8);
    c0 = madd(c0, w0, value);
    c1 = madd(c1, w1, value);
    value = v128.load32_splat(x, 12);
    d0 = madd(d0, w0, value);
    d1 = madd(d1, w1, value);
  }
  storeRows(y, a0, a1);
  storeRows(y + 32, b0, b1);
  storeRows(y + 64, c0, c1);
  storeRows(y + 96, d0, d1);
}

/** Four tokens by 16 rows: the second panel lies `next` bytes after the first, and z holds the results of its rows. */
function microF32x4x16(panel: usize, next: usize, x: usize, y: usize, z: usize, columns: i32): void {
  let a0 = v128.load(y);
  let a1 = v128.load(y, 16);
  let a2 = v128.load(z);
  let a3 = v128.load(z, 16);
  let b0 = v128.load(y, 32);
  let b1 = v128.load(y, 48);
  let b2 = v128.load(z, 32);
  let b3 = v128.load(z, 48);
  let c0 = v128.load(y, 64);
  let c1 = v128.load(y, 80);
  let c2 = v128.load(z, 64);
  let c3 = v128.load(z, 80);
  let d0 = v128.load(y, 96);
  let d1 = v128.load(y, 112);
  let d2 = v128.load(z, 96);
  let d3 = v128.load(z, 112);
  let q = panel + next;
  for (const stop = x + (<usize>columns << 4); x < stop; x += 16, panel += PANEL_F32_BYTES, q += PANEL_F32_BYTES) {
    const w0 = v128.load(panel);
    const w1 = v128.load(panel, 16);
    const w2 = v128.load(q);
    const w3 = v128.load(q, 16);
    let value = v128.load32_splat(x);
    a0 = madd(a0, w0, value);
    a1 = madd(a1, w1, value);
    a2 = madd(a2, w2, value);
    a3 = madd(a3, w3, value);
    value = v128.load32_splat(x, 4);
    b0 = madd(b0, w0, value);
    b1 = madd(b1, w1, value);
    b2 = madd(b2, w2, value);
    b3 = madd(b3, w3, value);
    value = v128.load32_splat(x, 8);
    c0 = madd(c0, w0, value);
    c1 = madd(c1, w1, value);
    c2 = madd(c2, w2, value);
    c3 = madd(c3, w3, value);
    value = v128.load32_splat(x, 12);
    d0 = madd(d0, w0, value);
    d1 = madd(d1, w1, value);
    d2 = madd(d2, w2, value);
    d3 = madd(d3, w3, value);
  }
  storeRows(y, a0, a1);
  storeRows(y + 32, b0, b1);
  storeRows(y + 64, c0, c1);
  storeRows(y + 96, d0, d1);
  storeRows(z, a2, a3);
  storeRows(z + 32, b2, b3);
  storeRows(z + 64, c2, c3);
  storeRows(z + 96, d2, d3);
}

@unmanaged
export class MicroF32 {
  @inline get chunk(): i32 { return 256; }
  @inline get panelColumns(): i32 { return 1; }
  @inline get panelBytes(): usize { return PANEL_F32_BYTES; }

  /** The panel is what F32 has in memory. */
  @inline
  one<F>(panel: usize, x: usize, y: usize, columns: i32, scratch: usize): void {
    changetype<F32>(0).stream(panel, x, y, columns, scratch);
  }

  @inline
  four<F>(panel: usize, x: usize, y: usize, columns: i32, _scratch: usize): void {
    microF32x4(panel, x, y, columns);
  }

  @inline
  fourByPair<F>(panel: usize, next: usize, x: usize, y: usize, z: usize, columns: i32, _scratch: usize): void {
    microF32x4x16(panel, next, x, y, z, columns);
  }
}
