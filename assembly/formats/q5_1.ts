// Q5_1: 32 weights in 24 bytes (6 bits each)
//
//   w = d * q + m                         q: 0..31
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d      f16
//      2      2   m      f16
//      4      4   high   bit i: the fifth bit of weight i
//      8     16   low    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// In the panel w = d * (q - 16) + (m + 16 d), so that the sums of products fit 16 bits.
// Packed, 8 rows side by side, 192 bytes: the 8 blocks one after another.
//
// Cost for 8 rows by 32 columns: 192 bytes read; decoding 8 loads, 48 ands, 8 shifts, 16 shuffles, 16 comparisons, 16 ors, 64 stores.

import { ACTIVATION_Q8_32 } from "../abi";
import { floatToHalf, halfToFloat } from "../lanes";
import { PANEL_Q8_32_MINIMUM, PANEL_Q8_32_SCALE, putColumns } from "./panel";
import { fifthBits, putFiveBits } from "./q5_0";
import { Search } from "./search";

@unmanaged
export class Q5_1 {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 24; }
  /** The largest magnitude that `quantize` takes. */
  // @ts-ignore: decorator
  @inline get largest(): f32 { return 65504; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return true; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    memory.copy(group + <usize>r * 24, block, 24);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    memory.copy(block, group + <usize>r * 24, 24);
  }

  /** The scalar meaning: one block to 32 f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const m = halfToFloat(load<u16>(block, 2));
    const high = load<u32>(block, 4);
    for (let i: usize = 0; i < 16; i++) {
      const low: i32 = load<u8>(block + i, 8);
      const q0 = (low & 15) | ((<i32>(high >> <u32>i) & 1) << 4);
      const q1 = (low >> 4) | ((<i32>(high >> (<u32>i + 16)) & 1) << 4);
      store<f32>(out + (i << 2), <f32>q0 * d + m);
      store<f32>(out + (i << 2), <f32>q1 * d + m, 64);
    }
  }

  /** Encodes 32 f32 as one block. */
  // @ts-ignore: decorator
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<Search>(scratch);
    search.begin(from, 32, 0, 31, false);
    search.findScaleAndMinimum();
    store<u16>(block, <u16>floatToHalf(search.scale));
    store<u16>(block, <u16>floatToHalf(search.minimum), 2);
    putFiveBits(block + 4, search.levels16(from), search.levels16(from + 64));
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    const nibble = i8x16.splat(15);
    let block = group;
    for (let r: usize = 0; r < 32; r += 4, block += 24) {
      const low = v128.load(block, 8);
      putColumns(panel + r, v128.or(v128.and(low, nibble), fifthBits(load<u16>(block, 4))));
      putColumns(panel + r + 128, v128.or(v128.and(i16x8.shr_u(low, 4), nibble), fifthBits(load<u16>(block, 6))));
      const d = halfToFloat(load<u16>(block));
      store<f32>(panel + r, d, PANEL_Q8_32_SCALE);
      store<f32>(panel + r, halfToFloat(load<u16>(block, 2)) + <f32>16 * d, PANEL_Q8_32_MINIMUM);
    }
  }
}
