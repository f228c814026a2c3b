// Activations, encoded once for all matmuls that read them. A tile holds 4 tokens side by side (or 1, where a step has only one
// row left), because a microkernel multiplies each weight that it loads by all tokens of the tile.
//
// Notation: T tokens in the tile; X bytes of one activation (1 in the relaxed build, 2 in simd, see dot.ts); t: token.
//
//   Q8_32    for every 32 columns:
//        8 groups of 4 columns: token 0: x x x x | token 1 | ...              8 * T * 4 X
//        sums of the columns 0, 1 and 2, 3 of all groups, int16 each: token 0: a b | token 1 | ...       T * 4
//        (in the vnni build of all columns, int32)
//        scale of each token (f32)                                                                       T * 4
//        scale * (a + b) of each token (f32)                                                             T * 4
//
//   CENTRED_Q8_32   as Q8_32, but that in place of the last f32 stands
//        middle of each token (f32)                                                                      T * 4
//
//   Q8_256   for every 256 columns:
//        64 groups of 4 columns                                                                       64 * T * 4 X
//        16 sub-blocks of 16: sums of columns 0, 1 and 2, 3 of the groups, int16 each: token 0: a b | ...  16 * T * 4
//        (in the vnni build of all columns, int32)
//        8 pairs of sub-blocks of 16: the two sums, int16 each: token 0: s0 s1 | token 1 | ...              8 * T * 4
//        4 pairs of sub-blocks of 32: the two sums                                                          4 * T * 4
//        scale of each token (f32)                                                                          T * 4
//
//   Q16_32   for every 32 columns:
//        16 pairs of columns, int16 each: token 0: x x | token 1 | ...                                 16 * T * 4
//        scale of each token (f32)                                                                          T * 4
//
//   F32      for every column: token 0 | token 1 | ...                                                       T * 4
//
// An 8-bit activation is x / scale rounded to nearest even, scale = the largest magnitude of the block / 127; a 16-bit one has 32767.
// A centred one is (x - middle) / scale, where middle lies halfway between the smallest and the largest of the block, and scale is half
// their distance / 127: the error is an eighth less for normally distributed activations, and about half for those behind a GELU.
// The encoding of a token does not depend on the tile it lies in.
//
// Cost for 32 columns of one token: 128 bytes read, some 60 instructions.

import {
  ACTIVATION_CENTRED_Q8_32,
  ACTIVATION_F32,
  ACTIVATION_Q16_32,
  ACTIVATION_Q8_256,
  ACTIVATION_Q8_32,
  TILE_TOKENS,
} from "../abi";
import { putSums, X_BYTES } from "../dot";
import { doubledLargest32, largestMagnitude32, magnitudeOf, round8 } from "../lanes";

@inline export const Q8_32_TOKEN_BYTES: usize = 32 * X_BYTES + 12;
@inline export const Q8_256_TOKEN_BYTES: usize = 256 * X_BYTES + 116;
@inline export const Q16_32_TOKEN_BYTES: usize = 68;

/** Bytes of one token's activations: a tile of T tokens takes T times as many. */
export function activationBytes(kind: i32, columns: i32): usize {
  if (kind == ACTIVATION_Q8_32 || kind == ACTIVATION_CENTRED_Q8_32) return (<usize>columns >> 5) * Q8_32_TOKEN_BYTES;
  if (kind == ACTIVATION_Q8_256) return (<usize>columns >> 8) * Q8_256_TOKEN_BYTES;
  if (kind == ACTIVATION_Q16_32) return (<usize>columns >> 5) * Q16_32_TOKEN_BYTES;
  return <usize>columns << 2;
}

/**
 * Encodes one tile: `tokens` (1 to 4) rows of `columns` f32 at `source`, `stride` bytes apart. One token makes a tile of one; 2 and 3
 * make a tile of 4 whose other tokens are zero.
 */
export function encodeActivations(
  kind: i32,
  source: usize,
  stride: usize,
  tokens: i32,
  columns: i32,
  destination: usize,
): void {
  const width: usize = tokens == 1 ? 1 : TILE_TOKENS;
  if (tokens > 1 && tokens < TILE_TOKENS) memory.fill(destination, 0, activationBytes(kind, columns) * TILE_TOKENS);
  for (let t: usize = 0; t < <usize>tokens; t++) {
    const row = source + t * stride;
    if (kind == ACTIVATION_Q8_32) encodeQ8_32(row, columns, destination, t, width);
    else if (kind == ACTIVATION_CENTRED_Q8_32) encodeCentredQ8_32(row, columns, destination, t, width);
    else if (kind == ACTIVATION_Q8_256) encodeQ8_256(row, columns, destination, t, width);
    else if (kind == ACTIVATION_Q16_32) encodeQ16_32(row, columns, destination, t, width);
    else if (kind == ACTIVATION_F32) interleave(row, columns, destination, t, width);
  }
}

/** Puts two groups of 4 columns at `to` and `to + step`. */
@inline
function putGroups(to: usize, step: usize, columns: v128): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const bytes = i8x16.narrow_i16x8_s(columns, columns);
    v128.store32_lane(to, bytes, 0);
    v128.store32_lane(to + step, bytes, 1);
  } else {
    const parted = v128.shuffle<i16>(columns, columns, 0, 2, 1, 3, 4, 6, 5, 7);
    v128.store64_lane(to, parted, 0);
    v128.store64_lane(to + step, parted, 1);
  }
}

function encodeQ8_32(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
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
    const tail = block + width * 32 * X_BYTES + (t << 2);
    putSums(tail, a, b);
    store<f32>(tail + (width << 2), scale);
    store<f32>(tail + (width << 3), scale * <f32>(a + b));
  }
}

function encodeCentredQ8_32(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
  const step = width * 4 * X_BYTES;
  const ones = i16x8.splat(1);
  let block = tile;
  for (let k = 0; k < columns; k += 32, row += 128, block += width * Q8_32_TOKEN_BYTES) {
    // Of WebAssembly's minima and maxima those that pass over NaN are one instruction, the others seven: NaN is looked for beside them.
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
    const tail = block + width * 32 * X_BYTES + (t << 2);
    putSums(tail, a, b);
    store<f32>(tail + (width << 2), half / <f32>127);
    store<f32>(tail + (width << 3), middle);
  }
}

function encodeQ8_256(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
  const step = width * 4 * X_BYTES;
  const ones = i16x8.splat(1);
  let block = tile;
  for (let k = 0; k < columns; k += 256, block += width * Q8_256_TOKEN_BYTES) {
    let most = i32x4.splat(0);
    for (let i: usize = 0; i < 1024; i += 128) most = i32x4.max_u(most, doubledLargest32(row + i));
    const top = magnitudeOf(most);
    const inverse = f32x4.splat(top == 0 ? 0 : <f32>127 / top);
    let to = block + t * 4 * X_BYTES;
    let pairSums = block + width * 256 * X_BYTES + (t << 2);
    let sums16 = pairSums + (width << 6);
    let sums32 = sums16 + (width << 5);
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
    store<f32>(block + width * (256 * X_BYTES + 112) + (t << 2), top / <f32>127);
  }
}

function encodeQ16_32(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
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
    store<f32>(block + (width << 6) + (t << 2), top / <f32>32767);
  }
}

function interleave(row: usize, columns: i32, tile: usize, t: usize, width: usize): void {
  if (width == 1) {
    memory.copy(tile, row, <usize>columns << 2);
    return;
  }
  let to = tile + (t << 2);
  for (let k = 0; k < columns; k++, row += 4, to += 16) store<f32>(to, load<f32>(row));
}
