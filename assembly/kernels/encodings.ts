// The table of activation encodings: the one place where a number of abi.ts becomes a class, and an encoding meets its microkernel.
//
// Activations are encoded once for all matmuls that read them. A tile holds 4 tokens side by side (or 1, where a step has only one row
// left), because a microkernel multiplies each weight that it loads by all tokens of the tile. The encoding of a token does not depend on
// the tile it lies in.
//
// What the class of an encoding has (activations/, a file for each):
//
//   kind                         its number
//   blockColumns, tokenBytes     the columns of a block, and the bytes of one token in it
//   encode                       one token's row of f32 into its place in a tile
//
// What the class of a microkernel has (micro_*.ts):
//
//   chunk                        columns whose two panels are 16 KB: half of an L1 of 32 KB, the other half is for activations
//   panelColumns, panelBytes     the size of one block of the panel that it multiplies (formats/panel.ts)
//   one, four                    a panel times a tile of one token, or of four
//   fourByPair                   two panels times a tile of four: for the wide builds
//
// Cost of a search at run time (`bytes`, `encode`): up to 5 comparisons for each token of a tile; of one when compiled (`multiply`): none.

import { CentredQ8_32 } from "../activations/centred_q8_32";
import { F32 } from "../activations/f32";
import { Q16_32 } from "../activations/q16_32";
import { Q8_256 } from "../activations/q8_256";
import { Q8_32 } from "../activations/q8_32";
import { MicroF32 } from "./micro_f32";
import { MicroQ16_32 } from "./micro_q16_32";
import { MicroQ8_256 } from "./micro_q8_256";
import { MicroQ8_32 } from "./micro_q8_32";

export type Activations =
  Row<Q8_32, MicroQ8_32,
  Row<CentredQ8_32, MicroQ8_32,
  Row<Q8_256, MicroQ8_256,
  Row<Q16_32, MicroQ16_32,
  Row<F32, MicroF32,
  End>>>>>;

/**
 * Encoding E, multiplied by microkernel M, and the rows after it. asc unrolls the rows: what is left of a search is a comparison of
 * numbers for each row, and nothing at all where the number is known.
 */
@unmanaged
class Row<E, M, Rest> {
  /** Bytes of one token's `columns` columns. */
  @inline
  bytes(kind: i32, columns: i32): usize {
    if (kind == changetype<E>(0).kind) return bytesOf<E>(columns);
    return changetype<Rest>(0).bytes(kind, columns);
  }

  /** `encode` of encoding `kind`. */
  @inline
  encode(kind: i32, row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
    if (kind == changetype<E>(0).kind) changetype<E>(0).encode(row, columns, tile, t, width);
    else changetype<Rest>(0).encode(kind, row, columns, tile, t, width);
  }

  /** Runs kernel K for weight format F, with the encoding that F multiplies and its microkernel; `job` is the kernel's own record. */
  @inline
  multiply<K, F>(job: usize): i32 {
    if (changetype<F>(0).activation == changetype<E>(0).kind) return changetype<K>(job).multiply<F, E, M>();
    return changetype<Rest>(0).multiply<K, F>(job);
  }
}

/** Behind the last row: a number without an encoding has no bytes, and nothing is encoded. */
@unmanaged
class End {
  @inline
  bytes(_kind: i32, _columns: i32): usize {
    return 0;
  }

  @inline
  encode(_kind: i32, _row: usize, _columns: i32, _tile: usize, _t: usize, _width: usize): void {}

  @inline
  multiply<K, F>(_job: usize): i32 {
    return -1;
  }
}

/** Bytes of one token's `columns` columns in encoding E: a tile of T tokens takes T times as many. */
@inline
export function bytesOf<E>(columns: i32): usize {
  return (<usize>columns / changetype<E>(0).blockColumns) * changetype<E>(0).tokenBytes;
}
