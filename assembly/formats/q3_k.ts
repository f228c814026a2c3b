// Q3_K: 256 weights in 110 bytes (3.4375 bits each), in 16 sub-blocks of 16
//
//   w = d * (scale[s] - 32) * (q - 4)      q: 0..7, scale: 0..63, s: sub-block 0..15
//
//   OFFSET  SIZE  DESCRIPTION
//      0     32   high   byte i, bit b: the third bit of weight 32 b + i
//     32     64   low    the low 2 bits of q, in halves of 128 weights as in Q2_K
//     96     12   16 scales of 6 bits:
//
//              byte i       7 6 5 4                |  3 2 1 0
//              0..7         low nibble of scale 8 + i  |  low nibble of scale i
//              8..11        bits 2 b, 2 b + 1: the high two bits of scale 4 b + (i - 8),  b = 0..3
//
//    108      2   d      f16
//
// Packed, 8 rows side by side, 880 bytes; a word is 4 bytes, of row 0 | row 1 | ... | row 7:
//
//      0     16   d of row 0 .. row 7
//     16     48   scales of sub-blocks 0 and 1: row 0 .. row 7, row 0 .. row 7;  2 and 3;  4 and 5;  6 and 7 above them: six_bits.ts
//     64     48   scales of sub-blocks 8 .. 15 likewise
//    112    768   q: for each pair of sub-blocks 3 words, a .. c
//
//   Four columns of a row make a word of q: u0 .. u3 of the first sub-block, v0 .. v3 of the second. Three bytes hold eight q:
//
//              7            6            |  5 4 3   |  2 1 0
//        a     u3, bits 2 1              |  v0      |  u0
//        b     v3, bits 2 1              |  v1      |  u1
//        c     v3, bit 0  | u3, bit 0    |  v2      |  u2
//
// v0 .. v3 are multiplied where they lie, 8 times as large: a shift less for each. So are the sums of their products, which 16 bits just
// hold (8 products of 127 * 32), and the sums of the first sub-block are made so.
// Cost for 8 rows by 256 columns: 880 bytes read; streaming 48 loads of weights, 64 of activations, 160 ands, 64 shifts, 32 ors, 128 dots,
// 128 additions; scales some 80 instructions. Decoding to the panel: 128 stores instead of the dots, and 64 shifts more. Registers of the
// stream: 4 sums, 2 products, 5 constants, 2 words, 1 activation.

import { ACTIVATION_Q8_256 } from "../abi";
import { Q8_256_COLUMN_BYTES } from "../activations/q8_256";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, startSums, WIDE_SUMS, X_BYTES } from "../dot";
import { halfToFloat, kept, neverTaken } from "../lanes";
import { highScales, lowScales, PANEL_Q8_256_D, putFactors, putScales } from "./panel";
import { fourth, fourthOf, withHigh, withLow, withMiddle } from "./six_bits";
import { finishQ8_256 } from "./sums";

/** Scale s (0..15) of 12 packed bytes, -32..31. */
@inline
function scaleOf(bytes: usize, s: i32): i32 {
  const low = (<i32>load<u8>(bytes + <usize>(s & 7)) >> ((s >> 3) << 2)) & 15;
  const high = (<i32>load<u8>(bytes + <usize>(s & 3), 8) >> ((s >> 2) << 1)) & 3;
  return (low | (high << 4)) - 32;
}

/** Moves 12 scale bytes of row r to the 96 bytes at `at`. */
@inline
function putScaleBytes(at: usize, r: i32, bytes: usize): void {
  const low = at + <usize>r;
  const high = load<u32>(bytes, 8);
  for (let half: usize = 0; half < 2; half++) {
    // Scales 8 half + 0 .. 3, then 4 .. 7
    const shift = <u32>half << 2;
    const first = ((load<u32>(bytes) >> shift) & 0x0f0f0f0f) | (((high >> shift) & 0x03030303) << 4);
    const last = ((load<u32>(bytes, 4) >> shift) & 0x0f0f0f0f) | (((high >> (shift + 2)) & 0x03030303) << 4);
    const a = withHigh(first & 0xffff, last >> 16);
    const b = withMiddle(first >> 16, last >> 16);
    const c = withLow(last & 0xffff, last >> 16);
    const to = low + half * 48;
    store<u8>(to, a);
    store<u8>(to, a >> 8, 8);
    store<u8>(to, b, 16);
    store<u8>(to, b >> 8, 24);
    store<u8>(to, c, 32);
    store<u8>(to, c >> 8, 40);
  }
}

