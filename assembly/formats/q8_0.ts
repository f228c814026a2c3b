// Q8_0: 32 weights in 34 bytes (8.5 bits each)
//
//   w = d * q                             q: -127..127
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d    f16
//      2     32   q    int8
//
// Packed, 8 rows side by side, 272 bytes: pairs of columns, as i32x4.dot_i16x8_s takes them after widening.
//
//      0     16   d of row 0 .. row 7
//     16     16   columns 0, 1:    row 0: w0 w1 | row 1 | ... | row 7
//     32     16   columns 2, 3     ...     256  16  columns 30, 31
//
// Cost for 8 rows by 32 columns: 272 bytes read; the packed columns are the panel, so decoding is a copy.

import { ACTIVATION_Q16_32 } from "../abi";
import { halfToFloat, halvesToFloats } from "../lanes";
import { PANEL_Q16_32_SCALE } from "./panel";
import { leaveQ16_32 } from "./sums";

@unmanaged
export class Q8_0 {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_Q16_32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 34; }

  /** Moves one block of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    const at = group + (<usize>r << 1);
    store<u16>(at, load<u16>(block));
    for (let i: usize = 0; i < 16; i++) store<u16>(at + (i << 4), load<u16>(block + (i << 1), 2), 16);
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    const at = group + (<usize>r << 1);
    store<u16>(block, load<u16>(at));
    for (let i: usize = 0; i < 16; i++) store<u16>(block + (i << 1), load<u16>(at + (i << 4), 16), 2);
  }

  /** The scalar meaning: one block to 32 f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    for (let i: usize = 0; i < 32; i++) store<f32>(out + (i << 2), <f32>(<i32>load<i8>(block + i, 2)) * d);
  }

  /** Decodes a group of 8 blocks to a PanelQ16_32. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    for (let i: usize = 0; i < 256; i += 16) v128.store(panel + i, v128.load(group + i, 16));
    v128.store(panel, halvesToFloats(v128.load16x4_s(group)), PANEL_Q16_32_SCALE);
    v128.store(panel, halvesToFloats(v128.load16x4_s(group, 8)), PANEL_Q16_32_SCALE + 16);
  }
  /** One token: y (8 f32) += a group's `blocks` blocks times x (Q16_32). */
  // @ts-ignore: decorator
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, _panel: usize): void {
    let y0 = v128.load(y);
    let y1 = v128.load(y, 16);
    for (; blocks > 0; blocks--, x += 4) {
      const scale0 = halvesToFloats(v128.load16x4_s(group));
      const scale1 = halvesToFloats(v128.load16x4_s(group, 8));
      group += 16;
      let sums0 = i32x4.splat(0);
      let sums1 = sums0;
      for (const stop = group + 256; group < stop; group += 16, x += 4) {
        const pair = v128.load32_splat(x);
        sums0 = i32x4.add(sums0, i32x4.dot_i16x8_s(v128.load8x8_s(group), pair));
        sums1 = i32x4.add(sums1, i32x4.dot_i16x8_s(v128.load8x8_s(group, 8), pair));
      }
      const scaleX = v128.load32_splat(x);
      y0 = leaveQ16_32(y0, sums0, scale0, scaleX);
      y1 = leaveQ16_32(y1, sums1, scale1, scaleX);
    }
    v128.store(y, y0);
    v128.store(y, y1, 16);
  }
}
