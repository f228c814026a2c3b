// Microkernel: 8 rows of small weights with integer scales (PanelQ8_256) by the activations Q8_256 of one token or four.
//
//   y[t, r] += sum over blocks b of  scaleX[b, t] * ( d[b, r] * sum over s of scale[b, s, r] * (sum over k of (q - zero) * x)
//                                                   - dmin[b, r] * sum over s of minimum[b, s, r] * (sum over k of x) )
//
//   block      256 columns      in L1, as are the tile's activations; leaves the integers once: 8 * 6 instructions for 2048 products
//   sub-block  16 or 32         one i32x4.dot_i16x8_s multiplies the 16-bit sums by the integer scale and adds their two lanes
//   group      4 columns        as in micro_q8_32.ts
//
// 16 bits are enough for the sums of a sub-block: 8 products of 127 * 32, or 16 of 127 * 15. 32 bits are enough for a block:
// 127 * 32 * 256 * 128 < 2^31.
// Cost for 4 tokens, 8 rows, 32 columns, relaxed: 8 * (2 + 4 loads, 8 dots, 8 adds) and, for each sub-block, 8 * (1 dot, 1 add).
// Registers: 8 sums, 2 weights, 1 activation; the 32-bit sums of 4 tokens lie in the scratch. Wide, 16 rows: the same numbers of
// instructions and registers, each of 32 bytes.

import { Q8_256_COLUMN_BYTES } from "../activations/q8_256";
import { Columns, dotAdd, dotBytes, evenWeights, oddWeights, scaleSums, startSums, X_BYTES } from "../dot";
import { highScales, lowScales, PANEL_Q8_256_BYTES } from "../formats/panel";
import { finishQ8_256, finishTileQ8_256, scaleUp } from "../formats/sums";
import { storeRows } from "../lanes";
import { dotprodQ8_256x4 } from "./micro_dotprod";

/** One token: y holds 8 f32. */
@inline
function microQ8_256x1<F>(panel: usize, x: usize, y: usize, blocks: i32): void {
  const groupBytes: usize = changetype<F>(0).subBlock * 8;
  for (; blocks > 0; blocks--, panel += PANEL_Q8_256_BYTES) {
    const tail = x + Q8_256_COLUMN_BYTES;
    let pairs = tail;
    let scales = panel;
    let products0 = i32x4.splat(0);
    let products1 = i32x4.splat(0);
    for (let q = panel, end = panel + 2048; q < end; pairs += 4) {
      let sums0 = startSums(v128.load32_splat(pairs), changetype<F>(0).zero);
      let sums1 = sums0;
      for (const stop = q + groupBytes; q < stop; q += 32, x += 4 * X_BYTES) {
        const even = changetype<Columns>(x).even0();
        const odd = changetype<Columns>(x).odd0();
        const w0 = v128.load(q);
        const w1 = v128.load(q, 16);
        sums0 = dotAdd(sums0, evenWeights(w0), oddWeights(w0), even, odd);
        sums1 = dotAdd(sums1, evenWeights(w1), oddWeights(w1), even, odd);
      }
      products0 = scaleSums(products0, sums0, lowScales(scales));
      products1 = scaleSums(products1, sums1, highScales(scales));
      scales += 16;
    }
    x = finishQ8_256<F>(y, panel, products0, products1, tail);
  }
}

