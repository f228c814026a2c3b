// F32: one weight in 4 bytes
//
// Packed, 8 rows side by side, 32 bytes: column after column,   row 0 | row 1 | ... | row 7
//
// Cost for 8 rows by 1 column: 32 bytes read; the packed column is the panel, so decoding is a copy: 2 loads, 2 stores; streaming 3 loads,
// 2 multiply-adds.

import { ACTIVATION_F32 } from "../abi";
import { madd, storeRows } from "../lanes";

@unmanaged
export class F32 {
  @inline get activation(): i32 { return ACTIVATION_F32; }
  @inline get blockWeights(): i32 { return 1; }
  @inline get blockBytes(): i32 { return 4; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return f32.MAX_VALUE; }

  /** Moves one weight of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u32>(group + (<usize>r << 2), load<u32>(block));
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u32>(block, load<u32>(group + (<usize>r << 2)));
  }

  /** The scalar meaning: one weight to one f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    store<u32>(out, load<u32>(block));
  }

  /** Encodes one f32. */
  @inline
  quantize(from: usize, block: usize, _scratch: usize): void {
    store<u32>(block, load<u32>(from));
  }

  /** Decodes a group of 8 weights to a PanelF32. */
  @inline
  panel(group: usize, panel: usize): void {
    v128.store(panel, v128.load(group));
    v128.store(panel, v128.load(group, 16), 16);
  }

  /** One token: y (8 f32) += a group's `columns` columns times x (F32): the packed columns are the panel. */
  @inline
  stream(group: usize, x: usize, y: usize, columns: i32, _panel: usize): void {
    let y0 = v128.load(y);
    let y1 = v128.load(y, 16);
    for (const stop = x + (<usize>columns << 2); x < stop; x += 4, group += 32) {
      const value = v128.load32_splat(x);
      y0 = madd(y0, v128.load(group), value);
      y1 = madd(y1, v128.load(group, 16), value);
    }
    storeRows(y, y0, y1);
  }
}
