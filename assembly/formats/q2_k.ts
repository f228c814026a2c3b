// Q2_K: 256 weights in 84 bytes (2.625 bits each), in 16 sub-blocks of 16
//
//   w = d * scale[s] * q - dmin * minimum[s]        q: 0..3, scale and minimum: 0..15, s: sub-block 0..15
//
//   OFFSET  SIZE  DESCRIPTION
//      0     16   byte s:  low nibble: scale s, high nibble: minimum s
//     16     64   q, in halves of 128 weights: 32 bytes each;
//                 half n, byte i:  bits 0 1: weight 128 n + i,       bits 2 3: weight 128 n + 32 + i,
//                                  bits 4 5: weight 128 n + 64 + i,  bits 6 7: weight 128 n + 96 + i
//     80      2   d      f16
//     82      2   dmin   f16
//
// Packed, 8 rows side by side, 672 bytes: the 8 blocks one after another.
//
// Cost for 8 rows by 256 columns: 672 bytes read; decoding 32 loads, 128 ands, 96 shifts, 512 stores, and the scales.

import { ACTIVATION_Q8_256 } from "../abi";
import { halfToFloat } from "../lanes";
import { PANEL_Q8_256_D, PANEL_Q8_256_DMIN, putColumns, putMinimum, putScale } from "./panel";

@unmanaged
export class Q2_K {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q8_256; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 256; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 84; }
  // @ts-ignore: decorator
  @inline get zero(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get subBlock(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline get minimumBlock(): i32 { return 16; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    memory.copy(group + <usize>r * 84, block, 84);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    memory.copy(block, group + <usize>r * 84, 84);
  }

  /** The scalar meaning: one block to 256 f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block, 80));
    const dmin = halfToFloat(load<u16>(block, 82));
    for (let i: usize = 0; i < 256; i++) {
      const both: i32 = load<u8>(block + (i >> 4));
      const bits: i32 = load<u8>(block + ((i >> 7) << 5) + (i & 31), 16);
      const q = (bits >> (<i32>((i >> 5) & 3) << 1)) & 3;
      const scale = d * <f32>(both & 15);
      const minimum = dmin * <f32>(both >> 4);
      store<f32>(out + (i << 2), scale * <f32>q - minimum);
    }
  }

  /** Decodes a group of 8 blocks to a PanelQ8_256. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    const bits = i8x16.splat(3);
    let block = group;
    for (let r = 0; r < 8; r++, block += 84) {
      const at = panel + (<usize>r << 2);
      for (let half: usize = 0; half < 2; half++) {
        for (let part: usize = 0; part < 2; part++) {
          const q = v128.load(block + (half << 5) + (part << 4), 16);
          const to = at + (half << 10) + (part << 7);
          putColumns(to, v128.and(q, bits));
          putColumns(to + 256, v128.and(i16x8.shr_u(q, 2), bits));
          putColumns(to + 512, v128.and(i16x8.shr_u(q, 4), bits));
          putColumns(to + 768, v128.and(i16x8.shr_u(q, 6), bits));
        }
      }
      for (let s = 0; s < 16; s++) {
        const both: i32 = load<u8>(block + <usize>s);
        putScale(panel, r, s, both & 15);
        putMinimum(panel, r, s, both >> 4);
      }
      store<f32>(at, halfToFloat(load<u16>(block, 80)), PANEL_Q8_256_D);
      store<f32>(at, halfToFloat(load<u16>(block, 82)), PANEL_Q8_256_DMIN);
    }
  }
}
