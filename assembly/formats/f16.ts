// F16: one weight in 2 bytes, IEEE binary16
//
// Packed, 8 rows side by side, 16 bytes: column after column,   row 0 | row 1 | ... | row 7
//
// Cost for 8 rows by 1 column: 16 bytes read; 2 loads, 2 shifts, 2 ands, 2 multiplications, then 2 stores to the panel or, streaming, 1
// load and 2 multiply-adds.

import { ACTIVATION_F32 } from "../abi";
import { floatToHalf, halfToFloat, halvesToFloats, halvesToFloatsBy } from "../lanes";
import { streamFloats, streamFloatsOfPair, streamFloatsTile } from "./floats";

@unmanaged
export class F16 {
  @inline get activation(): i32 { return ACTIVATION_F32; }
  @inline get blockWeights(): i32 { return 1; }
  @inline get blockBytes(): i32 { return 2; }
  @inline get streamTokens(): i32 { return WIDE != 0 ? 1 : 8; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 65504; }

  /** Moves one weight of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u16>(group + (<usize>r << 1), load<u16>(block));
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)));
  }

  /** The scalar meaning: one weight to one f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    store<f32>(out, halfToFloat(load<u16>(block)));
  }

  /** Encodes one f32, rounded to nearest even. */
  @inline
  quantize(from: usize, block: usize, _scratch: usize): void {
    store<u16>(block, <u16>floatToHalf(load<f32>(from)));
  }

  /** Decodes a group of 8 weights to a PanelF32. */
  @inline
  panel(group: usize, panel: usize): void {
    v128.store(panel, halvesToFloats(v128.load16x4_s(group)));
    v128.store(panel, halvesToFloats(v128.load16x4_s(group, 8)), 16);
  }

  /** One token: y (8 f32) += a group's `columns` columns times x (F32). */
  @inline
  stream(group: usize, x: usize, y: usize, columns: i32, scratch: usize): void {
    streamFloats<F16>(group, x, y, columns, scratch);
  }

  /** The same of two groups, the second `next` bytes after the first, with its results at z. */
  @inline
  streamPair(group: usize, next: usize, x: usize, y: usize, z: usize, columns: i32, scratch: usize): void {
    streamFloatsOfPair<F16>(group, next, x, y, z, columns, scratch);
  }

  /** Four tokens, or the first `two` of them: y (4 times 8 f32, 32 bytes apart) += a group's `columns` columns times x (F32). */
  @inline
  streamTile(group: usize, x: usize, y: usize, columns: i32, scratch: usize, _sums: usize, two: bool): void {
    streamFloatsTile<F16>(group, x, y, columns, scratch, two);
  }

  // What `floats.ts` needs.

  @inline get columnBytes(): usize { return 16; }

  @inline
  rows(at: usize, half: i32, mask: v128, bias: v128): v128 {
    return halvesToFloatsBy(half == 0 ? v128.load16x4_s(at) : v128.load16x4_s(at, 8), mask, bias);
  }
}
