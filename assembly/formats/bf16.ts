// BF16: one weight in 2 bytes, the upper half of an f32
//
// Packed, 8 rows side by side, 16 bytes: column after column,   row 0 | row 1 | ... | row 7
//
// Cost for 8 rows by 1 column: 16 bytes read; decoding 2 loads, 2 shifts, 2 stores.

import { ACTIVATION_F32 } from "../abi";
import { brainsToFloats } from "../lanes";

@unmanaged
export class BF16 {
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
    store<u32>(out, <u32>load<u16>(block) << 16);
  }

  /** Decodes a group of 8 weights to a PanelF32. */
  // @ts-ignore: decorator
  @inline
  panel(group: usize, panel: usize): void {
    v128.store(panel, brainsToFloats(v128.load16x4_u(group)));
    v128.store(panel, brainsToFloats(v128.load16x4_u(group, 8)), 16);
  }
}
