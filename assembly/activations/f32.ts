// F32: activations as they are, for weights that are floats
//
// T: tokens in the tile (1 or 4); for every column
//
//   OFFSET   SIZE     DESCRIPTION
//        0  T * 4     token 0 | token 1 | ...       (f32)
//
// Cost for one token, 1 column: 4 bytes read and written; a tile of one token is a copy, a tile of four 1 load and 1 store.

import { ACTIVATION_F32 } from "../abi";

@unmanaged
export class F32 {
  @inline get kind(): i32 { return ACTIVATION_F32; }
  @inline get blockColumns(): i32 { return 1; }
  @inline get tokenBytes(): usize { return 4; }

  /** Token t of a tile of `width` tokens: `columns` f32 at `row`. */
  encode(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
    if (width == 1) {
      memory.copy(tile, row, <usize>columns << 2);
      return;
    }
    let to = tile + (t << 2);
    for (let k = 0; k < columns; k++, row += 4, to += 16) store<f32>(to, load<f32>(row));
  }
}
