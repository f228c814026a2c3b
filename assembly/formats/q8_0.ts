// Q8_0: 32 weights in 34 bytes (8.5 bits each)
//
//   w = d * q                             q: -127..127
//
//   OFFSET  SIZE  DESCRIPTION
//      0      2   d    f16
//      2     32   q    int8
//
// Packed, 8 rows side by side, 272 bytes. simd and relaxed: pairs of columns, as i32x4.dot_i16x8_s takes them after widening.
//
//      0     16   d of row 0 .. row 7
//     16     16   columns 0, 1:    row 0: w0 w1 | row 1 | ... | row 7
//     32     16   columns 2, 3     ...     256  16  columns 30, 31
//
// vnni and dotprod: groups of 4 columns, in vnni with 128 added, as its dot product takes them.
//
//      0     16   d of row 0 .. row 7
//     16     32   columns 0..3:    row 0: w0 w1 w2 w3 | row 1 | ... | row 7
//     48     32   columns 4..7     ...     240  32  columns 28..31
//
// In vnni and dotprod, activations are centred (activations/centred_q8_32.ts): x = scale * q + middle. The middle meets the sum of a row's
// weights, d * (w0 + ... + w31), which takes the place of the minimum that other formats have.
//
// Cost for 8 rows by 32 columns: 272 bytes read; streaming 32 loads, 32 dots, 32 additions (vnni and dotprod: 24 loads, 32 dots, half
// of them for the sums of the weights). The packed columns are the panel, so decoding is a copy.

import { ACTIVATION_CENTRED_Q8_32, ACTIVATION_Q16_32 } from "../abi";
import { CENTRED_Q8_32_MIDDLE, CENTRED_Q8_32_MIDDLES } from "../activations/centred_q8_32";
import {
  Q8_32_COLUMN_BYTES,
  Q8_32_SCALE,
  Q8_32_SCALES,
  Q8_32_TAIL_BYTES,
  Q8_32_TOKEN_BYTES,
} from "../activations/q8_32";
import { BYTE_ZERO, Columns, dotAdd, startSums, WIDE_SUMS, X_BYTES } from "../dot";
import {
  floatToHalf,
  HALF_BIAS,
  HALF_MASK,
  halfToFloat,
  halvesToFloats,
  halvesToFloatsBy,
  kept,
  madd,
  neverTaken,
  storeRows,
} from "../lanes";
import { PANEL_Q16_32_SCALE, PANEL_Q8_32_MINIMUM, PANEL_Q8_32_SCALE } from "./panel";
import { leaveQ16_32, leaveQ8_32, leaveTokenQ16_32, leaveTokenQ8_32 } from "./sums";
import { Search } from "./search";

// The start of the sum of 32 weights to which BYTE_ZERO was added.
@inline const SUM_OF_ZEROS: i32 = -32 * BYTE_ZERO;
// 4 weights of 0.
@inline const ZEROS: u32 = 0x01010101 * BYTE_ZERO;

@unmanaged
export class Q8_0 {
  @inline get activation(): i32 { return WIDE_SUMS ? ACTIVATION_CENTRED_Q8_32 : ACTIVATION_Q16_32; }
  @inline get blockWeights(): i32 { return 32; }
  @inline get blockBytes(): i32 { return 34; }
  @inline get zero(): i32 { return BYTE_ZERO; }
  @inline get hasMinimum(): bool { return WIDE_SUMS; }
  @inline get streamTokens(): i32 { return 16; }
  /** The largest magnitude that `quantize` takes. */
  @inline get largest(): f32 { return 127 * 65504; }

  /** Moves one block of row r into its group. */
  @inline
  put(group: usize, r: i32, block: usize): void {
    store<u16>(group + (<usize>r << 1), load<u16>(block));
    if (WIDE_SUMS) {
      const at = group + (<usize>r << 2);
      for (let i: usize = 0; i < 8; i++) store<u32>(at + (i << 5), load<u32>(block + (i << 2), 2) ^ ZEROS, 16);
    } else {
      const at = group + (<usize>r << 1);
      for (let i: usize = 0; i < 16; i++) store<u16>(at + (i << 4), load<u16>(block + (i << 1), 2), 16);
    }
  }

  /** The inverse of `put`. */
  @inline
  get(group: usize, r: i32, block: usize): void {
    store<u16>(block, load<u16>(group + (<usize>r << 1)));
    if (WIDE_SUMS) {
      const at = group + (<usize>r << 2);
      for (let i: usize = 0; i < 8; i++) store<u32>(block + (i << 2), load<u32>(at + (i << 5), 16) ^ ZEROS, 2);
    } else {
      const at = group + (<usize>r << 1);
      for (let i: usize = 0; i < 16; i++) store<u16>(block + (i << 1), load<u16>(at + (i << 4), 16), 2);
    }
  }

