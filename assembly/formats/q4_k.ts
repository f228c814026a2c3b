// Q4_K: 256 weights in 144 bytes (4.5 bits each), in 8 sub-blocks of 32
//
//   w = d * scale[s] * q - dmin * minimum[s]        q: 0..15, scale and minimum: 0..63, s: sub-block 0..7
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d      f16, unit of the scales
//      2      2   dmin   f16, unit of the minima
//      4     12   8 scales and 8 minima of 6 bits:
//
//              byte        7 6     |  5 4 3 2 1 0
//              0..3    high 4..7   |  scale 0..3            (high: bits 5 4 of scale 4 + i)
//              4..7    high 4..7   |  minimum 0..3          (high: bits 5 4 of minimum 4 + i)
//              8..11   low nibble of minimum 4..7 (bits 7..4)  |  low nibble of scale 4..7 (bits 3..0)
//
//     16    128   q, 4 groups of 32 bytes; group g, byte i:
//                 low nibble: weight 64 g + i (sub-block 2g), high nibble: weight 64 g + 32 + i (sub-block 2g + 1)
//
// Packed, 8 rows side by side, 1152 bytes; a word is 4 bytes, of row 0 | row 1 | ... | row 7:
//
//      0     16   d of row 0 .. row 7
//     16     16   dmin of row 0 .. row 7
//     32     48   scales of sub-blocks 0 and 1: row 0 .. row 7, row 0 .. row 7;  2 and 3;  4 and 5;  6 and 7 above them: six_bits.ts
//     80     48   minima of sub-blocks 0 and 1: row 0: m0 m1, ... row 7: m0 m1;  2 and 3;  4 and 5;  6 and 7 likewise
//    128   1024   q: for each sub-block 4 words; word j:  low nibbles: columns 4 j .. 4 j + 3,  high nibbles: columns 16 + 4 j ..
//
// Cost for 8 rows by 256 columns: 1152 bytes read; streaming 64 loads of weights, 64 of activations, 128 ands, 64 shifts, 128 dots, 128
// additions; scales and minima some 90 instructions. A tile of 4 tokens: 128 loads of weights, 256 of activations, 512 dots. Decoding to
// the panel: 128 stores instead of the dots. Registers of the stream: 2 sums, 2 products, 1 constant.

import { ACTIVATION_Q8_256 } from "../abi";
import { Q8_256_COLUMN_BYTES, Q8_256_SUMS_32 } from "../activations/q8_256";
import { Columns, dot, dotAdd, dotNibbles, evenWeights, oddWeights, scaleSums, X_BYTES } from "../dot";
import { floatToHalf, halfToFloat, kept, neverTaken, storeRows } from "../lanes";
import {
  highScales,
  keepFactorConstants,
  lowScales,
  PANEL_Q8_256_D,
  PANEL_Q8_256_DMIN,
  PANEL_Q8_256_MINIMA,
  putFactors,
  putKeptFactors,
  putMinima,
  putScales,
} from "./panel";
import { SuperSearch } from "./search_k";
import { fourth, fourthOf, withHigh, withLow, withMiddle } from "./six_bits";
import { finishMultipliedQ8_256, finishTileQ8_256, scaleUp } from "./sums";

/** Scale s (0..7) of 12 packed bytes; also Q5_K's. */
@inline
export function scaleOf(bytes: usize, s: i32): i32 {
  if (s < 4) return load<u8>(bytes + s) & 63;
  return (load<u8>(bytes + s, 4) & 15) | ((load<u8>(bytes + s - 4) >> 6) << 4);
}

/** Minimum s (0..7) of 12 packed bytes; also Q5_K's. */
@inline
export function minimumOf(bytes: usize, s: i32): i32 {
  if (s < 4) return load<u8>(bytes + s, 4) & 63;
  return (load<u8>(bytes + s, 4) >> 4) | ((load<u8>(bytes + s) >> 6) << 4);
}

