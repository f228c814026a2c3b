// Q2_K: 256 weights in 84 bytes (2.625 bits each), in 16 sub-blocks of 16
//
//   w = d * scale[s] * q - dmin * minimum[s]        q: 0..3, scale and minimum: 0..15, s: sub-block 0..15
//
//   OFFSET  SIZE  DESCRIPTION
//      0     16   byte s:  low nibble: scale s, high nibble: minimum s
//     16     64   q, in halves of 128 weights: 32 bytes each;
//                 half n, byte i:  bits 0 1: weight 128 n + i,       bits 2 3: weight 128 n + 32 + i,
//                                  bits 4 5: weight 128 n + 64 + i,  bits 6 7: weight 128 n + 96 + i
//     80      2   d      f16
//     82      2   dmin   f16
//
// Packed, 8 rows side by side, 672 bytes; a word is 4 bytes, of row 0 | row 1 | ... | row 7:
//
//      0     16   d of row 0 .. row 7
//     16     16   dmin of row 0 .. row 7
//     32    128   the scale bytes: byte 0 of row 0 .. row 7, byte 1, ...
//    160    512   16 words of q
//
// Cost for 8 rows by 256 columns: 672 bytes read; streaming 32 loads of weights, 64 of activations, 128 ands, 96 shifts, 128 dots, 128
// additions; scales and minima some 100 instructions. Decoding to the panel: 128 stores instead of the dots.

import { ACTIVATION_Q8_256 } from "../abi";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, X_BYTES } from "../dot";
import { halfToFloat, kept } from "../lanes";
import {
  highScales,
  lowScales,
  PANEL_Q8_256_D,
  PANEL_Q8_256_DMIN,
  PANEL_Q8_256_SCALES,
  putFactors,
  putMinima,
  putScales,
} from "./panel";
import { finishQ8_256 } from "./sums";

/** Decodes d, dmin, the scales and the minima of 8 rows to a PanelQ8_256. */
@inline
function decodeScales(group: usize, panel: usize): void {
  const four = kept(panel + PANEL_Q8_256_SCALES, i8x16.splat(15));
  for (let s: usize = 0; s < 16; s += 2) {
    const both = v128.load(group + (s << 3), 32);
    putScales(panel, s, v128.and(both, four));
    putMinima(panel, s, v128.and(i16x8.shr_u(both, 4), four));
  }
  putFactors(panel + PANEL_Q8_256_D, group);
  putFactors(panel + PANEL_Q8_256_DMIN, group + 16);
}

