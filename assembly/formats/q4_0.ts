// Q4_0: 32 weights in 18 bytes (4.5 bits each)
//
//   w = d * (q - 8)                       q: 0..15
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d    f16
//      2     16   q    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// Packed, 8 rows side by side, 144 bytes: a v128 holds the same 4 bytes of 4 rows, so that one dot multiplies 4 rows.
//
//      0     16   d of row 0 .. row 7
//     16     32   bytes 0..3:    row 0 | row 1 | row 2 | row 3 || row 4 | ... | row 7
//     48     32   bytes 4..7     80  32  bytes 8..11     112  32  bytes 12..15
//
// Cost for 8 rows by 32 columns: 144 bytes read; streaming 8 loads of weights, 8 of activations, 16 ands, 8 shifts, 16 dots, 16 additions,
// and 18 instructions to leave the integers; a tile of 4 tokens 16 loads of weights, 32 of activations, 64 dots. Decoding to the panel: 16
// stores instead of the dots.

import { ACTIVATION_Q8_32 } from "../abi";
import {
  Q8_32_COLUMN_BYTES,
  Q8_32_SCALE,
  Q8_32_SCALES,
  Q8_32_TAIL_BYTES,
  Q8_32_TOKEN_BYTES,
} from "../activations/q8_32";
import { Columns, dotAdd, dotNibbles, evenWeights, oddWeights, startSums, X_BYTES } from "../dot";
import { floatToHalf, HALF_BIAS, HALF_MASK, halfToFloat, halvesToFloats, halvesToFloatsBy, kept, neverTaken, storeRows } from "../lanes";
import { PANEL_Q8_32_SCALE } from "./panel";
import { Search } from "./search";
import { leaveQ8_32, leaveTokenQ8_32 } from "./sums";

