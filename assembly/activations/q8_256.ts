// Q8_256: 8-bit activations in blocks of 256 columns, with a scale for each token and the sums of its sub-blocks
//
//   x ~ scale * q                          q: -127..127, x / scale rounded to nearest even; scale: the block's largest magnitude / 127
//
// T: tokens in the tile (1 or 4); X: bytes of one q (dot.ts: 1, in simd 2); offsets in bytes, those after the columns from there
//
//   OFFSET          SIZE     DESCRIPTION
//         0   T * 256 X      64 groups of 4 columns, each:             token 0: q q q q | token 1 | ...
//  T * 256 X     T * 64      sums of 16 sub-blocks of 16 columns, negative: token 0: a b | token 1 | ...
//                                        (int16: a of columns 0 and 1 of the groups, b of columns 2 and 3; wide sums: int32, of all)
//      + T * 64  T * 32      sums of 8 pairs of sub-blocks of 16:      token 0: s0 s1 | token 1 | ...    (int16)
//      + T * 96  T * 16      sums of 4 pairs of sub-blocks of 32:      token 0: s0 s1 | token 1 | ...    (int16)
//      + T * 112  T * 4      scale                                     token 0 | token 1 | ...           (f32)
//
// The pairs are as the minima of a PanelQ8_256: one i32x4.dot_i16x8_s multiplies two sub-blocks of 4 rows.
//
// Cost for one token, 256 columns: 1024 bytes read; 64 loads to find the scale and 64 to encode; relaxed, some 900 instructions in all,
// 64 stores of 4 bytes, and 41 for the sums and the scale. Registers: the inverse of the scale, 2 results, 4 inputs.

import { ACTIVATION_Q8_256 } from "../abi";
import { putGroups, putSums, X_BYTES } from "../dot";
import { doubledLargest32, magnitudeOf, round8 } from "../lanes";

/** Bytes of one token's columns in a block; those of the whole tile are followed by the tail: sums and scales. */
@inline export const Q8_256_COLUMN_BYTES: usize = 256 * X_BYTES;
/** Where the tail of a tile of one token has the sums for minima of 16 columns, those of 32, and the scale; of four: 4 times that. */
@inline export const Q8_256_SUMS_16: usize = 64;
@inline export const Q8_256_SUMS_32: usize = 96;
@inline export const Q8_256_SCALE: usize = 112;
/** Bytes of one token in a tail, and in a block. */
@inline export const Q8_256_TAIL_BYTES: usize = 116;
@inline export const Q8_256_TOKEN_BYTES: usize = Q8_256_COLUMN_BYTES + Q8_256_TAIL_BYTES;

@unmanaged
export class Q8_256 {
  @inline get kind(): i32 { return ACTIVATION_Q8_256; }
  @inline get blockColumns(): i32 { return 256; }
  @inline get tokenBytes(): usize { return Q8_256_TOKEN_BYTES; }

  /** Token t of a tile of `width` tokens: `columns` f32 at `row`. */
  encode(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
    const step = width * 4 * X_BYTES;
    const ones = i16x8.splat(1);
    let block = tile;
    for (let k = 0; k < columns; k += 256, block += width * Q8_256_TOKEN_BYTES) {
      let most = i32x4.splat(0);
      for (let i: usize = 0; i < 1024; i += 128) most = i32x4.max_u(most, doubledLargest32(row + i));
      const top = magnitudeOf(most);
      const inverse = f32x4.splat(top == 0 ? 0 : <f32>127 / top);
      let to = block + t * 4 * X_BYTES;
      let pairSums = block + width * Q8_256_COLUMN_BYTES + (t << 2);
      let sums16 = pairSums + width * Q8_256_SUMS_16;
      let sums32 = sums16 + width * (Q8_256_SUMS_32 - Q8_256_SUMS_16);
      for (let pair = 0; pair < 4; pair++) {
        let s32: i32 = 0;
        for (let half = 0; half < 2; half++) {
          let s16: i32 = 0;
          for (let part = 0; part < 2; part++, row += 64, to += 4 * step, pairSums += width << 2) {
            const q = round8(v128.load(row), v128.load(row, 16), inverse);
            const p = round8(v128.load(row, 32), v128.load(row, 48), inverse);
            putGroups(to, step, q);
            putGroups(to + 2 * step, step, p);
            const sums = i32x4.add(i32x4.dot_i16x8_s(q, ones), i32x4.dot_i16x8_s(p, ones));
            const a = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 2);
            const b = i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 3);
            putSums(pairSums, a, b);
            store<i16>(sums16 + (<usize>part << 1), <i16>(a + b));
            s16 += a + b;
          }
          sums16 += width << 2;
          store<i16>(sums32 + (<usize>half << 1), <i16>s16);
          s32 += s16;
        }
        sums32 += width << 2;
      }
      store<f32>(block + width * (Q8_256_COLUMN_BYTES + Q8_256_SCALE) + (t << 2), top / <f32>127);
    }
  }
}
