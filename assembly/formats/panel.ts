// The panel: 8 rows of weights by one block of columns, decoded to what the microkernels multiply. It lies in L1, is written once for
// each block of weights and read once for each tile of tokens. It has four layouts, one for each microkernel:
//
//   PanelQ8_32   32 columns, small weights (0..31; vnni: 0..255, dotprod: -128..127) with a scale and an offset for each row
//        0  256  8 groups of 4 columns:  row 0: w0 w1 w2 w3 | row 1 | ... | row 7      (uint8)
//      256   32  scale of each row  (f32)            w = scale * (q - ZERO) + minimum
//      288   32  minimum of each row (f32), written only by formats that have one
//
//   PanelQ8_256  256 columns in sub-blocks of 16 (or 32) with integer scales
//        0 2048  64 groups of 4 columns, as above, 0..63
//     2048  256  scale of each sub-block: row 0: s s | row 1: s s | ... | row 7: s s       (int8; vnni: s, int16)
//     2304  128  minima of pairs of sub-blocks: row 0: m0 m1 | ... | row 7: m0 m1          (uint8)
//     2432   32  d of each row (f32)                 w = d * s * (q - ZERO) - dmin * m
//     2464   32  dmin of each row (f32)
//
//   PanelQ16_32  32 columns of int8 weights with a scale for each row
//        0  256  16 pairs of columns:  row 0: w0 w1 | row 1 | ... | row 7                  (int8)
//      256   32  scale of each row (f32)             w = scale * q
//
//   PanelF32     1 column
//        0   32  row 0 .. row 7 (f32)
//
// Cost: putColumns 4 stores for 16 weights, putPairs 8; putScales 2 shuffles and 2 stores for two sub-blocks of 8 rows, putMinima 1 store;
// putFactors 1 load, 15 instructions, 5 constants and 2 stores.

import { WIDE_SUMS } from "../dot";
import { storeRows, subnormalHalvesToFloats } from "../lanes";

export const PANEL_Q8_32_SCALE: usize = 256;
export const PANEL_Q8_32_MINIMUM: usize = 288;
export const PANEL_Q8_32_BYTES: usize = 320;

export const PANEL_Q8_256_SCALES: usize = 2048;
export const PANEL_Q8_256_MINIMA: usize = 2304;
export const PANEL_Q8_256_D: usize = 2432;
export const PANEL_Q8_256_DMIN: usize = 2464;
export const PANEL_Q8_256_BYTES: usize = 2496;

export const PANEL_Q16_32_SCALE: usize = 256;
export const PANEL_Q16_32_BYTES: usize = 288;

export const PANEL_F32_BYTES: usize = 32;

/** Puts 16 columns of row r, one byte each, into 4 groups of a Q8 panel; `at` = first group + 4 r. */
@inline
export function putColumns(at: usize, columns: v128): void {
  v128.store32_lane(at, columns, 0, 0);
  v128.store32_lane(at, columns, 1, 32);
  v128.store32_lane(at, columns, 2, 64);
  v128.store32_lane(at, columns, 3, 96);
}

/** Puts 16 columns of row r, one int8 each, into 8 pairs of a Q16 panel; `at` = first pair + 2 r. */
@inline
export function putPairs(at: usize, columns: v128): void {
  v128.store16_lane(at, columns, 0, 0);
  v128.store16_lane(at, columns, 1, 16);
  v128.store16_lane(at, columns, 2, 32);
  v128.store16_lane(at, columns, 3, 48);
  v128.store16_lane(at, columns, 4, 64);
  v128.store16_lane(at, columns, 5, 80);
  v128.store16_lane(at, columns, 6, 96);
  v128.store16_lane(at, columns, 7, 112);
}

/**
 * Puts the eight f16 factors at `halves` as f32 to `to`. In files of trained models, many factors of blocks of 256 are subnormal halves
 * (Q6_K gives weights of 0.02 a d of 0.000015), and the multiplication that makes normal floats of subnormal ones takes 5 to 10 ns
 * longer than others. So additions correct the exponents; those of subnormal halves become 2^-14 first, which is then subtracted. A
 * quicker way where none is subnormal costs more, in branches that are guessed wrong.
 *
 *   f16            s eeeeemmmmmmmmmm         moved right by 3, its bits are the upper half of the f32, except the bias of e;
 *   f32   s000eeeeemmmmmmm mmm0000000000000  moved left by 13, they are the lower half
 */
@inline
export function putFactors(to: usize, halves: usize): void {
  if (WIDE) {
    // V8 of Node 26 ends the process where it tries to join the shuffles below (docs/kernels.md, "Wide kernels").
    const low = subnormalHalvesToFloats(v128.load16x4_s(halves));
    storeRows(to, low, subnormalHalvesToFloats(v128.load16x4_s(halves, 8)));
    return;
  }
  const mask = i16x8.splat(<i16>0x8fff);
  const exponent = i16x8.splat(0x0f80);
  const sign = i16x8.splat(<i16>0x8000);
  putFactorsBy(to, halves, mask, exponent, i16x8.splat(0x3880), i16x8.splat(0x3800), sign);
}

