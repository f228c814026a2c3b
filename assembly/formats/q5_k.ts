// Q5_K: 256 weights in 176 bytes (5.5 bits each), in 8 sub-blocks of 32
//
//   w = d * scale[s] * q - dmin * minimum[s]        q: 0..31, scale and minimum: 0..63, s: sub-block 0..7
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d      f16, unit of the scales
//      2      2   dmin   f16, unit of the minima
//      4     12   8 scales and 8 minima of 6 bits, as in Q4_K
//     16     32   high   byte i, bit s: the fifth bit of weight 32 s + i
//     48    128   low    4 groups of 32 bytes, as in Q4_K
//
// Packed, 8 rows side by side, 1408 bytes; a word is 4 bytes, of row 0 | row 1 | ... | row 7:
//
//      0     16   d of row 0 .. row 7
//     16     16   dmin of row 0 .. row 7
//     32     96   scales and minima, as in Q4_K
//    128   1280   q: for each sub-block 5 words, a .. e
//
//   Four columns of a row make a word of q, q0 .. q7. Five bytes hold eight q, one of each word:
//
//              7 6 5                          |  4 3 2 1 0
//        a     q2, bits 4 3 2                 |  q0
//        b     q2, bits 1 0 | q7, bit 1       |  q1
//        c     q5, bits 4 3 2                 |  q3
//        d     q5, bits 1 0 | q7, bit 0       |  q4
//        e     q7, bits 4 3 2                 |  q6
//
// In the panel every scale appears twice, for sub-blocks of 16: the sums of 32 products of 127 * 31 would not fit in 16 bits.
// Cost for 8 rows by 256 columns: 1408 bytes read; streaming 80 loads of weights, 64 of activations, 192 ands, 112 shifts, 64 ors, 128
// dots, 128 additions; scales and minima some 100 instructions. Decoding to the panel: 128 stores instead of the dots. Registers of the
// stream: 2 sums, 2 products, 3 constants, 6 words, 1 activation.

import { ACTIVATION_Q8_256 } from "../abi";
import { Q8_256_COLUMN_BYTES } from "../activations/q8_256";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, WIDE_SUMS, X_BYTES } from "../dot";
import { halfToFloat, kept, neverTaken } from "../lanes";
import { highScales, keepFactorConstants, lowScales, PANEL_Q8_256_D } from "./panel";
import { decodeScales, getScaleBytes, minimumOf, multiplyMinima, putScaleBytes, quantizeScales, scaleOf } from "./q4_k";
import { SuperSearch } from "./search_k";
import { finishMultipliedQ8_256 } from "./sums";

/** q2 of a and b, q5 of c and d. `five`: bytes of 31, `top`: bytes of 0xc0. */
@inline
function spareOfTwo(a: v128, b: v128, five: v128, top: v128): v128 {
  return i16x8.shr_u(v128.or(v128.andnot(a, five), i16x8.shr_u(v128.and(b, top), 3)), 3);
}

/** q7. `bit`: bytes of 0x20. */
@inline
function spareOfThree(b: v128, d: v128, e: v128, five: v128, bit: v128): v128 {
  const low = v128.or(i16x8.shr_u(v128.and(d, bit), 1), v128.and(b, bit));
  return i16x8.shr_u(v128.or(v128.andnot(e, five), i16x8.shr_u(low, 1)), 3);
}

/** 16 columns of a sub-block: nibbles, and the fifth bits, bit s of each byte of `high`. */
@inline
function fiveBits(nibbles: v128, high: v128, s: i32): v128 {
  const bits = v128.and(i16x8.shr_u(high, s), i8x16.splat(1));
  return v128.or(v128.and(nibbles, i8x16.splat(15)), i16x8.shl(bits, 4));
}

@inline
function fourWords(a: u32, b: u32, c: u32, d: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(a), 1, b), 2, c), 3, d);
}

