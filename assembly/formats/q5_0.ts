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
// Cost for 8 rows by 32 columns: 176 bytes read; decoding 8 loads, 48 ands, 8 shifts, 16 shuffles, 16 comparisons, 16 ors, 64 stores.

import { ACTIVATION_Q8_32 } from "../abi";
import { floatToHalf, halfToFloat } from "../lanes";
import { PANEL_Q8_32_SCALE, putColumns } from "./panel";
import { Search } from "./search";

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

/** Writes 32 levels of 5 bits, one byte each: the fifth bits at `to`, the nibbles after them; also Q5_1's. */
// @ts-ignore: decorator
@inline
export function putFiveBits(to: usize, first: v128, second: v128): void {
  const high = i8x16.bitmask(i8x16.shl(first, 3)) | (i8x16.bitmask(i8x16.shl(second, 3)) << 16);
  const nibble = i8x16.splat(15);
  store<u32>(to, high);
  v128.store(to, v128.or(v128.and(first, nibble), i8x16.shl(second, 4)), 4);
}

@unmanaged
export class Q5_0 {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 22; }
  /** The largest magnitude that `quantize` takes. */
  // @ts-ignore: decorator
  @inline get largest(): f32 { return 15 * 65504; }
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

  /** Encodes 32 f32 as one block. */
  // @ts-ignore: decorator
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<Search>(scratch);
    search.begin(from, 32, -16, 15, false);
    search.findScale();
    const zero = i8x16.splat(16);
    const first = i8x16.add(search.levels16(from), zero);
    const second = i8x16.add(search.levels16(from + 64), zero);
    store<u16>(block, <u16>floatToHalf(search.scale));
    putFiveBits(block + 2, first, second);
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
