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
// Packed, 8 rows side by side, 880 bytes: the 8 blocks one after another.
//
// Cost for 8 rows by 256 columns: 880 bytes read; decoding 48 loads, 256 ands, 208 shifts, 128 ors, 512 stores, and the scales.

import { ACTIVATION_Q8_256 } from "../abi";
import { halfToFloat } from "../lanes";
import { PANEL_Q8_256_D, putColumns, putScale } from "./panel";

/** Scale s (0..15) of 12 packed bytes, -32..31. */
// @ts-ignore: decorator
@inline
function scaleOf(bytes: usize, s: i32): i32 {
  const low = (<i32>load<u8>(bytes + <usize>(s & 7)) >> ((s >> 3) << 2)) & 15;
  const high = (<i32>load<u8>(bytes + <usize>(s & 3), 8) >> ((s >> 2) << 1)) & 3;
  return (low | (high << 4)) - 32;
}

@unmanaged
export class Q3_K {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 256; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 110; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 4; }
  // @ts-ignore: decorator
  @inline get subBlock(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline get minimumBlock(): i32 { return 0; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    memory.copy(group + <usize>r * 110, block, 110);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    memory.copy(block, group + <usize>r * 110, 110);
  }

  /** The scalar meaning: one block to 256 f32. */
  // @ts-ignore: decorator
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
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    const two = i8x16.splat(3);
    const four = i8x16.splat(4);
    let block = group;
    for (let r = 0; r < 8; r++, block += 110) {
      const at = panel + (<usize>r << 2);
      for (let part: usize = 0; part < 2; part++) {
        const h = v128.load(block + (part << 4));
        const to = at + (part << 7);
        let q = v128.load(block + (part << 4), 32);
        putColumns(to, v128.or(v128.and(q, two), v128.and(i16x8.shl(h, 2), four)));
        putColumns(to + 256, v128.or(v128.and(i16x8.shr_u(q, 2), two), v128.and(i16x8.shl(h, 1), four)));
        putColumns(to + 512, v128.or(v128.and(i16x8.shr_u(q, 4), two), v128.and(h, four)));
        putColumns(to + 768, v128.or(v128.and(i16x8.shr_u(q, 6), two), v128.and(i16x8.shr_u(h, 1), four)));
        q = v128.load(block + (part << 4), 64);
        putColumns(to + 1024, v128.or(v128.and(q, two), v128.and(i16x8.shr_u(h, 2), four)));
        putColumns(to + 1280, v128.or(v128.and(i16x8.shr_u(q, 2), two), v128.and(i16x8.shr_u(h, 3), four)));
        putColumns(to + 1536, v128.or(v128.and(i16x8.shr_u(q, 4), two), v128.and(i16x8.shr_u(h, 4), four)));
        putColumns(to + 1792, v128.or(v128.and(i16x8.shr_u(q, 6), two), v128.and(i16x8.shr_u(h, 5), four)));
      }
      for (let s = 0; s < 16; s++) putScale(panel, r, s, scaleOf(block + 96, s));
      store<f32>(at, halfToFloat(load<u16>(block, 108)), PANEL_Q8_256_D);
    }
  }
}
