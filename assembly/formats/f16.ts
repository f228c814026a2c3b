// F16: one weight in 2 bytes, IEEE binary16
//
// Packed, 8 rows side by side, 16 bytes: column after column,   row 0 | row 1 | ... | row 7
//
// Cost for 8 rows by 1 column: 16 bytes read; decoding 2 loads, 2 shifts, 2 ands, 2 multiplications, 2 stores.

import { ACTIVATION_F32 } from "../abi";
import { halfToFloat, halvesToFloats } from "../lanes";

@unmanaged
export class F16 {
  // @ts-ignore: decorator
  @inline get activation(): i32 { return ACTIVATION_F32; }
  // @ts-ignore: decorator
  @inline get blockWeights(): i32 { return 1; }
  // @ts-ignore: decorator
  @inline get blockBytes(): i32 { return 2; }

  /** Moves one weight of row r into its group. */
  // @ts-ignore: decorator
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u16>(group + (<usize>r << 1), load<u16>(block));
  }

  /** The inverse of `put`. */
  // @ts-ignore: decorator
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)));
  }

  /** The scalar meaning: one weight to one f32. */
  // @ts-ignore: decorator
  @inline
  dequantize(block: usize, out: usize): void {
    store<f32>(out, halfToFloat(load<u16>(block)));
  }

  /** Decodes a group of 8 weights to a PanelF32. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    v128.store(panel, halvesToFloats(v128.load16x4_s(group)));
    v128.store(panel, halvesToFloats(v128.load16x4_s(group, 8)), 16);
  }
}