@unmanaged
export class Q5_K {
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  @inline get blockWeights(): i32 { return 256; }
  @inline get blockBytes(): i32 { return 176; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 63 * 65504; }
  @inline get zero(): i32 { return 0; }
  @inline get subBlock(): i32 { return 16; }
  @inline get minimumBlock(): i32 { return 32; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(half, load<u16>(block));
    store<u16>(half, load<u16>(block, 2), 16);
    putScaleBytes(group + 32, r, block + 4);
    for (let s: usize = 0; s < 8; s++) {
      const low = block + 48 + ((s >> 1) << 5);
      const shift = <i32>(s & 1) << 2;
      const first = fiveBits(i16x8.shr_u(v128.load(low), shift), v128.load(block, 16), <i32>s); // q0 .. q3
      const last = fiveBits(i16x8.shr_u(v128.load(low, 16), shift), v128.load(block, 32), <i32>s); // q4 .. q7
      const q2: u32 = i32x4.extract_lane(first, 2);
      const q5: u32 = i32x4.extract_lane(last, 1);
      const q7: u32 = i32x4.extract_lane(last, 3);
      const to = group + 128 + s * 160 + (<usize>r << 2);
      store<u32>(to, i32x4.extract_lane(first, 0) | ((q2 & 0x1c1c1c1c) << 3));
      store<u32>(to, i32x4.extract_lane(first, 1) | ((q2 & 0x03030303) << 6) | ((q7 & 0x02020202) << 4), 32);
      store<u32>(to, i32x4.extract_lane(first, 3) | ((q5 & 0x1c1c1c1c) << 3), 64);
      store<u32>(to, i32x4.extract_lane(last, 0) | ((q5 & 0x03030303) << 6) | ((q7 & 0x01010101) << 5), 96);
      store<u32>(to, i32x4.extract_lane(last, 2) | ((q7 & 0x1c1c1c1c) << 3), 128);
    }
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half));
    store<u16>(block, load<u16>(half, 16), 2);
    getScaleBytes(group + 32, r, block + 4);
    let high0 = i8x16.splat(0);
    let high1 = high0;
    let low0 = high0;
    let low1 = high0;
    for (let s: usize = 0; s < 8; s++) {
      const from = group + 128 + s * 160 + (<usize>r << 2);
      const a = load<u32>(from);
      const b = load<u32>(from, 32);
      const c = load<u32>(from, 64);
      const d = load<u32>(from, 96);
      const e = load<u32>(from, 128);
      const q2 = ((a >> 3) & 0x1c1c1c1c) | ((b >> 6) & 0x03030303);
      const q5 = ((c >> 3) & 0x1c1c1c1c) | ((d >> 6) & 0x03030303);
      const q7 = ((e >> 3) & 0x1c1c1c1c) | ((b >> 4) & 0x02020202) | ((d >> 5) & 0x01010101);
      const five: u32 = 0x1f1f1f1f;
      const first = fourWords(a & five, b & five, q2, c & five);
      const last = fourWords(d & five, q5, e & five, q7);
      const bit = i8x16.splat(16);
      high0 = v128.or(i16x8.shr_u(high0, 1), i16x8.shl(v128.and(first, bit), 3));
      high1 = v128.or(i16x8.shr_u(high1, 1), i16x8.shl(v128.and(last, bit), 3));
      const nibble = i8x16.splat(15);
      if ((s & 1) == 0) {
        low0 = v128.and(first, nibble);
        low1 = v128.and(last, nibble);
      } else {
        const low = block + ((s >> 1) << 5);
        v128.store(low, v128.or(low0, i16x8.shl(v128.and(first, nibble), 4)), 48);
        v128.store(low, v128.or(low1, i16x8.shl(v128.and(last, nibble), 4)), 64);
      }
    }
    v128.store(block, high0, 16);
    v128.store(block, high1, 32);
  }

  /** The scalar meaning: one block to 256 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const dmin = halfToFloat(load<u16>(block, 2));
    for (let s = 0; s < 8; s++) {
      const scale = d * <f32>scaleOf(block + 4, s);
      const minimum = dmin * <f32>minimumOf(block + 4, s);
      const from = block + 48 + (<usize>(s >> 1) << 5);
      const to = out + (<usize>s << 7);
      for (let i: usize = 0; i < 32; i++) {
        const low = (<i32>load<u8>(from + i) >> ((s & 1) << 2)) & 15;
        const high = (<i32>load<u8>(block + i, 16) >> s) & 1;
        store<f32>(to + (i << 2), scale * <f32>(low | (high << 4)) - minimum);
      }
    }
  }

  /** Encodes 256 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<SuperSearch>(scratch);
    search.find(from, 32, 0, 31, 0, 63, 63);
    quantizeScales(search, block);
    const nibble = i8x16.splat(15);
    let high0 = i8x16.splat(0);
    let high1 = high0;
    let to = block + 48;
    for (let s = 0; s < 8; s += 2, from += 256, to += 32) {
      search.take(s);
      const low0 = search.levels16(from);
      const low1 = search.levels16(from + 64);
      search.take(s + 1);
      const next0 = search.levels16(from + 128);
      const next1 = search.levels16(from + 192);
      v128.store(to, v128.or(v128.and(low0, nibble), i8x16.shl(next0, 4)));
      // Not one store: two neighbouring ones are what V8's pass for 256 bits begins at, and that of Node 26 ends the process on these
      // (docs/kernels.md, "Wide kernels").
      const second = v128.or(v128.and(low1, nibble), i8x16.shl(next1, 4));
      v128.store64_lane(to, second, 0, 16);
      v128.store64_lane(to, second, 1, 24);
      high0 = v128.or(high0, i8x16.shl(i8x16.shr_u(low0, 4), s));
      high1 = v128.or(high1, i8x16.shl(i8x16.shr_u(low1, 4), s));
      high0 = v128.or(high0, i8x16.shl(i8x16.shr_u(next0, 4), s + 1));
      high1 = v128.or(high1, i8x16.shl(i8x16.shr_u(next1, 4), s + 1));
    }
    v128.store(block, high0, 16);
    v128.store(block, high1, 32);
  }

  /** Decodes a group of 8 blocks to a PanelQ8_256. */
  @inline
  panel(group: usize, panel: usize): void {
    const five = kept(panel, i8x16.splat(31));
    const top = kept(panel + 16, i8x16.splat(-64));
    const bit = kept(panel + 32, i8x16.splat(0x20));
    let to = panel;
    for (let q = group + 128, end = q + 1280; q < end; q += 128, to += 224) {
      for (const stop = q + 32; q < stop; q += 16, to += 16) {
        const a = v128.load(q);
        const b = v128.load(q, 32);
        const c = v128.load(q, 64);
        const d = v128.load(q, 96);
        const e = v128.load(q, 128);
        v128.store(to, v128.and(a, five));
        v128.store(to, v128.and(b, five), 32);
        v128.store(to, spareOfTwo(a, b, five, top), 64);
        v128.store(to, v128.and(c, five), 96);
        v128.store(to, v128.and(d, five), 128);
        v128.store(to, spareOfTwo(c, d, five, top), 160);
        v128.store(to, v128.and(e, five), 192);
        v128.store(to, spareOfThree(b, d, e, five, bit), 224);
      }
    }
    decodeScales(group, panel, 2, kept(panel + PANEL_Q8_256_D, i8x16.splat(63)));
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes the scales. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const five = kept(panel, i8x16.splat(31));
    const top = kept(panel + 16, i8x16.splat(-64));
    const bit = kept(panel + 32, i8x16.splat(0x20));
    const six = kept(panel + 48, i8x16.splat(63));
    const never = neverTaken(panel);
    keepFactorConstants(panel);
    for (; blocks > 0; blocks--, group += 1408) {
      multiplyMinima(group, panel, x + Q8_256_COLUMN_BYTES, six);
      let products0 = i32x4.splat(0);
      let products1 = i32x4.splat(0);
      let scales = panel;
      for (let q = group + 128, end = q + 1280; q < end; q += 160, scales += 16, x += 32 * X_BYTES) {
        const first = changetype<Columns>(x);
        const last = changetype<Columns>(x + 16 * X_BYTES);
        let sums0 = i16x8.splat(0);
        let sums1 = sums0;
        do {
          let even = first.even0();
          let odd = first.odd0();
          const a0 = v128.load(q);
          const a1 = v128.load(q, 16);
          let w = v128.and(a0, five);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(a1, five);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          const b0 = v128.load(q, 32);
          const b1 = v128.load(q, 48);
          even = first.even1();
          odd = first.odd1();
          w = v128.and(b0, five);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(b1, five);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          even = first.even2();
          odd = first.odd2();
          w = spareOfTwo(a0, b0, five, top);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = spareOfTwo(a1, b1, five, top);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          if (never == 1) break;
          const c0 = v128.load(q, 64);
          const c1 = v128.load(q, 80);
          even = first.even3();
          odd = first.odd3();
          w = v128.and(c0, five);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(c1, five);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          if (!WIDE_SUMS) {
            products0 = scaleSums(products0, sums0, lowScales(scales));
            products1 = scaleSums(products1, sums1, highScales(scales));
            sums0 = i16x8.splat(0);
            sums1 = sums0;
          }
          const d0 = v128.load(q, 96);
          const d1 = v128.load(q, 112);
          even = last.even0();
          odd = last.odd0();
          w = v128.and(d0, five);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(d1, five);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even1();
          odd = last.odd1();
          w = spareOfTwo(c0, d0, five, top);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = spareOfTwo(c1, d1, five, top);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          if (never == 2) break;
          const e0 = v128.load(q, 128);
          const e1 = v128.load(q, 144);
          even = last.even2();
          odd = last.odd2();
          w = v128.and(e0, five);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(e1, five);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even3();
          odd = last.odd3();
          w = spareOfThree(b0, d0, e0, five, bit);
          sums0 = dotAdd(sums0, evenWeights(w), oddWeights(w), even, odd);
          w = spareOfThree(b1, d1, e1, five, bit);
          sums1 = dotAdd(sums1, evenWeights(w), oddWeights(w), even, odd);
        } while (false);
        products0 = scaleSums(products0, sums0, lowScales(scales));
        products1 = scaleSums(products1, sums1, highScales(scales));
      }
      x = finishMultipliedQ8_256(y, panel, products0, products1, x);
    }
  }
}