/** Moves 12 scale bytes of row r to the 96 bytes at `at`; also Q5_K's. */
@inline
export function putScaleBytes(at: usize, r: i32, bytes: usize): void {
  const high = load<u32>(bytes, 8);
  const scales = load<u32>(bytes);
  const lastScales = (high & 0x0f0f0f0f) | ((scales >> 2) & 0x30303030);
  const toScales = at + <usize>r;
  const a = withHigh(scales & 0x3f3f, lastScales >> 16);
  const b = withMiddle((scales >> 16) & 0x3f3f, lastScales >> 16);
  const c = withLow(lastScales & 0x3f3f, lastScales >> 16);
  store<u8>(toScales, a);
  store<u8>(toScales, a >> 8, 8);
  store<u8>(toScales, b, 16);
  store<u8>(toScales, b >> 8, 24);
  store<u8>(toScales, c, 32);
  store<u8>(toScales, c >> 8, 40);
  const minima = load<u32>(bytes, 4);
  const lastMinima = ((high >> 4) & 0x0f0f0f0f) | ((minima >> 2) & 0x30303030);
  const toMinima = at + (<usize>r << 1);
  store<u16>(toMinima, withHigh(minima & 0x3f3f, lastMinima >> 16), 48);
  store<u16>(toMinima, withMiddle((minima >> 16) & 0x3f3f, lastMinima >> 16), 64);
  store<u16>(toMinima, withLow(lastMinima & 0x3f3f, lastMinima >> 16), 80);
}

/** The inverse of `putScaleBytes`. */
@inline
export function getScaleBytes(at: usize, r: i32, bytes: usize): void {
  const ofScales = at + <usize>r;
  let a: u32 = load<u8>(ofScales) | (<u32>load<u8>(ofScales, 8) << 8);
  let b: u32 = load<u8>(ofScales, 16) | (<u32>load<u8>(ofScales, 24) << 8);
  let c: u32 = load<u8>(ofScales, 32) | (<u32>load<u8>(ofScales, 40) << 8);
  const scales = (a & 0x3f3f) | ((b & 0x3f3f) << 16);
  const lastScales = (c & 0x3f3f) | (fourthOf(a, b, c) << 16);
  const ofMinima = at + (<usize>r << 1);
  a = load<u16>(ofMinima, 48);
  b = load<u16>(ofMinima, 64);
  c = load<u16>(ofMinima, 80);
  const minima = (a & 0x3f3f) | ((b & 0x3f3f) << 16);
  const lastMinima = (c & 0x3f3f) | (fourthOf(a, b, c) << 16);
  store<u32>(bytes, scales | ((lastScales & 0x30303030) << 2));
  store<u32>(bytes, minima | ((lastMinima & 0x30303030) << 2), 4);
  store<u32>(bytes, (lastScales & 0x0f0f0f0f) | ((lastMinima & 0x0f0f0f0f) << 4), 8);
}

/** Decodes d, dmin, the scales (each `times` times) and the minima of 8 rows to a PanelQ8_256; also Q5_K's. `six`: bytes of 63. */
@inline
export function decodeScales(group: usize, panel: usize, times: usize, six: v128): void {
  putAllScales(group, panel, times, six);
  putFactors(panel + PANEL_Q8_256_D, group);
  putFactors(panel + PANEL_Q8_256_DMIN, group + 16);
  const a = v128.load(group, 80);
  const b = v128.load(group, 96);
  const c = v128.load(group, 112);
  putMinima(panel, 0, v128.and(a, six));
  putMinima(panel, 2, v128.and(b, six));
  putMinima(panel, 4, v128.and(c, six));
  putMinima(panel, 6, fourth(a, b, c, six));
}