@unmanaged
export class Q4_0 {
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  @inline get blockWeights(): i32 { return 32; }
  @inline get blockBytes(): i32 { return 18; }
  @inline get streamTokens(): i32 { return 16; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 7 * 65504; }
  @inline get zero(): i32 { return 8; }
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    const at = group + (<usize>r << 2);
    store<u16>(group + (<usize>r << 1), load<u16>(block));
    store<u32>(at, load<u32>(block, 2), 16);
    store<u32>(at, load<u32>(block, 6), 48);
    store<u32>(at, load<u32>(block, 10), 80);
    store<u32>(at, load<u32>(block, 14), 112);
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const at = group + (<usize>r << 2);
    store<u16>(block, load<u16>(group + (<usize>r << 1)));
    store<u32>(block, load<u32>(at, 16), 2);
    store<u32>(block, load<u32>(at, 48), 6);
    store<u32>(block, load<u32>(at, 80), 10);
    store<u32>(block, load<u32>(at, 112), 14);
  }

  /** The scalar meaning: one block to 32 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    for (let i: usize = 0; i < 16; i++) {
      const q: i32 = load<u8>(block + i, 2);
      store<f32>(out + (i << 2), <f32>((q & 15) - 8) * d);
      store<f32>(out + (i << 2), <f32>((q >> 4) - 8) * d, 64);
    }
  }

  /** Encodes 32 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<Search>(scratch);
    search.begin(from, 32, -8, 7, false);
    search.findScale();
    const zero = i8x16.splat(8);
    const low = i8x16.add(search.levels16(from), zero);
    const high = i8x16.add(search.levels16(from + 64), zero);
    store<u16>(block, <u16>floatToHalf(search.scale));
    v128.store(block, v128.or(low, i16x8.shl(high, 4)), 2);
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  @inline
  panel(group: usize, panel: usize): void {
    const low = kept(panel, i8x16.splat(15));
    for (let j: usize = 0; j < 128; j += 32) {
      const top = v128.load(group + j, 16);
      const bottom = v128.load(group + j, 32);
      v128.store(panel + j, v128.and(top, low));
      v128.store(panel + j, v128.and(bottom, low), 16);
      v128.store(panel + j, v128.and(i16x8.shr_u(top, 4), low), 128);
      v128.store(panel + j, v128.and(i16x8.shr_u(bottom, 4), low), 144);
    }
    v128.store(panel, halvesToFloats(v128.load16x4_s(group)), PANEL_Q8_32_SCALE);
    v128.store(panel, halvesToFloats(v128.load16x4_s(group, 8)), PANEL_Q8_32_SCALE + 16);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_32). */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
    const low = kept(scratch, i8x16.splat(15));
    const mask = kept(scratch, i32x4.splat(HALF_MASK));
    const bias = kept(scratch, f32x4.splat(HALF_BIAS));
    const ones = kept(scratch, i16x8.splat(1));
    const never = neverTaken(scratch);
    let y0 = v128.load(y);
    let y1 = v128.load(y, 16);
    for (; blocks > 0; blocks--, group += 144, x += Q8_32_TOKEN_BYTES) {
      const xLow = changetype<Columns>(x);
      const xHigh = changetype<Columns>(x + 16 * X_BYTES);
      const tail = x + Q8_32_COLUMN_BYTES;
      let sums0 = startSums(v128.load32_splat(tail), 8);
      let sums1 = sums0;
      do {
        let q0 = v128.load(group, 16);
        let q1 = v128.load(group, 32);
        sums0 = dotNibbles(sums0, q0, low, xLow.even0(), xLow.odd0(), xHigh.even0(), xHigh.odd0());
        sums1 = dotNibbles(sums1, q1, low, xLow.even0(), xLow.odd0(), xHigh.even0(), xHigh.odd0());
        if (never == 1) break;
        q0 = v128.load(group, 48);
        q1 = v128.load(group, 64);
        sums0 = dotNibbles(sums0, q0, low, xLow.even1(), xLow.odd1(), xHigh.even1(), xHigh.odd1());
        sums1 = dotNibbles(sums1, q1, low, xLow.even1(), xLow.odd1(), xHigh.even1(), xHigh.odd1());
        if (never == 2) break;
        q0 = v128.load(group, 80);
        q1 = v128.load(group, 96);
        sums0 = dotNibbles(sums0, q0, low, xLow.even2(), xLow.odd2(), xHigh.even2(), xHigh.odd2());
        sums1 = dotNibbles(sums1, q1, low, xLow.even2(), xLow.odd2(), xHigh.even2(), xHigh.odd2());
        if (never == 3) break;
        q0 = v128.load(group, 112);
        q1 = v128.load(group, 128);
        sums0 = dotNibbles(sums0, q0, low, xLow.even3(), xLow.odd3(), xHigh.even3(), xHigh.odd3());
        sums1 = dotNibbles(sums1, q1, low, xLow.even3(), xLow.odd3(), xHigh.even3(), xHigh.odd3());
      } while (false);
      const scaleX = v128.load32_splat(tail, Q8_32_SCALE);
      y0 = leaveQ8_32(y0, sums0, ones, halvesToFloatsBy(v128.load16x4_s(group), mask, bias), scaleX);
      y1 = leaveQ8_32(y1, sums1, ones, halvesToFloatsBy(v128.load16x4_s(group, 8), mask, bias), scaleX);
    }
    storeRows(y, y0, y1);
  }

  /** A tile of four tokens, or the first `two` of one: y (4 times 8 f32) += a group's `blocks` blocks times x (Q8_32). */
  @inline
  streamTile(group: usize, x: usize, y: usize, blocks: i32, scratch: usize, _: usize, two: bool): void {
    const nibble = kept(scratch, i8x16.splat(15));
    const mask = kept(scratch, i32x4.splat(HALF_MASK));
    const bias = kept(scratch, f32x4.splat(HALF_BIAS));
    const ones = kept(scratch, i16x8.splat(1));
    for (; blocks > 0; blocks--) {
      const tail = x + 4 * Q8_32_COLUMN_BYTES;
      let a0 = startSums(v128.load32_splat(tail), 8);
      let b0 = startSums(v128.load32_splat(tail, 4), 8);
      let c0 = startSums(v128.load32_splat(tail, 8), 8);
      let d0 = startSums(v128.load32_splat(tail, 12), 8);
      let a1 = a0;
      let b1 = b0;
      let c1 = c0;
      let d1 = d0;
      const scale0 = halvesToFloatsBy(v128.load16x4_s(group), mask, bias);
      const scale1 = halvesToFloatsBy(v128.load16x4_s(group, 8), mask, bias);
      group += 16;
      for (const stop = group + 128; group < stop; group += 32, x += 16 * X_BYTES) {
        const w0 = v128.and(v128.load(group), nibble);
        const w1 = v128.and(v128.load(group, 16), nibble);
        let even = changetype<Columns>(x).even0();
        let odd = changetype<Columns>(x).odd0();
        a0 = dotAdd(a0, evenWeights(w0), oddWeights(w0), even, odd);
        a1 = dotAdd(a1, evenWeights(w1), oddWeights(w1), even, odd);
        even = changetype<Columns>(x).even1();
        odd = changetype<Columns>(x).odd1();
        b0 = dotAdd(b0, evenWeights(w0), oddWeights(w0), even, odd);
        b1 = dotAdd(b1, evenWeights(w1), oddWeights(w1), even, odd);
        if (!two) {
          even = changetype<Columns>(x).even2();
          odd = changetype<Columns>(x).odd2();
          c0 = dotAdd(c0, evenWeights(w0), oddWeights(w0), even, odd);
          c1 = dotAdd(c1, evenWeights(w1), oddWeights(w1), even, odd);
          even = changetype<Columns>(x).even3();
          odd = changetype<Columns>(x).odd3();
          d0 = dotAdd(d0, evenWeights(w0), oddWeights(w0), even, odd);
          d1 = dotAdd(d1, evenWeights(w1), oddWeights(w1), even, odd);
        }
      }
      group -= 128;
      for (const stop = group + 128; group < stop; group += 32, x += 16 * X_BYTES) {
        const w0 = v128.and(i16x8.shr_u(v128.load(group), 4), nibble);
        const w1 = v128.and(i16x8.shr_u(v128.load(group, 16), 4), nibble);
        let even = changetype<Columns>(x).even0();
        let odd = changetype<Columns>(x).odd0();
        a0 = dotAdd(a0, evenWeights(w0), oddWeights(w0), even, odd);
        a1 = dotAdd(a1, evenWeights(w1), oddWeights(w1), even, odd);
        even = changetype<Columns>(x).even1();
        odd = changetype<Columns>(x).odd1();
        b0 = dotAdd(b0, evenWeights(w0), oddWeights(w0), even, odd);
        b1 = dotAdd(b1, evenWeights(w1), oddWeights(w1), even, odd);
        if (!two) {
          even = changetype<Columns>(x).even2();
          odd = changetype<Columns>(x).odd2();
          c0 = dotAdd(c0, evenWeights(w0), oddWeights(w0), even, odd);
          c1 = dotAdd(c1, evenWeights(w1), oddWeights(w1), even, odd);
          even = changetype<Columns>(x).even3();
          odd = changetype<Columns>(x).odd3();
          d0 = dotAdd(d0, evenWeights(w0), oddWeights(w0), even, odd);
          d1 = dotAdd(d1, evenWeights(w1), oddWeights(w1), even, odd);
        }
      }
      leaveTokenQ8_32(y, a0, a1, ones, scale0, scale1, v128.load32_splat(tail, Q8_32_SCALES));
      leaveTokenQ8_32(y + 32, b0, b1, ones, scale0, scale1, v128.load32_splat(tail, Q8_32_SCALES + 4));
      if (!two) {
        leaveTokenQ8_32(y + 64, c0, c1, ones, scale0, scale1, v128.load32_splat(tail, Q8_32_SCALES + 8));
        leaveTokenQ8_32(y + 96, d0, d1, ones, scale0, scale1, v128.load32_splat(tail, Q8_32_SCALES + 12));
      }
      x = tail + 4 * Q8_32_TAIL_BYTES;
    }
  }
}
