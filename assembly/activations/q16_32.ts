// Q16_32: 16-bit activations in blocks of 32 columns, with a scale for each token: nearly exact, for weights of 8 bits
//
//   x ~ scale * q                          q: -32767..32767, x / scale rounded to nearest even; scale: the largest magnitude / 32767
//
// T: tokens in the tile (1 or 4)
//
//   OFFSET    SIZE     DESCRIPTION
//        0  T * 64     16 pairs of columns, each:    token 0: q q | token 1 | ...            (int16)
//   T * 64   T * 4     scale                         token 0 | token 1 | ...                 (f32)
//
// Cost for one token, 32 columns: 128 bytes read; 8 loads to find the scale and 8 to encode, 16 stores of 4 bytes, some 90 instructions in
// all. Registers: the inverse of the scale, 2 inputs.

import { ACTIVATION_Q16_32 } from "../abi";
import { largestMagnitude32, round8 } from "../lanes";

/** Bytes of one token's columns in a block; those of the whole tile are followed by the scales. */
@inline export const Q16_32_COLUMN_BYTES: usize = 64;
/** Bytes of one token in a block. */
@inline export const Q16_32_TOKEN_BYTES: usize = Q16_32_COLUMN_BYTES + 4;

@unmanaged
export class Q16_32 {
  @inline get kind(): i32 { return ACTIVATION_Q16_32; }
  @inline get blockColumns(): i32 { return 32; }
  @inline get tokenBytes(): usize { return Q16_32_TOKEN_BYTES; }

  /** Token t of a tile of `width` tokens: `columns` f32 at `row`. */
  encode(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
    const step = width << 2;
    let block = tile;
    for (let k = 0; k < columns; k += 32, row += 128, block += width * Q16_32_TOKEN_BYTES) {
      const top = largestMagnitude32(row);
      const inverse = f32x4.splat(top == 0 ? 0 : <f32>32767 / top);
      let to = block + (t << 2);
      for (let from = row; from < row + 128; from += 32, to += 4 * step) {
        const q = round8(v128.load(from), v128.load(from, 16), inverse);
        v128.store32_lane(to, q, 0);
        v128.store32_lane(to + step, q, 1);
        v128.store32_lane(to + 2 * step, q, 2);
        v128.store32_lane(to + 3 * step, q, 3);
      }
      store<f32>(block + width * Q16_32_COLUMN_BYTES + (t << 2), top / <f32>32767);
    }
  }
}
