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
//    128    256   8 words of high
//    384   1024   32 words of low
//
// In the panel every scale stands twice, for sub-blocks of 16: the sums of 32 products of 127 * 31 would not fit 16 bits.
// Cost for 8 rows by 256 columns: 1408 bytes read; decoding 80 loads, 256 ands, 176 shifts, 128 ors, 128 stores, and the scales.

import { ACTIVATION_Q8_256 } from "../abi";
import { halfToFloat, kept } from "../lanes";
import { decodeScales, getScaleBytes, minimumOf, putScaleBytes, quantizeScales, scaleOf } from "./q4_k";
import { SuperSearch } from "./search_k";

@unmanaged
export class Q5_K {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 256; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 176; }
  /** The largest magnitude that `quantize` takes. */
  // @ts-ignore: decorator
  @inline get largest(): f32 { return 63 * 65504; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get subBlock(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline get minimumBlock(): i32 { return 32; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(half, load<u16>(block));
    store<u16>(half, load<u16>(block, 2), 16);
    putScaleBytes(group + 32, r, block + 4);
    const word = group + (<usize>r << 2);
    for (let j: usize = 0; j < 40; j++) store<u32>(word + (j << 5), load<u32>(block + (j << 2), 16), 128);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    const half = group + (<usize>r << 1);
    store<u16>(block, load<u16>(half));
    store<u16>(block, load<u16>(half, 16), 2);
    getScaleBytes(group + 32, r, block + 4);
    const word = group + (<usize>r << 2);
    for (let j: usize = 0; j < 40; j++) store<u32>(block + (j << 2), load<u32>(word + (j << 5), 128), 16);
  }

  /** The scalar meaning: one block to 256 f32. */
  // @ts-ignore: decorator
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
  // @ts-ignore: decorator
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
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    const nibble = kept(panel, i8x16.splat(15));
    const fifth = kept(panel + 16, i8x16.splat(16));
    for (let j: usize = 0; j < 256; j += 16) {
      const to = panel + j;
      const h = v128.load(group + j, 128);
      let q = v128.load(group + j, 384);
      v128.store(to, v128.or(v128.and(q, nibble), v128.and(i16x8.shl(h, 4), fifth)));
      v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), nibble), v128.and(i16x8.shl(h, 3), fifth)), 256);
      q = v128.load(group + j, 640);
      v128.store(to, v128.or(v128.and(q, nibble), v128.and(i16x8.shl(h, 2), fifth)), 512);
      v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), nibble), v128.and(i16x8.shl(h, 1), fifth)), 768);
      q = v128.load(group + j, 896);
      v128.store(to, v128.or(v128.and(q, nibble), v128.and(h, fifth)), 1024);
      v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), nibble), v128.and(i16x8.shr_u(h, 1), fifth)), 1280);
      q = v128.load(group + j, 1152);
      v128.store(to, v128.or(v128.and(q, nibble), v128.and(i16x8.shr_u(h, 2), fifth)), 1536);
      v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), nibble), v128.and(i16x8.shr_u(h, 3), fifth)), 1792);
    }
    decodeScales(group, panel, 2);
  }
}