  /** The scalar meaning: one block to 32 f32. */
  @inline
  dequantize(block: usize, out: usize): void {
    const d = halfToFloat(load<u16>(block));
    for (let i: usize = 0; i < 32; i++) store<f32>(out + (i << 2), <f32>(<i32>load<i8>(block + i, 2)) * d);
  }

  /** Encodes 32 f32 as one block. */
  @inline
  quantize(from: usize, block: usize, scratch: usize): void {
    const search = changetype<Search>(scratch);
    search.begin(from, 32, -127, 127, false);
    search.findScale();
    store<u16>(block, <u16>floatToHalf(search.scale));
    v128.store(block, search.levels16(from), 2);
    v128.store(block, search.levels16(from + 64), 18);
  }

  /** Decodes a group of 8 blocks to a PanelQ8_32 (vnni, dotprod) or PanelQ16_32. */
  @inline
  panel(group: usize, panel: usize): void {
    const scale0 = halvesToFloats(v128.load16x4_s(group));
    const scale1 = halvesToFloats(v128.load16x4_s(group, 8));
    if (WIDE_SUMS) {
      const ones = i8x16.splat(1);
      let sums0 = i32x4.splat(SUM_OF_ZEROS);
      let sums1 = sums0;
      for (let i: usize = 0; i < 256; i += 32) {
        const w0 = v128.load(group + i, 16);
        const w1 = v128.load(group + i, 32);
        sums0 = dotWide(sums0, w0, ones);
        sums1 = dotWide(sums1, w1, ones);
        v128.store(panel + i, w0);
        v128.store(panel + i, w1, 16);
      }
      v128.store(panel, scale0, PANEL_Q8_32_SCALE);
      v128.store(panel, scale1, PANEL_Q8_32_SCALE + 16);
      v128.store(panel, f32x4.mul(scale0, f32x4.convert_i32x4_s(sums0)), PANEL_Q8_32_MINIMUM);
      v128.store(panel, f32x4.mul(scale1, f32x4.convert_i32x4_s(sums1)), PANEL_Q8_32_MINIMUM + 16);
    } else {
      for (let i: usize = 0; i < 256; i += 16) v128.store(panel + i, v128.load(group + i, 16));
      v128.store(panel, scale0, PANEL_Q16_32_SCALE);
      v128.store(panel, scale1, PANEL_Q16_32_SCALE + 16);
    }
  }

  /** One token: y (8 f32) += a group's `blocks` blocks times x (CENTRED_Q8_32 or Q16_32). */
  @inline
  stream(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
    if (WIDE_SUMS) streamWide(group, x, y, blocks, scratch);
    else streamPairs(group, x, y, blocks, scratch);
  }

  /** A tile of four tokens, or the first `two` of one: y (4 times 8 f32) += a group's `blocks` blocks times x (CENTRED_Q8_32 or Q16_32). */
  @inline
  streamTile(group: usize, x: usize, y: usize, blocks: i32, scratch: usize, _: usize, two: bool): void {
    if (WIDE_SUMS) streamTileWide(group, x, y, blocks, scratch, two);
    else streamTilePairs(group, x, y, blocks, scratch, two);
  }
}

function streamPairs(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  let y0 = v128.load(y);
  let y1 = v128.load(y, 16);
  for (; blocks > 0; blocks--, x += 4) {
    const scale0 = halvesToFloatsBy(v128.load16x4_s(group), mask, bias);
    const scale1 = halvesToFloatsBy(v128.load16x4_s(group, 8), mask, bias);
    group += 16;
    let sums0 = i32x4.splat(0);
    let sums1 = sums0;
    for (const stop = group + 256; group < stop; group += 16, x += 4) {
      const pair = v128.load32_splat(x);
      sums0 = i32x4.add(sums0, i32x4.dot_i16x8_s(v128.load8x8_s(group), pair));
      sums1 = i32x4.add(sums1, i32x4.dot_i16x8_s(v128.load8x8_s(group, 8), pair));
    }
    const scaleX = v128.load32_splat(x);
    y0 = leaveQ16_32(y0, sums0, scale0, scaleX);
    y1 = leaveQ16_32(y1, sums1, scale1, scaleX);
  }
  storeRows(y, y0, y1);
}

/** sums + w . x for 4 rows by 4 columns, in the build whose weights need no splitting. */
@inline
function dotWide(sums: v128, w: v128, x: v128): v128 {
  return dotAdd(sums, w, w, x, x);
}

