// Q4_1: 32 weights in 20 bytes (5 bits each)
//
//   w = d * q + m                         q: 0..15
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d    f16
//      2      2   m    f16
//      4     16   q    byte i:  low nibble: weight i, high nibble: weight 16 + i
//
// Packed, 8 rows side by side, 160 bytes: the 8 blocks one after another.
//
// Cost for 8 rows by 32 columns: 160 bytes read; decoding 8 loads, 16 ands, 8 shifts, 64 stores.

import { ACTIVATION_Q8_32 } from "../abi";
import { floatToHalf, halfToFloat } from "../lanes";
import { PANEL_Q8_32_MINIMUM, PANEL_Q8_32_SCALE, putColumns } from "./panel";
import { Search } from "./search";

@unmanaged
export class Q4_1 {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q8_32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 20; }
  /** The largest magnitude that `quantize` takes. */
  // @ts-ignore: decorator
  @inline get largest(): f32 { return 65504; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return true; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    memory.copy(group + <usize>r * 20, block, 20);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    memory.copy(block, group + <usize>r * 20, 20);
  }

  /** The scalar meaning: one block to 32 f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    const m = halfToFloat(load<u16>(block, 2));
    for (let i: usize = 0; i < 16; i++) {
      const q: i32 = load<u8>(block + i, 4);
      store<f32>(out + (i << 2), <f32>(q & 15) * d + m);
      store<f32>(out + (i << 2), <f32>(q >> 4) * d + m, 64);
    }
  }

  /** Encodes 32 f32 as one block. */
  // @ts-ignore: decorator
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<Search>(scratch);
    search.begin(from, 32, 0, 15, false);
    search.findScaleAndMinimum();
    store<u16>(block, <u16>floatToHalf(search.scale));
    store<u16>(block, <u16>floatToHalf(search.minimum), 2);
    v128.store(block, v128.or(search.levels16(from), i16x8.shl(search.levels16(from + 64), 4)), 4);
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    const low = i8x16.splat(15);
    let block = group;
    for (let r: usize = 0; r < 32; r += 4, block += 20) {
      const q = v128.load(block, 4);
      putColumns(panel + r, v128.and(q, low));
      putColumns(panel + r + 128, v128.and(i16x8.shr_u(q, 4), low));
      store<f32>(panel + r, halfToFloat(load<u16>(block)), PANEL_Q8_32_SCALE);
      store<f32>(panel + r, halfToFloat(load<u16>(block, 2)), PANEL_Q8_32_MINIMUM);
    }
  }
}
