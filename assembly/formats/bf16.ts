// BF16: one weight in 2 bytes, the upper half of an f32
//
// Packed, 8 rows side by side, 16 bytes: column after column,   row 0 | row 1 | ... | row 7
//
// Cost for 8 rows by 1 column: 16 bytes read; 2 loads, 2 shifts, then 2 stores to the panel or, streaming, 1 load and 2 multiply-adds.

import { ACTIVATION_F32 } from "../abi";
import { brainsToFloats } from "../lanes";
import { streamFloats, streamFloatsOfPair, streamFloatsTile } from "./floats";

@unmanaged
export class BF16 {
  @inline get activation(): i32 { return ACTIVATION_F32; }
  @inline get blockWeights(): i32 { return 1; }
  @inline get blockBytes(): i32 { return 2; }
  @inline get streamTokens(): i32 { return WIDE != 0 ? 1 : 8; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return reinterpret<f32>(0x7f7f0000); }

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
    store<u32>(out, <u32>load<u16>(block) << 16);
  }

  /** Encodes one f32, rounded to nearest even. */
  @inline
  quantize(from: usize, block: usize, _scratch: usize): void {
    const bits = load<u32>(from);
    store<u16>(block, <u16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16));
  }

  /** Decodes a group of 8 weights to a PanelF32. */
  @inline
  panel(group: usize, panel: usize): void {
    v128.store(panel, brainsToFloats(v128.load16x4_u(group)));
    v128.store(panel, brainsToFloats(v128.load16x4_u(group, 8)), 16);
  }

  /** One token: y (8 f32) += a group's `columns` columns times x (F32). */
  @inline
  stream(group: usize, x: usize, y: usize, columns: i32, scratch: usize): void {
    streamFloats<BF16>(group, x, y, columns, scratch);
  }

  /** The same of two groups, the second `next` bytes after the first, with its results at z. */
  @inline
  streamPair(group: usize, next: usize, x: usize, y: usize, z: usize, columns: i32, scratch: usize): void {
    streamFloatsOfPair<BF16>(group, next, x, y, z, columns, scratch);
  }

  /** Four tokens, or the first `two` of them: y (4 times 8 f32, 32 bytes apart) += a group's `columns` columns times x (F32). */
  @inline
  streamTile(group: usize, x: usize, y: usize, columns: i32, scratch: usize, _sums: usize, two: bool): void {
    streamFloatsTile<BF16>(group, x, y, columns, scratch, two);
  }

  // What `floats.ts` needs.

  @inline get columnBytes(): usize { return 16; }

  @inline
  rows(at: usize, half: i32, _mask: v128, _bias: v128): v128 {
    return brainsToFloats(half == 0 ? v128.load16x4_u(at) : v128.load16x4_u(at, 8));
  }
}