/** y + sums * (scale * scaleX) + weights * scale * middle, for 4 rows. */
@inline
function leaveWide(y: v128, sums: v128, weights: v128, scale: v128, scaleX: v128, middle: v128): v128 {
  return madd(leaveQ8_32(y, sums, sums, scale, scaleX), f32x4.mul(scale, f32x4.convert_i32x4_s(weights)), middle);
}

// Even and odd groups have sums of their own: one chain of additions would wait for itself.
function streamWide(group: usize, x: usize, y: usize, blocks: i32, scratch: usize): void {
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  const ones = kept(scratch, i8x16.splat(1));
  const zeros = kept(scratch, i32x4.splat(SUM_OF_ZEROS));
  const never = neverTaken(scratch);
  let y0 = v128.load(y);
  let y1 = v128.load(y, 16);
  for (; blocks > 0; blocks--, group += 272, x += Q8_32_TOKEN_BYTES) {
    const xLow = changetype<Columns>(x);
    const xHigh = changetype<Columns>(x + 16 * X_BYTES);
    const tail = x + Q8_32_COLUMN_BYTES;
    let sums0 = startSums(v128.load32_splat(tail), BYTE_ZERO);
    let sums1 = sums0;
    let more0 = i32x4.splat(0);
    let more1 = more0;
    let weights0 = zeros;
    let weights1 = zeros;
    let w0: v128;
    let w1: v128;
    do {
      w0 = v128.load(group, 16);
      w1 = v128.load(group, 32);
      sums0 = dotWide(sums0, w0, xLow.even0());
      sums1 = dotWide(sums1, w1, xLow.even0());
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
      w0 = v128.load(group, 48);
      w1 = v128.load(group, 64);
      more0 = dotWide(more0, w0, xLow.even1());
      more1 = dotWide(more1, w1, xLow.even1());
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
      if (never == 1) break;
      w0 = v128.load(group, 80);
      w1 = v128.load(group, 96);
      sums0 = dotWide(sums0, w0, xLow.even2());
      sums1 = dotWide(sums1, w1, xLow.even2());
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
      w0 = v128.load(group, 112);
      w1 = v128.load(group, 128);
      more0 = dotWide(more0, w0, xLow.even3());
      more1 = dotWide(more1, w1, xLow.even3());
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
      if (never == 1) break;
      w0 = v128.load(group, 144);
      w1 = v128.load(group, 160);
      sums0 = dotWide(sums0, w0, xHigh.even0());
      sums1 = dotWide(sums1, w1, xHigh.even0());
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
      w0 = v128.load(group, 176);
      w1 = v128.load(group, 192);
      more0 = dotWide(more0, w0, xHigh.even1());
      more1 = dotWide(more1, w1, xHigh.even1());
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
      if (never == 1) break;
      w0 = v128.load(group, 208);
      w1 = v128.load(group, 224);
      sums0 = dotWide(sums0, w0, xHigh.even2());
      sums1 = dotWide(sums1, w1, xHigh.even2());
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
      w0 = v128.load(group, 240);
      w1 = v128.load(group, 256);
      more0 = dotWide(more0, w0, xHigh.even3());
      more1 = dotWide(more1, w1, xHigh.even3());
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
    } while (false);
    sums0 = i32x4.add(sums0, more0);
    sums1 = i32x4.add(sums1, more1);
    const scaleX = v128.load32_splat(tail, Q8_32_SCALE);
    const middle = v128.load32_splat(tail, CENTRED_Q8_32_MIDDLE);
    y0 = leaveWide(y0, sums0, weights0, halvesToFloatsBy(v128.load16x4_s(group), mask, bias), scaleX, middle);
    y1 = leaveWide(y1, sums1, weights1, halvesToFloatsBy(v128.load16x4_s(group, 8), mask, bias), scaleX, middle);
  }
  storeRows(y, y0, y1);
}

@inline
function streamTilePairs(group: usize, x: usize, y: usize, blocks: i32, scratch: usize, two: bool): void {
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  for (; blocks > 0; blocks--, x += 16) {
    const scale0 = halvesToFloatsBy(v128.load16x4_s(group), mask, bias);
    const scale1 = halvesToFloatsBy(v128.load16x4_s(group, 8), mask, bias);
    group += 16;
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    for (const stop = group + 256; group < stop; group += 16, x += 16) {
      const w0 = v128.load8x8_s(group);
      const w1 = v128.load8x8_s(group, 8);
      let pair = v128.load32_splat(x);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, pair));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, pair));
      pair = v128.load32_splat(x, 4);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, pair));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, pair));
      if (!two) {
        pair = v128.load32_splat(x, 8);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(w0, pair));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(w1, pair));
        pair = v128.load32_splat(x, 12);
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(w0, pair));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(w1, pair));
      }
    }
    leaveTokenQ16_32(y, a0, a1, scale0, scale1, v128.load32_splat(x));
    leaveTokenQ16_32(y + 32, b0, b1, scale0, scale1, v128.load32_splat(x, 4));
    if (!two) {
      leaveTokenQ16_32(y + 64, c0, c1, scale0, scale1, v128.load32_splat(x, 8));
      leaveTokenQ16_32(y + 96, d0, d1, scale0, scale1, v128.load32_splat(x, 12));
    }
  }
}

