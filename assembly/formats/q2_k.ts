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
//     32     64   scales: low nibbles: of sub-blocks 0 and 1: row 0 .. row 7, row 0 .. row 7;  2 and 3;  4 and 5;  6 and 7; high: 8 .. 15
//     96     64   minima: low nibbles: of sub-blocks 0 and 1: row 0: m0 m1, ... row 7: m0 m1;  2 and 3;  4 and 5;  6 and 7; high: 8 .. 15
//    160    512   q: for each pair of sub-blocks 2 words, a and b
//
//   Four columns of a row make a word of q: u0 .. u3 of the first sub-block, v0 .. v3 of the second. Two bytes hold eight q:
//
//              7 6   |  5 4   |  3 2   |  1 0
//        a     v1    |  u1    |  v0    |  u0
//        b     v3    |  u3    |  v2    |  u2
//
// v0 .. v3 are multiplied where they lie, 4 times as large: a shift less for each. So are the sums of their products, and those of the
// first sub-block are made so.
// Cost for 8 rows by 256 columns: 672 bytes read; streaming 32 loads of weights, 64 of activations, 128 ands, 32 shifts, 128 dots, 128
// additions; scales and minima some 100 instructions. Decoding to the panel: 128 stores instead of the dots, and 64 shifts more. Registers
// of the stream: 4 sums, 2 products, 2 constants, 2 words, 1 activation.

import { ACTIVATION_Q8_256 } from "../abi";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, WIDE_SUMS, X_BYTES } from "../dot";
import { halfToFloat, kept, neverTaken } from "../lanes";
import {
  highScales,
  keepFactorConstants,
  lowScales,
  PANEL_Q8_256_D,
  PANEL_Q8_256_DMIN,
  putFactors,
  putKeptFactors,
  putMinima,
  putScales,
} from "./panel";
import { finishQ8_256 } from "./sums";

/** Decodes the scales and the minima of 8 rows to a PanelQ8_256. `four`: bytes of 15. */
@inline
function decodeScales(group: usize, panel: usize, four: v128): void {
  for (let s: usize = 0; s < 8; s += 2) {
    const scales = v128.load(group + (s << 3), 32);
    const minima = v128.load(group + (s << 3), 96);
    putScales(panel, s, v128.and(scales, four));
    putScales(panel, s + 8, v128.and(i16x8.shr_u(scales, 4), four));
    putMinima(panel, s, v128.and(minima, four));
    putMinima(panel, s + 8, v128.and(i16x8.shr_u(minima, 4), four));
  }
}

/** Sums times 4. */
@inline
function timesFour(sums: v128): v128 {
  return WIDE_SUMS ? i32x4.shl(sums, 2) : i16x8.shl(sums, 2);
}

