// F32: one weight in 4 bytes
//
// Packed, 8 rows side by side, 32 bytes: column after column,   row 0 | row 1 | ... | row 7
//
// Cost for 8 rows by 1 column: 32 bytes read; the packed column is the panel, so nothing is decoded; streaming 3 loads, 2 multiply-adds, and
// for a tile of four tokens 6 loads, 8 multiply-adds.

import { ACTIVATION_F32 } from "../abi";
import { streamFloats, streamFloatsOfPair, streamFloatsTile } from "./floats";

@unmanaged
export class F32 {
  @inline get activation(): i32 { return ACTIVATION_F32; }
  @inline get blockWeights(): i32 { return 1; }
  @inline get blockBytes(): i32 { return 4; }
  @inline get streamTokens(): i32 { return WIDE != 0 ? 1 : i32.MAX_VALUE; }
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

  /** A packed column is one of a PanelF32. */
  @inline get isPanel(): bool { return true; }

  /** One token: y (8 f32) += a group's `columns` columns times x (F32). */
  @inline
  stream(group: usize, x: usize, y: usize, columns: i32, scratch: usize): void {
    streamFloats<F32>(group, x, y, columns, scratch);
  }

  /** The same of two groups, the second `next` bytes after the first, with its results at z. */
  @inline
  streamPair(group: usize, next: usize, x: usize, y: usize, z: usize, columns: i32, scratch: usize): void {
    streamFloatsOfPair<F32>(group, next, x, y, z, columns, scratch);
  }

  /** Four tokens, or the first `two` of them: y (4 times 8 f32, 32 bytes apart) += a group's `columns` columns times x (F32). */
  @inline
  streamTile(group: usize, x: usize, y: usize, columns: i32, scratch: usize, _sums: usize, two: bool): void {
    streamFloatsTile<F32>(group, x, y, columns, scratch, two);
  }

  // What `floats.ts` needs.

  @inline get columnBytes(): usize { return 32; }

  @inline
  rows(at: usize, half: i32, _mask: v128, _bias: v128): v128 {
    return half == 0 ? v128.load(at) : v128.load(at, 16);
  }
}