/** Four tokens: y holds 4 times 8 f32, 32 bytes apart; `scratch` takes 128 bytes of 32-bit sums. */
@inline
function microQ8_256x4<F>(panel: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
  const groupBytes: usize = changetype<F>(0).subBlock * 8;
  for (; blocks > 0; blocks--, panel += PANEL_Q8_256_BYTES) {
    const tail = x + 4 * Q8_256_COLUMN_BYTES;
    let pairs = tail;
    let scales = panel;
    clear(scratch, 128);
    for (let q = panel, end = panel + 2048; q < end; pairs += 16) {
      let a0 = startSums(v128.load32_splat(pairs), changetype<F>(0).zero);
      let b0 = startSums(v128.load32_splat(pairs, 4), changetype<F>(0).zero);
      let c0 = startSums(v128.load32_splat(pairs, 8), changetype<F>(0).zero);
      let d0 = startSums(v128.load32_splat(pairs, 12), changetype<F>(0).zero);
      let a1 = a0;
      let b1 = b0;
      let c1 = c0;
      let d1 = d0;
      for (const stop = q + groupBytes; q < stop; q += 32, x += 16 * X_BYTES) {
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
      const low = lowScales(scales);
      const high = highScales(scales);
      scaleUp(scratch, a0, a1, low, high);
      scaleUp(scratch + 32, b0, b1, low, high);
      scaleUp(scratch + 64, c0, c1, low, high);
      scaleUp(scratch + 96, d0, d1, low, high);
      scales += 16;
    }
    x = finishTileQ8_256<F>(y, panel, scratch, tail, false);
  }
}

/**
 * Four tokens by 16 rows: the second panel lies `next` bytes after the first, and z holds the results of its rows; `scratch` takes 256 bytes
 * of 32-bit sums.
 */
@inline
function microQ8_256x4x16<F>(panel: usize, next: usize, x: usize, y: usize, z: usize, blocks: i32, scratch: usize): void {
  const groupBytes: usize = changetype<F>(0).subBlock * 8;
  for (; blocks > 0; blocks--, panel += PANEL_Q8_256_BYTES) {
    const tail = x + 4 * Q8_256_COLUMN_BYTES;
    let pairs = tail;
    let scales = panel;
    clear(scratch, 256);
    for (let q = panel, r = panel + next, end = panel + 2048; q < end; pairs += 16) {
      let a0 = startSums(v128.load32_splat(pairs), changetype<F>(0).zero);
      let b0 = startSums(v128.load32_splat(pairs, 4), changetype<F>(0).zero);
      let c0 = startSums(v128.load32_splat(pairs, 8), changetype<F>(0).zero);
      let d0 = startSums(v128.load32_splat(pairs, 12), changetype<F>(0).zero);
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
      for (const stop = q + groupBytes; q < stop; q += 32, r += 32, x += 16 * X_BYTES) {
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
      let low = lowScales(scales);
      let high = highScales(scales);
      scaleUp(scratch, a0, a1, low, high);
      scaleUp(scratch + 32, b0, b1, low, high);
      scaleUp(scratch + 64, c0, c1, low, high);
      scaleUp(scratch + 96, d0, d1, low, high);
      low = lowScales(scales + next);
      high = highScales(scales + next);
      scaleUp(scratch + 128, a2, a3, low, high);
      scaleUp(scratch + 160, b2, b3, low, high);
      scaleUp(scratch + 192, c2, c3, low, high);
      scaleUp(scratch + 224, d2, d3, low, high);
      scales += 16;
    }
    finishTileQ8_256<F>(z, panel + next, scratch + 128, tail, false);
    x = finishTileQ8_256<F>(y, panel, scratch, tail, false);
  }
}

/** Zeroes `bytes` bytes of 32-bit sums. */
@inline
function clear(sums: usize, bytes: usize): void {
  const none = i32x4.splat(0);
  for (const end = sums + bytes; sums < end; sums += 32) storeRows(sums, none, none);
}

@unmanaged
export class MicroQ8_256 {
  @inline get chunk(): i32 { return 1024; }
  @inline get panelColumns(): i32 { return 256; }
  @inline get panelBytes(): usize { return PANEL_Q8_256_BYTES; }

  @inline
  one<F>(panel: usize, x: usize, y: usize, columns: i32, _scratch: usize): void {
    microQ8_256x1<F>(panel, x, y, columns >> 8);
  }

  @inline
  four<F>(panel: usize, x: usize, y: usize, columns: i32, scratch: usize): void {
    if (DOTPROD) dotprodQ8_256x4<F>(panel, x, y, columns >> 8);
    else microQ8_256x4<F>(panel, x, y, columns >> 8, scratch);
  }

  @inline
  fourByPair<F>(panel: usize, next: usize, x: usize, y: usize, z: usize, columns: i32, scratch: usize): void {
    microQ8_256x4x16<F>(panel, next, x, y, z, columns >> 8, scratch);
  }
}