/** 16 columns: bits k and k + 1 of each byte. */
@inline
function twoBits(bytes: v128, k: i32): v128 {
  return v128.and(i16x8.shr_u(bytes, k), i8x16.splat(3));
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
    for (let s: usize = 0; s < 8; s++) {
      const low = load<u8>(block + s);
      const high = load<u8>(block + s, 8);
      store<u8>(group + (s << 3) + <usize>r, (low & 15) | (high << 4), 32);
      store<u8>(group + ((s >> 1) << 4) + (<usize>r << 1) + (s & 1), (low >> 4) | (high & 0xf0), 96);
    }
    for (let p: usize = 0; p < 8; p++) {
      const from = block + ((p >> 2) << 5);
      const shift = <i32>(p & 3) << 1;
      const u = twoBits(v128.load(from, 16), shift);
      const both = v128.or(u, i16x8.shl(twoBits(v128.load(from, 32), shift), 2));
      const to = group + 160 + (p << 6) + (<usize>r << 2);
      store<u32>(to, i32x4.extract_lane(both, 0) | (i32x4.extract_lane(both, 1) << 4));
      store<u32>(to, i32x4.extract_lane(both, 2) | (i32x4.extract_lane(both, 3) << 4), 32);
    }
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half), 80);
    store<u16>(block, load<u16>(half, 16), 82);
    for (let s: usize = 0; s < 8; s++) {
      const scales = load<u8>(group + (s << 3) + <usize>r, 32);
      const minima = load<u8>(group + ((s >> 1) << 4) + (<usize>r << 1) + (s & 1), 96);
      store<u8>(block + s, (scales & 15) | (minima << 4));
      store<u8>(block + s, (scales >> 4) | (minima & 0xf0), 8);
    }
    let first = i8x16.splat(0);
    let last = first;
    for (let p: usize = 0; p < 8; p++) {
      const from = group + 160 + (p << 6) + (<usize>r << 2);
      const a = load<u32>(from);
      const b = load<u32>(from, 32);
      const both = i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(a), 1, a >> 4), 2, b), 3, b >> 4);
      first = v128.or(i16x8.shr_u(first, 2), i16x8.shl(twoBits(both, 0), 6));
      last = v128.or(i16x8.shr_u(last, 2), i16x8.shl(twoBits(both, 2), 6));
      if ((p & 3) == 3) {
        v128.store(block + ((p >> 2) << 5), first, 16);
        v128.store(block + ((p >> 2) << 5), last, 32);
        first = i8x16.splat(0);
        last = first;
      }
    }
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
    const two = kept(panel, i8x16.splat(3));
    let to = panel;
    for (let q = group + 160, end = q + 512; q < end; q += 32, to += 224) {
      for (const stop = q + 32; q < stop; q += 16, to += 16) {
        const a = v128.load(q);
        const b = v128.load(q, 32);
        v128.store(to, v128.and(a, two));
        v128.store(to, v128.and(i16x8.shr_u(a, 4), two), 32);
        v128.store(to, v128.and(b, two), 64);
        v128.store(to, v128.and(i16x8.shr_u(b, 4), two), 96);
        v128.store(to, v128.and(i16x8.shr_u(a, 2), two), 128);
        v128.store(to, v128.and(i16x8.shr_u(a, 6), two), 160);
        v128.store(to, v128.and(i16x8.shr_u(b, 2), two), 192);
        v128.store(to, v128.and(i16x8.shr_u(b, 6), two), 224);
      }
    }
    decodeScales(group, panel, kept(panel + PANEL_Q8_256_D, i8x16.splat(15)));
    putFactors(panel + PANEL_Q8_256_D, group);
    putFactors(panel + PANEL_Q8_256_DMIN, group + 16);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes the scales. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const two = kept(panel, i8x16.splat(3));
    const fours = kept(panel + 16, i8x16.splat(12));
    const four = kept(panel + 32, i8x16.splat(15));
    const never = neverTaken(panel);
    keepFactorConstants(panel);
    for (; blocks > 0; blocks--, group += 672) {
      decodeScales(group, panel, four);
      putKeptFactors(panel, PANEL_Q8_256_D, group);
      putKeptFactors(panel, PANEL_Q8_256_DMIN, group + 16);
      let products0 = i32x4.splat(0);
      let products1 = i32x4.splat(0);
      let scales = panel;
      for (let q = group + 160, end = q + 512; q < end; q += 64, scales += 32, x += 32 * X_BYTES) {
        const first = changetype<Columns>(x);
        const last = changetype<Columns>(x + 16 * X_BYTES);
        let u0 = i16x8.splat(0);
        let v0 = u0;
        let u1 = u0;
        let v1 = u0;
        do {
          let a0 = v128.load(q);
          let a1 = v128.load(q, 16);
          let even = first.even0();
          let odd = first.odd0();
          let w = v128.and(a0, two);
          u0 = dotAdd(u0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(a1, two);
          u1 = dotAdd(u1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even0();
          odd = last.odd0();
          w = v128.and(a0, fours);
          v0 = dotAdd(v0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(a1, fours);
          v1 = dotAdd(v1, evenWeights(w), oddWeights(w), even, odd);
          a0 = i16x8.shr_u(a0, 4);
          a1 = i16x8.shr_u(a1, 4);
          even = first.even1();
          odd = first.odd1();
          w = v128.and(a0, two);
          u0 = dotAdd(u0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(a1, two);
          u1 = dotAdd(u1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even1();
          odd = last.odd1();
          w = v128.and(a0, fours);
          v0 = dotAdd(v0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(a1, fours);
          v1 = dotAdd(v1, evenWeights(w), oddWeights(w), even, odd);
          if (never == 1) break;
          let b0 = v128.load(q, 32);
          let b1 = v128.load(q, 48);
          even = first.even2();
          odd = first.odd2();
          w = v128.and(b0, two);
          u0 = dotAdd(u0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(b1, two);
          u1 = dotAdd(u1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even2();
          odd = last.odd2();
          w = v128.and(b0, fours);
          v0 = dotAdd(v0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(b1, fours);
          v1 = dotAdd(v1, evenWeights(w), oddWeights(w), even, odd);
          b0 = i16x8.shr_u(b0, 4);
          b1 = i16x8.shr_u(b1, 4);
          even = first.even3();
          odd = first.odd3();
          w = v128.and(b0, two);
          u0 = dotAdd(u0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(b1, two);
          u1 = dotAdd(u1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even3();
          odd = last.odd3();
          w = v128.and(b0, fours);
          v0 = dotAdd(v0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(b1, fours);
          v1 = dotAdd(v1, evenWeights(w), oddWeights(w), even, odd);
        } while (false);
        products0 = scaleSums(products0, timesFour(u0), lowScales(scales));
        products1 = scaleSums(products1, timesFour(u1), highScales(scales));
        products0 = scaleSums(products0, v0, lowScales(scales + 16));
        products1 = scaleSums(products1, v1, highScales(scales + 16));
      }
      x = finishQ8_256<Q2_K>(y, panel, i32x4.shr_s(products0, 2), i32x4.shr_s(products1, 2), x);
    }
  }
}