/** Decodes d, dmin and the scales; of the minima it puts only their products with the sums of one token's activations (`tail`). */
@inline
export function multiplyMinima(group: usize, panel: usize, tail: usize, six: v128): void {
  putAllScales(group, panel, 1, six);
  putKeptFactors(panel, PANEL_Q8_256_D, group);
  putKeptFactors(panel, PANEL_Q8_256_DMIN, group + 16);
  const a = v128.load(group, 80);
  const b = v128.load(group, 96);
  const c = v128.load(group, 112);
  let m = v128.and(a, six);
  let x = v128.load32_splat(tail, Q8_256_SUMS_32);
  let m0 = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(m), x);
  let m1 = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(m), x);
  m = v128.and(b, six);
  x = v128.load32_splat(tail, Q8_256_SUMS_32 + 4);
  m0 = i32x4.add(m0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(m), x));
  m1 = i32x4.add(m1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(m), x));
  m = v128.and(c, six);
  x = v128.load32_splat(tail, Q8_256_SUMS_32 + 8);
  m0 = i32x4.add(m0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(m), x));
  m1 = i32x4.add(m1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(m), x));
  m = fourth(a, b, c, six);
  x = v128.load32_splat(tail, Q8_256_SUMS_32 + 12);
  m0 = i32x4.add(m0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(m), x));
  m1 = i32x4.add(m1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(m), x));
  storeRows(panel + PANEL_Q8_256_MINIMA, m0, m1);
}

@inline
function putAllScales(group: usize, panel: usize, times: usize, six: v128): void {
  const a = v128.load(group, 32);
  const b = v128.load(group, 48);
  const c = v128.load(group, 64);
  putScalesTimes(panel, 0, times, v128.and(a, six));
  putScalesTimes(panel, 2, times, v128.and(b, six));
  putScalesTimes(panel, 4, times, v128.and(c, six));
  putScalesTimes(panel, 6, times, fourth(a, b, c, six));
}

@inline
function putScalesTimes(panel: usize, s: usize, times: usize, scales: v128): void {
  if (times == 1) {
    putScales(panel, s, scales);
  } else {
    putScales(panel, 2 * s, v128.shuffle<i64>(scales, scales, 0, 0));
    putScales(panel, 2 * s + 2, v128.shuffle<i64>(scales, scales, 1, 1));
  }
}

/** Writes d, dmin, and the packed scales and minima; also Q5_K's. */
@inline
export function quantizeScales(search: SuperSearch, block: usize): void {
  store<u16>(block, <u16>floatToHalf(search.unit));
  store<u16>(block, <u16>floatToHalf(search.minimumUnit), 2);
  for (let s = 0; s < 4; s++) {
    const scale = search.scaleOf(4 + s);
    const minimum = search.minimumOf(4 + s);
    store<u8>(block + s, search.scaleOf(s) | ((scale >> 4) << 6), 4);
    store<u8>(block + s, search.minimumOf(s) | ((minimum >> 4) << 6), 8);
    store<u8>(block + s, (scale & 15) | (minimum << 4), 12);
  }
}

/** The low nibbles of a, and those of b as the high ones. */
@inline
function lowNibbles(a: v128, b: v128): v128 {
  const low = i8x16.splat(15);
  return v128.or(v128.and(a, low), i16x8.shl(v128.and(b, low), 4));
}

/** The high nibbles of a as the low ones, and the high ones of b. */
@inline
function highNibbles(a: v128, b: v128): v128 {
  const low = i8x16.splat(15);
  return v128.or(v128.and(i16x8.shr_u(a, 4), low), v128.andnot(b, low));
}

/** Moves 16 bytes to 4 words. */
@inline
function putWords(to: usize, bytes: v128): void {
  v128.store32_lane(to, bytes, 0);
  v128.store32_lane(to, bytes, 1, 32);
  v128.store32_lane(to, bytes, 2, 64);
  v128.store32_lane(to, bytes, 3, 96);
}

/** The inverse of `putWords`. */
@inline
function getWords(from: usize): v128 {
  let bytes = v128.load32_zero(from);
  bytes = v128.load32_lane(from, bytes, 1, 32);
  bytes = v128.load32_lane(from, bytes, 2, 64);
  return v128.load32_lane(from, bytes, 3, 96);
}

/** `dotNibbles` to sums of 0. */
@inline
function firstNibbles(q: v128, low: v128, even: v128, odd: v128, highEven: v128, highOdd: v128): v128 {
  const w = v128.and(q, low);
  const v = v128.and(i16x8.shr_u(q, 4), low);
  return dotAdd(dot(evenWeights(w), oddWeights(w), even, odd), evenWeights(v), oddWeights(v), highEven, highOdd);
}