// Where the constants of `putKeptFactors` lie in the scratch of a stream, behind what its panel takes.
@inline const FACTOR_CONSTANTS: usize = 4096;

/** Writes what `putKeptFactors` reads, behind the panel of a stream: as literals, its constants would be 15 instructions. */
@inline
export function keepFactorConstants(panel: usize): void {
  v128.store(panel, i16x8.splat(<i16>0x8fff), FACTOR_CONSTANTS);
  v128.store(panel, i16x8.splat(0x0f80), FACTOR_CONSTANTS + 16);
  v128.store(panel, i16x8.splat(0x3880), FACTOR_CONSTANTS + 32);
  v128.store(panel, i16x8.splat(0x3800), FACTOR_CONSTANTS + 48);
  v128.store(panel, i16x8.splat(<i16>0x8000), FACTOR_CONSTANTS + 64);
}

/** `putFactors` to `panel` + `offset`, by the constants that `keepFactorConstants` wrote behind it. */
@inline
export function putKeptFactors(panel: usize, offset: usize, halves: usize): void {
  if (WIDE) {
    putFactors(panel + offset, halves);
    return;
  }
  const mask = v128.load(panel, FACTOR_CONSTANTS);
  const exponent = v128.load(panel, FACTOR_CONSTANTS + 16);
  const least = v128.load(panel, FACTOR_CONSTANTS + 32);
  const bias = v128.load(panel, FACTOR_CONSTANTS + 48);
  putFactorsBy(panel + offset, halves, mask, exponent, least, bias, v128.load(panel, FACTOR_CONSTANTS + 64));
}

@inline
function putFactorsBy(to: usize, halves: usize, mask: v128, exponent: v128, smallest: v128, bias: v128, sign: v128): void {
  const h = v128.load(halves);
  const none = i16x8.splat(0);
  const upper = v128.and(i16x8.shr_s(h, 3), mask);
  const isSubnormal = i16x8.eq(v128.and(upper, exponent), none);
  const least = v128.and(isSubnormal, smallest); // 2^-14
  const high = i16x8.add(upper, i16x8.max_s(least, bias));
  const low = i16x8.shl(h, 13);
  const excess = v128.or(least, v128.and(h, sign));
  const rows0 = v128.shuffle<i16>(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
  const rows1 = v128.shuffle<i16>(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
  const excess0 = v128.shuffle<i16>(none, excess, 0, 8, 1, 9, 2, 10, 3, 11);
  const excess1 = v128.shuffle<i16>(none, excess, 4, 12, 5, 13, 6, 14, 7, 15);
  storeRows(to, f32x4.sub(rows0, excess0), f32x4.sub(rows1, excess1));
}

/** Puts the integer scales of sub-blocks s and s + 1 of all 8 rows (int8) into a Q8_256 panel. */
@inline
export function putScales(panel: usize, s: usize, scales: v128): void {
  const at = panel + (s << 4);
  if (WIDE_SUMS) {
    v128.store(at, i16x8.extend_low_i8x16_s(scales), PANEL_Q8_256_SCALES);
    v128.store(at, i16x8.extend_high_i8x16_s(scales), PANEL_Q8_256_SCALES + 16);
  } else {
    const low = v128.shuffle<i8>(scales, scales, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const high = v128.shuffle<i8>(scales, scales, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
    v128.store(at, low, PANEL_Q8_256_SCALES);
    v128.store(at, high, PANEL_Q8_256_SCALES + 16);
  }
}

/** The scales of rows 0..3 of a sub-block s, as `scaleSums` takes them: once for each lane of sums. `at`: a Q8_256 panel + 16 s. */
@inline
export function lowScales(at: usize): v128 {
  return WIDE_SUMS ? v128.load16x4_s(at, PANEL_Q8_256_SCALES) : v128.load8x8_s(at, PANEL_Q8_256_SCALES);
}

/** The scales of rows 4..7. */
@inline
export function highScales(at: usize): v128 {
  return WIDE_SUMS ? v128.load16x4_s(at, PANEL_Q8_256_SCALES + 8) : v128.load8x8_s(at, PANEL_Q8_256_SCALES + 8);
}

/** Puts the integer minima of sub-blocks s and s + 1 of all 8 rows (uint8, side by side for each row) into a Q8_256 panel. */
@inline
export function putMinima(panel: usize, s: usize, minima: v128): void {
  v128.store(panel + (s << 3), minima, PANEL_Q8_256_MINIMA);
}