/** The inverse of `putScaleBytes`. */
@inline
function getScaleBytes(at: usize, r: i32, bytes: usize): void {
  let first: u32 = 0;
  let last: u32 = 0;
  let high: u32 = 0;
  for (let half: usize = 0; half < 2; half++) {
    const from = at + half * 48 + <usize>r;
    const a: u32 = load<u8>(from) | (<u32>load<u8>(from, 8) << 8);
    const b: u32 = load<u8>(from, 16) | (<u32>load<u8>(from, 24) << 8);
    const c: u32 = load<u8>(from, 32) | (<u32>load<u8>(from, 40) << 8);
    const p = (a & 0x3f3f) | ((b & 0x3f3f) << 16);
    const q = (c & 0x3f3f) | (fourthOf(a, b, c) << 16);
    const shift = <u32>half << 2;
    first |= (p & 0x0f0f0f0f) << shift;
    last |= (q & 0x0f0f0f0f) << shift;
    high |= (((p >> 4) & 0x03030303) << shift) | (((q >> 4) & 0x03030303) << (shift + 2));
  }
  store<u32>(bytes, first);
  store<u32>(bytes, last, 4);
  store<u32>(bytes, high, 8);
}

/** Decodes d and the scales of 8 rows to a PanelQ8_256. `six`: bytes of 63, `zero`: bytes of 32. */
@inline
function decodeScales(group: usize, panel: usize, six: v128, zero: v128): void {
  for (let s: usize = 0; s < 16; s += 8, group += 48) {
    const a = v128.load(group, 16);
    const b = v128.load(group, 32);
    const c = v128.load(group, 48);
    putScales(panel, s, i8x16.sub(v128.and(a, six), zero));
    putScales(panel, s + 2, i8x16.sub(v128.and(b, six), zero));
    putScales(panel, s + 4, i8x16.sub(v128.and(c, six), zero));
    putScales(panel, s + 6, i8x16.sub(fourth(a, b, c, six), zero));
  }
  putFactors(panel + PANEL_Q8_256_D, group - 96);
}

/** u3 (of a) or v3 (of b), times 32. `top`: bytes of 0xc0; `bit`: which bit of c, moved right by `shift` to bit 5. */
@inline
function spare(a: v128, c: v128, top: v128, bit: v128, shift: i32): v128 {
  return v128.or(v128.and(a, top), i16x8.shr_u(v128.and(c, bit), shift));
}

/** 16 columns: low bits, bits k and k + 1 of each byte of `low`, and third bits, bit n of `high`. */
@inline
function threeBits(low: v128, k: i32, high: v128, n: i32): v128 {
  const bits = v128.and(i16x8.shr_u(high, n), i8x16.splat(1));
  return v128.or(v128.and(i16x8.shr_u(low, k), i8x16.splat(3)), i16x8.shl(bits, 2));
}

/** Sums times 8. */
@inline
function timesEight(sums: v128): v128 {
  return WIDE_SUMS ? i32x4.shl(sums, 3) : i16x8.shl(sums, 3);
}

@inline
function fourWords(a: u32, b: u32, c: u32, d: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(a), 1, b), 2, c), 3, d);
}