@unmanaged
export class Q2_K {
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  @inline get blockWeights(): i32 { return 256; }
  @inline get blockBytes(): i32 { return 84; }
  @inline get zero(): i32 { return 0; }
  @inline get subBlock(): i32 { return 16; }
  @inline get minimumBlock(): i32 { return 16; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(half, load<u16>(block, 80));
    store<u16>(half, load<u16>(block, 82), 16);
    const scale = group + <usize>r;
    for (let s: usize = 0; s < 16; s++) store<u8>(scale + (s << 3), load<u8>(block + s), 32);
    const word = group + (<usize>r << 2);
    for (let j: usize = 0; j < 16; j++) store<u32>(word + (j << 5), load<u32>(block + (j << 2), 16), 160);
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half), 80);
    store<u16>(block, load<u16>(half, 16), 82);
    const scale = group + <usize>r;
    for (let s: usize = 0; s < 16; s++) store<u8>(block + s, load<u8>(scale + (s << 3), 32));
    const word = group + (<usize>r << 2);
    for (let j: usize = 0; j < 16; j++) store<u32>(block + (j << 2), load<u32>(word + (j << 5), 160), 16);
  }

  /** The scalar meaning: one block to 256 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block, 80));
    const dmin = halfToFloat(load<u16>(block, 82));
    for (let i: usize = 0; i < 256; i++) {
      const both: i32 = load<u8>(block + (i >> 4));
      const bits: i32 = load<u8>(block + ((i >> 7) << 5) + (i & 31), 16);
      const q = (bits >> (<i32>((i >> 5) & 3) << 1)) & 3;
      const scale = d * <f32>(both & 15);
      const minimum = dmin * <f32>(both >> 4);
      store<f32>(out + (i << 2), scale * <f32>q - minimum);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_256. */
  @inline
  panel(group: usize, panel: usize): void {
    const bits = kept(panel, i8x16.splat(3));
    let to = panel;
    for (let from = group, end = group + 512; from < end; to += 768) {
      for (const stop = from + 256; from < stop; from += 16, to += 16) {
        const q = v128.load(from, 160);
        v128.store(to, v128.and(q, bits));
        v128.store(to, v128.and(i16x8.shr_u(q, 2), bits), 256);
        v128.store(to, v128.and(i16x8.shr_u(q, 4), bits), 512);
        v128.store(to, v128.and(i16x8.shr_u(q, 6), bits), 768);
      }
    }
    decodeScales(group, panel);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes the scales. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const bits = kept(panel, i8x16.splat(3));
    for (; blocks > 0; blocks--, group += 672) {
      decodeScales(group, panel);
      let products0 = i32x4.splat(0);
      let products1 = i32x4.splat(0);
      let scales = panel;
      let q = group;
      for (let half = 0; half < 2; half++, scales += 96, x += 96 * X_BYTES) {
        // A sub-block of each quarter of the half shares the bytes of a run.
        for (let run = 0; run < 2; run++, scales += 16) {
          let a0 = i16x8.splat(0);
          let a1 = a0;
          let b0 = a0;
          let b1 = a0;
          let c0 = a0;
          let c1 = a0;
          let d0 = a0;
          let d1 = a0;
          for (const stop = q + 128; q < stop; q += 32, x += 4 * X_BYTES) {
            const q0 = v128.load(q, 160);
            const q1 = v128.load(q, 176);
            let even = changetype<Columns>(x).even0();
            let odd = changetype<Columns>(x).odd0();
            let w = v128.and(q0, bits);
            a0 = dotAdd(a0, evenWeights(w), oddWeights(w), even, odd);
            w = v128.and(q1, bits);
            a1 = dotAdd(a1, evenWeights(w), oddWeights(w), even, odd);
            even = changetype<Columns>(x + 32 * X_BYTES).even0();
            odd = changetype<Columns>(x + 32 * X_BYTES).odd0();
            w = v128.and(i16x8.shr_u(q0, 2), bits);
            b0 = dotAdd(b0, evenWeights(w), oddWeights(w), even, odd);
            w = v128.and(i16x8.shr_u(q1, 2), bits);
            b1 = dotAdd(b1, evenWeights(w), oddWeights(w), even, odd);
            even = changetype<Columns>(x + 64 * X_BYTES).even0();
            odd = changetype<Columns>(x + 64 * X_BYTES).odd0();
            w = v128.and(i16x8.shr_u(q0, 4), bits);
            c0 = dotAdd(c0, evenWeights(w), oddWeights(w), even, odd);
            w = v128.and(i16x8.shr_u(q1, 4), bits);
            c1 = dotAdd(c1, evenWeights(w), oddWeights(w), even, odd);
            even = changetype<Columns>(x + 96 * X_BYTES).even0();
            odd = changetype<Columns>(x + 96 * X_BYTES).odd0();
            w = v128.and(i16x8.shr_u(q0, 6), bits);
            d0 = dotAdd(d0, evenWeights(w), oddWeights(w), even, odd);
            w = v128.and(i16x8.shr_u(q1, 6), bits);
            d1 = dotAdd(d1, evenWeights(w), oddWeights(w), even, odd);
          }
          products0 = scaleSums(products0, a0, lowScales(scales));
          products1 = scaleSums(products1, a1, highScales(scales));
          products0 = scaleSums(products0, b0, lowScales(scales + 32));
          products1 = scaleSums(products1, b1, highScales(scales + 32));
          products0 = scaleSums(products0, c0, lowScales(scales + 64));
          products1 = scaleSums(products1, c1, highScales(scales + 64));
          products0 = scaleSums(products0, d0, lowScales(scales + 96));
          products1 = scaleSums(products1, d1, highScales(scales + 96));
        }
      }
      x = finishQ8_256<Q2_K>(y, panel, products0, products1, x);
    }
  }
}