@unmanaged
export class Q4_K {
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  @inline get blockWeights(): i32 { return 256; }
  @inline get blockBytes(): i32 { return 144; }
  @inline get streamTokens(): i32 { return 8; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 63 * 65504; }
  @inline get zero(): i32 { return 0; }
  /** Columns that share a scale, so that 16 bits hold their sum. */
  @inline get subBlock(): i32 { return 32; }
  /** Columns that share a minimum; 0 where there is none. */
  @inline get minimumBlock(): i32 { return 32; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(half, load<u16>(block));
    store<u16>(half, load<u16>(block, 2), 16);
    putScaleBytes(group + 32, r, block + 4);
    for (let g: usize = 0; g < 4; g++) {
      const first = v128.load(block + (g << 5), 16); // columns 0 .. 15 of sub-blocks 2 g and 2 g + 1
      const last = v128.load(block + (g << 5), 32);
      const to = group + 128 + (g << 8) + (<usize>r << 2);
      putWords(to, lowNibbles(first, last));
      putWords(to + 128, highNibbles(first, last));
    }
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half));
    store<u16>(block, load<u16>(half, 16), 2);
    getScaleBytes(group + 32, r, block + 4);
    for (let g: usize = 0; g < 4; g++) {
      const from = group + 128 + (g << 8) + (<usize>r << 2);
      const even = getWords(from);
      const odd = getWords(from + 128);
      v128.store(block + (g << 5), lowNibbles(even, odd), 16);
      v128.store(block + (g << 5), highNibbles(even, odd), 32);
    }
  }

  /** The scalar meaning: one block to 256 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const dmin = halfToFloat(load<u16>(block, 2));
    for (let s = 0; s < 8; s++) {
      const scale = d * <f32>scaleOf(block + 4, s);
      const minimum = dmin * <f32>minimumOf(block + 4, s);
      const q = block + 16 + (<usize>(s >> 1) << 5);
      const shift = (s & 1) << 2;
      const to = out + (<usize>s << 7);
      for (let i: usize = 0; i < 32; i++) {
        store<f32>(to + (i << 2), scale * <f32>((<i32>load<u8>(q + i) >> shift) & 15) - minimum);
      }
    }
  }

  /** Encodes 256 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<SuperSearch>(scratch);
    search.find(from, 32, 0, 15, 0, 63, 63);
    quantizeScales(search, block);
    for (let s = 0; s < 8; s += 2, from += 256, block += 32) {
      search.take(s);
      const low0 = search.levels16(from);
      const low1 = search.levels16(from + 64);
      search.take(s + 1);
      v128.store(block, v128.or(low0, i16x8.shl(search.levels16(from + 128), 4)), 16);
      v128.store(block, v128.or(low1, i16x8.shl(search.levels16(from + 192), 4)), 32);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_256. */
  @inline
  panel(group: usize, panel: usize): void {
    const low = kept(panel, i8x16.splat(15));
    let to = panel;
    for (let from = group + 128, end = from + 1024; from < end; to += 128) {
      for (const stop = from + 128; from < stop; from += 32, to += 32) {
        const q0 = v128.load(from);
        const q1 = v128.load(from, 16);
        v128.store(to, v128.and(q0, low));
        v128.store(to, v128.and(q1, low), 16);
        v128.store(to, v128.and(i16x8.shr_u(q0, 4), low), 128);
        v128.store(to, v128.and(i16x8.shr_u(q1, 4), low), 144);
      }
    }
    decodeScales(group, panel, 1, kept(panel + PANEL_Q8_256_D, i8x16.splat(63)));
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes the scales. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const low = kept(panel, i8x16.splat(15));
    const six = kept(panel, i8x16.splat(63));
    const never = neverTaken(panel);
    keepFactorConstants(panel);
    for (; blocks > 0; blocks--, group += 1152) {
      multiplyMinima(group, panel, x + Q8_256_COLUMN_BYTES, six);
      let products0 = i32x4.splat(0);
      let products1 = i32x4.splat(0);
      let scales = panel;
      for (let g = group, end = g + 1024; g < end; g += 128, scales += 16, x += 32 * X_BYTES) {
        const xLow = changetype<Columns>(x);
        const xHigh = changetype<Columns>(x + 16 * X_BYTES);
        let sums0 = i32x4.splat(0);
        let sums1 = sums0;
        do {
          let q0 = v128.load(g, 128);
          let q1 = v128.load(g, 144);
          sums0 = firstNibbles(q0, low, xLow.even0(), xLow.odd0(), xHigh.even0(), xHigh.odd0());
          sums1 = firstNibbles(q1, low, xLow.even0(), xLow.odd0(), xHigh.even0(), xHigh.odd0());
          if (never == 1) break;
          q0 = v128.load(g, 160);
          q1 = v128.load(g, 176);
          sums0 = dotNibbles(sums0, q0, low, xLow.even1(), xLow.odd1(), xHigh.even1(), xHigh.odd1());
          sums1 = dotNibbles(sums1, q1, low, xLow.even1(), xLow.odd1(), xHigh.even1(), xHigh.odd1());
          if (never == 2) break;
          q0 = v128.load(g, 192);
          q1 = v128.load(g, 208);
          sums0 = dotNibbles(sums0, q0, low, xLow.even2(), xLow.odd2(), xHigh.even2(), xHigh.odd2());
          sums1 = dotNibbles(sums1, q1, low, xLow.even2(), xLow.odd2(), xHigh.even2(), xHigh.odd2());
          if (never == 3) break;
          q0 = v128.load(g, 224);
          q1 = v128.load(g, 240);
          sums0 = dotNibbles(sums0, q0, low, xLow.even3(), xLow.odd3(), xHigh.even3(), xHigh.odd3());
          sums1 = dotNibbles(sums1, q1, low, xLow.even3(), xLow.odd3(), xHigh.even3(), xHigh.odd3());
        } while (false);
        products0 = scaleSums(products0, sums0, lowScales(scales));
        products1 = scaleSums(products1, sums1, highScales(scales));
      }
      x = finishMultipliedQ8_256(y, panel, products0, products1, x);
    }
  }

  /**
   * A tile of four tokens, or the first `two` of one: y (4 times 8 f32) += a group's `blocks` blocks times x (Q8_256). `products`: 128
   * bytes for 32-bit sums.
   */
  @inline
  streamTile(group: usize, x: usize, y: usize, blocks: i32, panel: usize, products: usize, two: bool): void {
    const low = kept(panel, i8x16.splat(15));
    const six = kept(panel, i8x16.splat(63));
    for (; blocks > 0; blocks--, group += 1152) {
      decodeScales(group, panel, 1, six);
      for (let y = products, none = i32x4.splat(0); y < products + 128; y += 16) v128.store(y, none);
      let scales = panel;
      for (let q = group + 128, end = q + 1024; q < end; scales += 16) {
        let a0 = i32x4.splat(0);
        let a1 = a0;
        let b0 = a0;
        let b1 = a0;
        let c0 = a0;
        let c1 = a0;
        let d0 = a0;
        let d1 = a0;
        for (const stop = q + 128; q < stop; q += 32, x += 16 * X_BYTES) {
          const w0 = v128.and(v128.load(q), low);
          const w1 = v128.and(v128.load(q, 16), low);
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
        q -= 128;
        for (const stop = q + 128; q < stop; q += 32, x += 16 * X_BYTES) {
          const w0 = v128.and(i16x8.shr_u(v128.load(q), 4), low);
          const w1 = v128.and(i16x8.shr_u(v128.load(q, 16), 4), low);
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
        const scale0 = lowScales(scales);
        const scale1 = highScales(scales);
        scaleUp(products, a0, a1, scale0, scale1);
        scaleUp(products + 32, b0, b1, scale0, scale1);
        if (!two) {
          scaleUp(products + 64, c0, c1, scale0, scale1);
          scaleUp(products + 96, d0, d1, scale0, scale1);
        }
      }
      x = finishTileQ8_256<Q4_K>(y, panel, products, x, two);
    }
  }
}
