// CENTRED_Q8_32: 8-bit activations in blocks of 32 columns, with a scale and a middle for each token
//
//   x ~ scale * q + middle                 q: -127..127, (x - middle) / scale rounded to nearest even
//
// The middle lies halfway between the smallest and the largest x of the block; the scale is half their distance / 127. The error is an
// eighth less than Q8_32's for normally distributed activations, and about half for those behind a GELU.
//
// The layout is Q8_32's (q8_32.ts draws it), with the middle in place of the scaled sum:
//
//   OFFSET          SIZE     DESCRIPTION
//         0    T * 32 X      8 groups of 4 columns
//  T * 32 X       T * 4      sums
//      + T * 4    T * 4      scale                           token 0 | token 1 | ...           (f32)
//      + T * 8    T * 4      middle                          token 0 | token 1 | ...           (f32), met by a format's minimum
//
// It is multiplied as Q8_32 is: the format's minimum is the sum of its weights, so that it meets the middle.
//
// Cost for one token, 32 columns: 128 bytes read, 8 loads for the extremes and 8 to encode; relaxed, some 135 instructions in
// all, with Q8_32's stores. Registers: the inverse of the scale, the middle, the sums, 2 inputs.

import { ACTIVATION_CENTRED_Q8_32 } from "../abi";
import { putGroups, putSums, X_BYTES } from "../dot";
import { round8 } from "../lanes";
import { Q8_32_COLUMN_BYTES, Q8_32_SCALE, Q8_32_SCALED_SUM, Q8_32_SCALED_SUMS, Q8_32_TOKEN_BYTES } from "./q8_32";

/** Where the tail of a tile of one token has its middle; and that of four tokens. */
@inline export const CENTRED_Q8_32_MIDDLE: usize = Q8_32_SCALED_SUM;
@inline export const CENTRED_Q8_32_MIDDLES: usize = Q8_32_SCALED_SUMS;

@unmanaged
export class CentredQ8_32 {
  @inline get kind(): i32 { return ACTIVATION_CENTRED_Q8_32; }
  @inline get blockColumns(): i32 { return 32; }
  @inline get tokenBytes(): usize { return Q8_32_TOKEN_BYTES; }

  /** Token t of a tile of `width` tokens: `columns` f32 at `row`. */
  encode(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
    const step = width * 4 * X_BYTES;
    const ones = i16x8.splat(1);
    let block = tile;
    for (let k = 0; k < columns; k += 32, row += 128, block += width * Q8_32_TOKEN_BYTES) {
      // `pmin` and `pmax`, which pass over NaN, are one instruction each; `min` and `max` are seven. So NaN is looked for separately.
      let least = v128.load(row);
      let most = least;
      let strange = f32x4.ne(least, least);
      for (let from = row + 16; from < row + 128; from += 16) {
        const x = v128.load(from);
        least = f32x4.pmin(least, x);
        most = f32x4.pmax(most, x);
        strange = v128.or(strange, f32x4.ne(x, x));
      }
      least = f32x4.pmin(least, v128.shuffle<i32>(least, least, 2, 3, 0, 1));
      least = f32x4.pmin(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2));
      most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
      most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
      // Halves first: their sum and their difference are finite.
      const low = <f32>0.5 * f32x4.extract_lane(least, 0);
      const high = <f32>0.5 * f32x4.extract_lane(most, 0);
      const middle = v128.any_true(strange) ? f32.NaN : high + low;
      const half = high - low;
      const inverse = f32x4.splat(half == 0 ? 0 : <f32>127 / half);
      const centre = f32x4.splat(middle);
      let sums = i32x4.splat(0);
      let to = block + t * 4 * X_BYTES;
      for (let from = row; from < row + 128; from += 32, to += 2 * step) {
        const q = round8(f32x4.sub(v128.load(from), centre), f32x4.sub(v128.load(from, 16), centre), inverse);
        sums = i32x4.add(sums, i32x4.dot_i16x8_s(q, ones));
        putGroups(to, step, q);
      }
      const a = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 2);
      const b = i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 3);
      const tail = block + width * Q8_32_COLUMN_BYTES + (t << 2);
      putSums(tail, a, b);
      store<f32>(tail + width * Q8_32_SCALE, half / <f32>127);
      store<f32>(tail + width * CENTRED_Q8_32_MIDDLE, middle);
    }
  }
}
