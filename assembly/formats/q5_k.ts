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
//     32     96   the scale bytes: byte 0 of row 0 .. row 7, byte 1, ...
//    128   1280   for each half t of the sub-blocks:  words 4 t .. 4 t + 3 of high,  then of each group of low its words 4 t .. 4 t + 3
//
// So a stream reads low from its beginning to its end, and 128 bytes of high, which stay in L1, four times.
//
// In the panel every scale appears twice, for sub-blocks of 16: the sums of 32 products of 127 * 31 would not fit in 16 bits.
// Cost for 8 rows by 256 columns: 1408 bytes read; streaming 128 loads of weights, 64 of activations, 256 ands, 176 shifts, 128 ors, 128
// dots, 128 additions; scales and minima some 100 instructions. Decoding to the panel: 128 stores instead of the dots.

import { ACTIVATION_Q8_256 } from "../abi";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, X_BYTES } from "../dot";
import { halfToFloat, kept, storeRows } from "../lanes";
import { highScales, lowScales } from "./panel";
import { decodeScales, getScaleBytes, minimumOf, putScaleBytes, quantizeScales, scaleOf } from "./q4_k";
import { SuperSearch } from "./search_k";
import { finishQ8_256 } from "./sums";

/** Where word j of high lies in a packed block, and word j of low. */
@inline
function highWord(j: usize): usize {
  return 128 + (j >> 2) * 640 + ((j & 3) << 5);
}

@inline
function lowWord(j: usize): usize {
  return 256 + ((j >> 2) & 1) * 640 + ((j >> 3) << 7) + ((j & 3) << 5);
}

/** Bit s of each byte of `h`, as 16 or 0. `sixteen`: bytes of 16. */
@inline
function fifth(h: v128, s: i32, sixteen: v128): v128 {
  return v128.and(s < 4 ? i16x8.shl(h, 4 - s) : s == 4 ? h : i16x8.shr_u(h, s - 4), sixteen);
}

/**
 * One token times a half of sub-blocks 2 g and 2 g + 1, of 8 rows: adds to the 8 products (i32) at `products`. `q`, `h`: 4 words of low
 * and of high; `x`: the columns; `scales`: the panel + 32 g.
 */
@inline
function streamHalf(q: usize, h: usize, x: usize, scales: usize, products: usize, nibble: v128, sixteen: v128, g: i32): void {
  let a0 = i16x8.splat(0); // sub-block 2 g
  let a1 = a0;
  let b0 = a0; // sub-block 2 g + 1
  let b1 = a0;
  for (const stop = q + 128; q < stop; q += 32, h += 32, x += 4 * X_BYTES) {
    const q0 = v128.load(q);
    const q1 = v128.load(q, 16);
    const h0 = v128.load(h);
    const h1 = v128.load(h, 16);
    let even = changetype<Columns>(x).even0();
    let odd = changetype<Columns>(x).odd0();
    let w = v128.or(v128.and(q0, nibble), fifth(h0, 2 * g, sixteen));
    a0 = dotAdd(a0, evenWeights(w), oddWeights(w), even, odd);
    w = v128.or(v128.and(q1, nibble), fifth(h1, 2 * g, sixteen));
    a1 = dotAdd(a1, evenWeights(w), oddWeights(w), even, odd);
    even = changetype<Columns>(x + 32 * X_BYTES).even0();
    odd = changetype<Columns>(x + 32 * X_BYTES).odd0();
    w = v128.or(v128.and(i16x8.shr_u(q0, 4), nibble), fifth(h0, 2 * g + 1, sixteen));
    b0 = dotAdd(b0, evenWeights(w), oddWeights(w), even, odd);
    w = v128.or(v128.and(i16x8.shr_u(q1, 4), nibble), fifth(h1, 2 * g + 1, sixteen));
    b1 = dotAdd(b1, evenWeights(w), oddWeights(w), even, odd);
  }
  let products0 = scaleSums(v128.load(products), a0, lowScales(scales));
  let products1 = scaleSums(v128.load(products, 16), a1, highScales(scales));
  products0 = scaleSums(products0, b0, lowScales(scales + 16));
  products1 = scaleSums(products1, b1, highScales(scales + 16));
  storeRows(products, products0, products1);
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
    const word = group + (<usize>r << 2);
    for (let j: usize = 0; j < 8; j++) store<u32>(word + highWord(j), load<u32>(block + (j << 2), 16));
    for (let j: usize = 0; j < 32; j++) store<u32>(word + lowWord(j), load<u32>(block + (j << 2), 48));
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half));
    store<u16>(block, load<u16>(half, 16), 2);
    getScaleBytes(group + 32, r, block + 4);
    const word = group + (<usize>r << 2);
    for (let j: usize = 0; j < 8; j++) store<u32>(block + (j << 2), load<u32>(word + highWord(j)), 16);
    for (let j: usize = 0; j < 32; j++) store<u32>(block + (j << 2), load<u32>(word + lowWord(j)), 48);
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
      v128.store(to, v128.or(v128.and(low1, nibble), i8x16.shl(next1, 4)), 16);
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
    const nibble = kept(panel, i8x16.splat(15));
    const sixteen = kept(panel + 16, i8x16.splat(16));
    let to = panel;
    for (let from = group, end = group + 1280; from < end; from += 512) {
      for (const stop = from + 128; from < stop; from += 16, to += 16) {
        const h = v128.load(from, 128);
        let q = v128.load(from, 256);
        v128.store(to, v128.or(v128.and(q, nibble), fifth(h, 0, sixteen)));
        v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), nibble), fifth(h, 1, sixteen)), 256);
        q = v128.load(from, 384);
        v128.store(to, v128.or(v128.and(q, nibble), fifth(h, 2, sixteen)), 512);
        v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), nibble), fifth(h, 3, sixteen)), 768);
        q = v128.load(from, 512);
        v128.store(to, v128.or(v128.and(q, nibble), fifth(h, 4, sixteen)), 1024);
        v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), nibble), fifth(h, 5, sixteen)), 1280);
        q = v128.load(from, 640);
        v128.store(to, v128.or(v128.and(q, nibble), fifth(h, 6, sixteen)), 1536);
        v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), nibble), fifth(h, 7, sixteen)), 1792);
      }
    }
    decodeScales(group, panel, 2);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes the scales and the products. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const nibble = kept(panel, i8x16.splat(15));
    const sixteen = kept(panel + 16, i8x16.splat(16));
    const products = panel + 32;
    for (; blocks > 0; blocks--, group += 1408) {
      decodeScales(group, panel, 1); // both halves of a sub-block read the same
      v128.store(products, i32x4.splat(0));
      v128.store(products, i32x4.splat(0), 16);
      for (let h = group + 128, end = h + 1280; h < end; h += 640, x += 16 * X_BYTES) {
        streamHalf(h + 128, h, x, panel, products, nibble, sixteen, 0);
        streamHalf(h + 256, h, x + 64 * X_BYTES, panel + 32, products, nibble, sixteen, 1);
        streamHalf(h + 384, h, x + 128 * X_BYTES, panel + 64, products, nibble, sixteen, 2);
        streamHalf(h + 512, h, x + 192 * X_BYTES, panel + 96, products, nibble, sixteen, 3);
      }
      x = finishQ8_256<Q5_K>(y, panel, v128.load(products), v128.load(products, 16), x + 224 * X_BYTES);
    }
  }
}
