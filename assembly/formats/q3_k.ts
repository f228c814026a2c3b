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
//     16     96   the scale bytes: byte 0 of row 0 .. row 7, byte 1, ...
//    112    768   for t = 0, 1:  words 4 t .. 4 t + 3 of high,  the same of the first half of low,  the same of its second half
//
// So a stream reads low from its beginning to its end, and 128 bytes of high, which stay in L1, twice.
//
// Cost for 8 rows by 256 columns: 880 bytes read; streaming 64 loads of weights, 64 of activations, 256 ands, 208 shifts, 128 ors, 128
// dots, 128 additions; scales some 80 instructions. Decoding to the panel: 128 stores instead of the dots.

import { ACTIVATION_Q8_256 } from "../abi";
import { Columns, dotAdd, evenWeights, oddWeights, scaleSums, startSums, X_BYTES } from "../dot";
import { halfToFloat, kept, storeRows } from "../lanes";
import { highScales, lowScales, PANEL_Q8_256_D, PANEL_Q8_256_SCALES, putFactors, putScales } from "./panel";
import { getScaleBytes, putScaleBytes } from "./q4_k";
import { finishQ8_256 } from "./sums";

/** Scale s (0..15) of 12 packed bytes, -32..31. */
@inline
function scaleOf(bytes: usize, s: i32): i32 {
  const low = (<i32>load<u8>(bytes + <usize>(s & 7)) >> ((s >> 3) << 2)) & 15;
  const high = (<i32>load<u8>(bytes + <usize>(s & 3), 8) >> ((s >> 2) << 1)) & 3;
  return (low | (high << 4)) - 32;
}

/** Decodes d and the scales of 8 rows to a PanelQ8_256: four scales share the byte of their high bits. */
@inline
function decodeScales(group: usize, panel: usize): void {
  const scratch = panel + PANEL_Q8_256_SCALES;
  const four = kept(scratch, i8x16.splat(15));
  const two = kept(scratch, i8x16.splat(0x30));
  const zero = kept(scratch, i8x16.splat(32));
  for (let i: usize = 0; i < 4; i += 2) {
    const low = v128.load(group + (i << 3), 16); // scales i and 8 + i, i + 1 and 9 + i
    const next = v128.load(group + (i << 3), 48); // scales 4 + i and 12 + i, ...
    const high = v128.load(group + (i << 3), 80);
    let scale = v128.or(v128.and(low, four), v128.and(i16x8.shl(high, 4), two));
    putScales(panel, i, i8x16.sub(scale, zero));
    scale = v128.or(v128.and(next, four), v128.and(i16x8.shl(high, 2), two));
    putScales(panel, i + 4, i8x16.sub(scale, zero));
    scale = v128.or(v128.and(i16x8.shr_u(low, 4), four), v128.and(high, two));
    putScales(panel, i + 8, i8x16.sub(scale, zero));
    scale = v128.or(v128.and(i16x8.shr_u(next, 4), four), v128.and(i16x8.shr_u(high, 2), two));
    putScales(panel, i + 12, i8x16.sub(scale, zero));
  }
  putFactors(panel + PANEL_Q8_256_D, group);
}

/** Where word j of high lies in a packed block, and word j of low. */
@inline
function highWord(j: usize): usize {
  return 112 + (j >> 2) * 384 + ((j & 3) << 5);
}

@inline
function lowWord(j: usize): usize {
  return 240 + ((j >> 2) & 1) * 384 + ((j >> 3) << 7) + ((j & 3) << 5);
}

/** 4 columns of 4 rows of quarter k of half n: two bits of `q`, and the third of `h`. `three`, `four`: bytes of 3 and of 4. */
@inline
function threes(q: v128, h: v128, n: i32, k: i32, three: v128, four: v128): v128 {
  const low = k == 0 ? q : i16x8.shr_u(q, 2 * k);
  const bit = 4 * n + k;
  const high = bit < 2 ? i16x8.shl(h, 2 - bit) : bit == 2 ? h : i16x8.shr_u(h, bit - 2);
  return v128.or(v128.and(low, three), v128.and(high, four));
}

/**
 * One token times a sub-block of each quarter of half n, of 8 rows: adds to the 8 products (i32) at `products`. `q`, `h`: 4 words of low
 * and of high; `x`: the columns; `pairs`: their sums; `scales`: the panel + 16 for each sub-block before the
 * first one; the others are 2 sub-blocks apart.
 */
