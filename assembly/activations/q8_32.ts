// Q8_32: 8-bit activations in blocks of 32 columns, with a scale for each token
//
//   x ~ scale * q                          q: -127..127, x / scale rounded to nearest even; scale: the block's largest magnitude / 127
//
// T: tokens in the tile (1 or 4); X: bytes of one q (dot.ts: 1, in simd 2); offsets in bytes
//
//   OFFSET          SIZE     DESCRIPTION
//         0    T * 32 X      8 groups of 4 columns, each:    token 0: q q q q | token 1 | ...
//  T * 32 X       T * 4      sums, negative                  token 0: a b | token 1 | ...      (int16: a of columns 0 and 1 of all
//                                                            groups, b of columns 2 and 3; wide sums: int32, of all columns)
//      + T * 4    T * 4      scale                           token 0 | token 1 | ...           (f32)
//      + T * 8    T * 4      scale * sum of the columns      token 0 | token 1 | ...           (f32), met by a format's minimum
//
// Cost for one token, 32 columns: 128 bytes read; 8 loads to find the scale and 8 to encode; relaxed, some 100 instructions in all,
// 8 stores of 4 bytes, and 3 for the sums and the scales. Registers: the inverse of the scale, the sums, 2 inputs.

import { ACTIVATION_Q8_32 } from "../abi";
import { putGroups, putSums, X_BYTES } from "../dot";
import { largestMagnitude32, round8 } from "../lanes";

/** Bytes of one token's columns in a block; those of the whole tile are followed by the tail: sums, scales, scaled sums. */
@inline export const Q8_32_COLUMN_BYTES: usize = 32 * X_BYTES;
/** Bytes of one token in a tail, and in a block. */
@inline export const Q8_32_TAIL_BYTES: usize = 12;
@inline export const Q8_32_TOKEN_BYTES: usize = Q8_32_COLUMN_BYTES + Q8_32_TAIL_BYTES;
/** Where the tail of a tile of one token has its scale and its scaled sum; and that of four tokens. */
@inline export const Q8_32_SCALE: usize = 4;
@inline export const Q8_32_SCALED_SUM: usize = 8;
@inline export const Q8_32_SCALES: usize = 4 * Q8_32_SCALE;
@inline export const Q8_32_SCALED_SUMS: usize = 4 * Q8_32_SCALED_SUM;

@unmanaged
export class Q8_32 {
  @inline get kind(): i32 { return ACTIVATION_Q8_32; }
  @inline get blockColumns(): i32 { return 32; }
  @inline get tokenBytes(): usize { return Q8_32_TOKEN_BYTES; }

  /** Token t of a tile of `width` tokens: `columns` f32 at `row`. */
  encode(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
    const step = width * 4 * X_BYTES;
    const ones = i16x8.splat(1);
    let block = tile;
    for (let k = 0; k < columns; k += 32, row += 128, block += width * Q8_32_TOKEN_BYTES) {
      const top = largestMagnitude32(row);
      const inverse = f32x4.splat(top == 0 ? 0 : <f32>127 / top);
      let sums = i32x4.splat(0);
      let to = block + t * 4 * X_BYTES;
      for (let from = row; from < row + 128; from += 32, to += 2 * step) {
        const q = round8(v128.load(from), v128.load(from, 16), inverse);
        sums = i32x4.add(sums, i32x4.dot_i16x8_s(q, ones));
        putGroups(to, step, q);
      }
      const a = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 2);
      const b = i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 3);
      const scale = top / <f32>127;
      const tail = block + width * Q8_32_COLUMN_BYTES + (t << 2);
      putSums(tail, a, b);
      store<f32>(tail + width * Q8_32_SCALE, scale);
      store<f32>(tail + width * Q8_32_SCALED_SUM, scale * <f32>(a + b));
    }
  }
}