@unmanaged
export class Q3_K {
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  @inline get blockWeights(): i32 { return 256; }
  @inline get blockBytes(): i32 { return 110; }
  @inline get zero(): i32 { return 4; }
  @inline get subBlock(): i32 { return 16; }
  @inline get minimumBlock(): i32 { return 0; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u16>(group + (<usize>r << 1), load<u16>(block, 108));
    putScaleBytes(group + 16, r, block + 96);
    for (let p: usize = 0; p < 8; p++) {
      const low = block + ((p >> 2) << 5);
      const shift = <i32>(p & 3) << 1;
      const u = threeBits(v128.load(low, 32), shift, v128.load(block), <i32>p);
      const v = threeBits(v128.load(low, 48), shift, v128.load(block, 16), <i32>p);
      const u3: u32 = i32x4.extract_lane(u, 3);
      const v3: u32 = i32x4.extract_lane(v, 3);
      const both = v128.or(u, i16x8.shl(v, 3));
      const to = group + 112 + p * 96 + (<usize>r << 2);
      store<u32>(to, i32x4.extract_lane(both, 0) | ((u3 & 0x06060606) << 5));
      store<u32>(to, i32x4.extract_lane(both, 1) | ((v3 & 0x06060606) << 5), 32);
      store<u32>(to, i32x4.extract_lane(both, 2) | ((u3 & 0x01010101) << 6) | ((v3 & 0x01010101) << 7), 64);
    }
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)), 108);
    getScaleBytes(group + 16, r, block + 96);
    const bit = i8x16.splat(4);
    const two = i8x16.splat(3);
    let high0 = i8x16.splat(0);
    let high1 = high0;
    let low0 = high0;
    let low1 = high0;
    for (let p: usize = 0; p < 8; p++) {
      const from = group + 112 + p * 96 + (<usize>r << 2);
      const a = load<u32>(from);
      const b = load<u32>(from, 32);
      const c = load<u32>(from, 64);
      const seven: u32 = 0x07070707;
      const u3 = ((a >> 5) & 0x06060606) | ((c >> 6) & 0x01010101);
      const v3 = ((b >> 5) & 0x06060606) | ((c >> 7) & 0x01010101);
      const u = fourWords(a & seven, b & seven, c & seven, u3);
      const v = fourWords((a >> 3) & seven, (b >> 3) & seven, (c >> 3) & seven, v3);
      high0 = v128.or(i16x8.shr_u(high0, 1), i16x8.shl(v128.and(u, bit), 5));
      high1 = v128.or(i16x8.shr_u(high1, 1), i16x8.shl(v128.and(v, bit), 5));
      low0 = v128.or(i16x8.shr_u(low0, 2), i16x8.shl(v128.and(u, two), 6));
      low1 = v128.or(i16x8.shr_u(low1, 2), i16x8.shl(v128.and(v, two), 6));
      if ((p & 3) == 3) {
        v128.store(block + ((p >> 2) << 5), low0, 32);
        v128.store(block + ((p >> 2) << 5), low1, 48);
        low0 = i8x16.splat(0);
        low1 = low0;
      }
    }
    v128.store(block, high0);
    v128.store(block, high1, 16);
  }

  /** The scalar meaning: one block to 256 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block, 108));
    for (let i: usize = 0; i < 256; i++) {
      const bits: i32 = load<u8>(block + ((i >> 7) << 5) + (i & 31), 32);
      const low = (bits >> (<i32>((i >> 5) & 3) << 1)) & 3;
      const high = (<i32>load<u8>(block + (i & 31)) >> <i32>(i >> 5)) & 1;
      const scale = d * <f32>scaleOf(block + 96, <i32>i >> 4);
      store<f32>(out + (i << 2), scale * <f32>((low | (high << 2)) - 4));
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_256. */
  @inline
  panel(group: usize, panel: usize): void {
    const seven = kept(panel, i8x16.splat(7));
    const top = kept(panel + 16, i8x16.splat(-64));
    const bitU = kept(panel + 32, i8x16.splat(0x40));
    const bitV = kept(panel + 48, i8x16.splat(-128));
    let to = panel;
    for (let q = group + 112, end = q + 768; q < end; q += 64, to += 224) {
      for (const stop = q + 32; q < stop; q += 16, to += 16) {
        const a = v128.load(q);
        const b = v128.load(q, 32);
        const c = v128.load(q, 64);
        v128.store(to, v128.and(a, seven));
        v128.store(to, v128.and(b, seven), 32);
        v128.store(to, v128.and(c, seven), 64);
        v128.store(to, i16x8.shr_u(spare(a, c, top, bitU, 1), 5), 96);
        v128.store(to, v128.and(i16x8.shr_u(a, 3), seven), 128);
        v128.store(to, v128.and(i16x8.shr_u(b, 3), seven), 160);
        v128.store(to, v128.and(i16x8.shr_u(c, 3), seven), 192);
        v128.store(to, i16x8.shr_u(spare(b, c, top, bitV, 2), 5), 224);
      }
    }
    const six = kept(panel + PANEL_Q8_256_D, i8x16.splat(63));
    decodeScales(group, panel, six, kept(panel + PANEL_Q8_256_D, i8x16.splat(32)));
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes the scales. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const seven = kept(panel, i8x16.splat(7));
    const eights = kept(panel + 16, i8x16.splat(0x38));
    const top = kept(panel + 32, i8x16.splat(-64));
    const bitU = kept(panel + 48, i8x16.splat(0x40));
    const bitV = kept(panel + 64, i8x16.splat(-128));
    const six = kept(panel + 80, i8x16.splat(63));
    const zero = kept(panel + 96, i8x16.splat(32));
    const never = neverTaken(panel);
    for (; blocks > 0; blocks--, group += 880) {
      decodeScales(group, panel, six, zero);
      let products0 = i32x4.splat(0);
      let products1 = i32x4.splat(0);
      let scales = panel;
      let pairs = x + Q8_256_COLUMN_BYTES; // sums of the activations of each sub-block
      for (let q = group + 112, end = q + 768; q < end; q += 96, scales += 32, x += 32 * X_BYTES, pairs += 8) {
        const first = changetype<Columns>(x);
        const last = changetype<Columns>(x + 16 * X_BYTES);
        let u0 = startSums(v128.load32_splat(pairs), 4);
        let v0 = startSums(v128.load32_splat(pairs, 4), 32);
        let u1 = u0;
        let v1 = v0;
        do {
          const a0 = v128.load(q);
          const a1 = v128.load(q, 16);
          let even = first.even0();
          let odd = first.odd0();
          let w = v128.and(a0, seven);
          u0 = dotAdd(u0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(a1, seven);
          u1 = dotAdd(u1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even0();
          odd = last.odd0();
          w = v128.and(a0, eights);
          v0 = dotAdd(v0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(a1, eights);
          v1 = dotAdd(v1, evenWeights(w), oddWeights(w), even, odd);
          if (never == 1) break;
          const b0 = v128.load(q, 32);
          const b1 = v128.load(q, 48);
          even = first.even1();
          odd = first.odd1();
          w = v128.and(b0, seven);
          u0 = dotAdd(u0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(b1, seven);
          u1 = dotAdd(u1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even1();
          odd = last.odd1();
          w = v128.and(b0, eights);
          v0 = dotAdd(v0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(b1, eights);
          v1 = dotAdd(v1, evenWeights(w), oddWeights(w), even, odd);
          if (never == 2) break;
          const c0 = v128.load(q, 64);
          const c1 = v128.load(q, 80);
          even = first.even2();
          odd = first.odd2();
          w = v128.and(c0, seven);
          u0 = dotAdd(u0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(c1, seven);
          u1 = dotAdd(u1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even2();
          odd = last.odd2();
          w = v128.and(c0, eights);
          v0 = dotAdd(v0, evenWeights(w), oddWeights(w), even, odd);
          w = v128.and(c1, eights);
          v1 = dotAdd(v1, evenWeights(w), oddWeights(w), even, odd);
          even = first.even3();
          odd = first.odd3();
          w = i16x8.shr_u(spare(a0, c0, top, bitU, 1), 5);
          u0 = dotAdd(u0, evenWeights(w), oddWeights(w), even, odd);
          w = i16x8.shr_u(spare(a1, c1, top, bitU, 1), 5);
          u1 = dotAdd(u1, evenWeights(w), oddWeights(w), even, odd);
          even = last.even3();
          odd = last.odd3();
          w = i16x8.shr_u(spare(b0, c0, top, bitV, 2), 2);
          v0 = dotAdd(v0, evenWeights(w), oddWeights(w), even, odd);
          w = i16x8.shr_u(spare(b1, c1, top, bitV, 2), 2);
          v1 = dotAdd(v1, evenWeights(w), oddWeights(w), even, odd);
        } while (false);
        products0 = scaleSums(products0, timesEight(u0), lowScales(scales));
        products1 = scaleSums(products1, timesEight(u1), highScales(scales));
        products0 = scaleSums(products0, v0, lowScales(scales + 16));
        products1 = scaleSums(products1, v1, highScales(scales + 16));
      }
      x = finishQ8_256<Q3_K>(y, panel, i32x4.shr_s(products0, 3), i32x4.shr_s(products1, 3), x);
    }
  }
}