/** Adds one block to the 8 results of one token at y; `sum0`, `sum1`: scale times the sum of the weights of rows 0..3, 4..7. */
@inline
function leaveTokenWide(
  y: usize,
  sums0: v128,
  sums1: v128,
  scale0: v128,
  scale1: v128,
  sum0: v128,
  sum1: v128,
  scaleX: v128,
  middle: v128,
): void {
  const y0 = madd(leaveQ8_32(v128.load(y), sums0, sums0, scale0, scaleX), sum0, middle);
  const y1 = madd(leaveQ8_32(v128.load(y, 16), sums1, sums1, scale1, scaleX), sum1, middle);
  storeRows(y, y0, y1);
}

@inline
function streamTileWide(group: usize, x: usize, y: usize, blocks: i32, scratch: usize, two: bool): void {
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  const ones = kept(scratch, i8x16.splat(1));
  const zeros = kept(scratch, i32x4.splat(SUM_OF_ZEROS));
  for (; blocks > 0; blocks--) {
    const tail = x + 4 * Q8_32_COLUMN_BYTES;
    let a0 = startSums(v128.load32_splat(tail), BYTE_ZERO);
    let b0 = startSums(v128.load32_splat(tail, 4), BYTE_ZERO);
    let c0 = startSums(v128.load32_splat(tail, 8), BYTE_ZERO);
    let d0 = startSums(v128.load32_splat(tail, 12), BYTE_ZERO);
    let a1 = a0;
    let b1 = b0;
    let c1 = c0;
    let d1 = d0;
    let weights0 = zeros;
    let weights1 = zeros;
    const scale0 = halvesToFloatsBy(v128.load16x4_s(group), mask, bias);
    const scale1 = halvesToFloatsBy(v128.load16x4_s(group, 8), mask, bias);
    group += 16;
    for (const stop = group + 256; group < stop; group += 32, x += 16 * X_BYTES) {
      const w0 = v128.load(group);
      const w1 = v128.load(group, 16);
      weights0 = dotWide(weights0, w0, ones);
      weights1 = dotWide(weights1, w1, ones);
      let columns = changetype<Columns>(x).even0();
      a0 = dotWide(a0, w0, columns);
      a1 = dotWide(a1, w1, columns);
      columns = changetype<Columns>(x).even1();
      b0 = dotWide(b0, w0, columns);
      b1 = dotWide(b1, w1, columns);
      if (!two) {
        columns = changetype<Columns>(x).even2();
        c0 = dotWide(c0, w0, columns);
        c1 = dotWide(c1, w1, columns);
        columns = changetype<Columns>(x).even3();
        d0 = dotWide(d0, w0, columns);
        d1 = dotWide(d1, w1, columns);
      }
    }
    const sum0 = f32x4.mul(scale0, f32x4.convert_i32x4_s(weights0));
    const sum1 = f32x4.mul(scale1, f32x4.convert_i32x4_s(weights1));
    leaveTokenWide(y, a0, a1, scale0, scale1, sum0, sum1, v128.load32_splat(tail, Q8_32_SCALES), v128.load32_splat(tail, CENTRED_Q8_32_MIDDLES));
    leaveTokenWide(y + 32, b0, b1, scale0, scale1, sum0, sum1, v128.load32_splat(tail, Q8_32_SCALES + 4), v128.load32_splat(tail, CENTRED_Q8_32_MIDDLES + 4));
    if (!two) {
      leaveTokenWide(y + 64, c0, c1, scale0, scale1, sum0, sum1, v128.load32_splat(tail, Q8_32_SCALES + 8), v128.load32_splat(tail, CENTRED_Q8_32_MIDDLES + 8));
      leaveTokenWide(y + 96, d0, d1, scale0, scale1, sum0, sum1, v128.load32_splat(tail, Q8_32_SCALES + 12), v128.load32_splat(tail, CENTRED_Q8_32_MIDDLES + 12));
    }
    x = tail + 4 * Q8_32_TAIL_BYTES;
  }
}
