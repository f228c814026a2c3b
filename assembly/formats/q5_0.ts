// Q5_0: 32 weights in 22 bytes (5.5 bits each)
//
//   w = d * (q - 16)                      q: 0..31
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d      f16
//      2      4   high   bit i: the fifth bit of weight i
//      6     16   low    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// Packed, 8 rows side by side, 176 bytes: the 8 blocks one after another.
//
// Cost for 8 rows by 32 columns: 176 bytes read; decoding 8 loads, 48 ands, 8 shifts, 16 shuffles, 16 comparisons, 64 stores.

import { ACTIVATION_Q8_32 } from "../abi";
import { halfToFloat } from "../lanes";
import { PANEL_Q8_32_SCALE, putColumns } from "./panel";


/** The fifth bits of 16 weights, bits 0 .. 15 of `bits`, as 0 or 16 in each byte. */
// @ts-ignore: decorator
@inline
export function fifthBits(bits: u32): v128 {
  const pairs = i16x8.splat(<i16>bits);
  // Byte i gets byte i / 8 of the two, and keeps bit i % 8 of it.
  const spread = v128.shuffle<i8>(pairs, pairs, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const masks = i64x2.splat(0x8040201008040201);
  return v128.and(i8x16.eq(v128.and(spread, masks), masks), i8x16.splat(16));
}

@unmanaged
export class Q5_0 {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 22; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    memory.copy(group + <usize>r * 22, block, 22);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    memory.copy(block, group + <usize>r * 22, 22);
  }

  /** The scalar meaning: one block to 32 f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const high = load<u32>(block, 2);
    for (let i: usize = 0; i < 16; i++) {
      const low: i32 = load<u8>(block + i, 6);
      const q0 = (low & 15) | ((<i32>(high >> <u32>i) & 1) << 4);
      const q1 = (low >> 4) | ((<i32>(high >> (<u32>i + 16)) & 1) << 4);
      store<f32>(out + (i << 2), <f32>(q0 - 16) * d);
      store<f32>(out + (i << 2), <f32>(q1 - 16) * d, 64);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    const nibble = i8x16.splat(15);
    let block = group;
    for (let r: usize = 0; r < 32; r += 4, block += 22) {
      const low = v128.load(block, 6);
      putColumns(panel + r, v128.or(v128.and(low, nibble), fifthBits(load<u16>(block, 2))));
      putColumns(panel + r + 128, v128.or(v128.and(i16x8.shr_u(low, 4), nibble), fifthBits(load<u16>(block, 4))));
      store<f32>(panel + r, halfToFloat(load<u16>(block)), PANEL_Q8_32_SCALE);
    }
  }
}