@inline
function streamHalf(
  q: usize,
  h: usize,
  x: usize,
  pairs: usize,
  scales: usize,
  products: usize,
  three: v128,
  four: v128,
  n: i32,
): void {
  let a0 = startSums(v128.load32_splat(pairs), 4);
  let b0 = startSums(v128.load32_splat(pairs, 8), 4);
  let c0 = startSums(v128.load32_splat(pairs, 16), 4);
  let d0 = startSums(v128.load32_splat(pairs, 24), 4);
  let a1 = a0;
  let b1 = b0;
  let c1 = c0;
  let d1 = d0;
  for (const stop = q + 128; q < stop; q += 32, h += 32, x += 4 * X_BYTES) {
    const q0 = v128.load(q);
    const q1 = v128.load(q, 16);
    const h0 = v128.load(h);
    const h1 = v128.load(h, 16);
    let even = changetype<Columns>(x).even0();
    let odd = changetype<Columns>(x).odd0();
    let w = threes(q0, h0, n, 0, three, four);
    a0 = dotAdd(a0, evenWeights(w), oddWeights(w), even, odd);
    w = threes(q1, h1, n, 0, three, four);
    a1 = dotAdd(a1, evenWeights(w), oddWeights(w), even, odd);
    even = changetype<Columns>(x + 32 * X_BYTES).even0();
    odd = changetype<Columns>(x + 32 * X_BYTES).odd0();
    w = threes(q0, h0, n, 1, three, four);
    b0 = dotAdd(b0, evenWeights(w), oddWeights(w), even, odd);
    w = threes(q1, h1, n, 1, three, four);
    b1 = dotAdd(b1, evenWeights(w), oddWeights(w), even, odd);
    even = changetype<Columns>(x + 64 * X_BYTES).even0();
    odd = changetype<Columns>(x + 64 * X_BYTES).odd0();
    w = threes(q0, h0, n, 2, three, four);
    c0 = dotAdd(c0, evenWeights(w), oddWeights(w), even, odd);
    w = threes(q1, h1, n, 2, three, four);
    c1 = dotAdd(c1, evenWeights(w), oddWeights(w), even, odd);
    even = changetype<Columns>(x + 96 * X_BYTES).even0();
    odd = changetype<Columns>(x + 96 * X_BYTES).odd0();
    w = threes(q0, h0, n, 3, three, four);
    d0 = dotAdd(d0, evenWeights(w), oddWeights(w), even, odd);
    w = threes(q1, h1, n, 3, three, four);
    d1 = dotAdd(d1, evenWeights(w), oddWeights(w), even, odd);
  }
  let products0 = scaleSums(v128.load(products), a0, lowScales(scales));
  let products1 = scaleSums(v128.load(products, 16), a1, highScales(scales));
  products0 = scaleSums(products0, b0, lowScales(scales + 32));
  products1 = scaleSums(products1, b1, highScales(scales + 32));
  products0 = scaleSums(products0, c0, lowScales(scales + 64));
  products1 = scaleSums(products1, c1, highScales(scales + 64));
  products0 = scaleSums(products0, d0, lowScales(scales + 96));
  products1 = scaleSums(products1, d1, highScales(scales + 96));
  storeRows(products, products0, products1);
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
    const word = group + (<usize>r << 2);
    for (let j: usize = 0; j < 8; j++) store<u32>(word + highWord(j), load<u32>(block + (j << 2)));
    for (let j: usize = 0; j < 16; j++) store<u32>(word + lowWord(j), load<u32>(block + (j << 2), 32));
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)), 108);
    getScaleBytes(group + 16, r, block + 96);
    const word = group + (<usize>r << 2);
    for (let j: usize = 0; j < 8; j++) store<u32>(block + (j << 2), load<u32>(word + highWord(j)));
    for (let j: usize = 0; j < 16; j++) store<u32>(block + (j << 2), load<u32>(word + lowWord(j)), 32);
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
    const three = kept(panel, i8x16.splat(3));
    const four = kept(panel + 16, i8x16.splat(4));
    let to = panel;
    for (let from = group, end = group + 768; from < end; from += 256) {
      for (const stop = from + 128; from < stop; from += 16, to += 16) {
        const h = v128.load(from, 112);
        let q = v128.load(from, 240);
        v128.store(to, threes(q, h, 0, 0, three, four));
        v128.store(to, threes(q, h, 0, 1, three, four), 256);
        v128.store(to, threes(q, h, 0, 2, three, four), 512);
        v128.store(to, threes(q, h, 0, 3, three, four), 768);
        q = v128.load(from, 368);
        v128.store(to, threes(q, h, 1, 0, three, four), 1024);
        v128.store(to, threes(q, h, 1, 1, three, four), 1280);
        v128.store(to, threes(q, h, 1, 2, three, four), 1536);
        v128.store(to, threes(q, h, 1, 3, three, four), 1792);
      }
    }
    decodeScales(group, panel);
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q8_256); `panel` takes the scales and the products. */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, panel: usize): void {
    const three = kept(panel, i8x16.splat(3));
    const four = kept(panel + 16, i8x16.splat(4));
    const products = panel + 32;
    for (; blocks > 0; blocks--, group += 880) {
      decodeScales(group, panel);
      v128.store(products, i32x4.splat(0));
      v128.store(products, i32x4.splat(0), 16);
      let pairs = x + 256 * X_BYTES; // sums of the activations of each sub-block
      let scales = panel;
      for (let h = group + 112, end = h + 768; h < end; h += 384, x += 16 * X_BYTES, pairs += 4, scales += 16) {
        streamHalf(h + 128, h, x, pairs, scales, products, three, four, 0);
        streamHalf(h + 256, h, x + 128 * X_BYTES, pairs + 32, scales + 128, products, three, four, 1);
      }
      x = finishQ8_256<Q3_K>(y, panel, v128.load(products), v128.load(products, 16), x + 224 * X_BYTES);
    }
  }
}
