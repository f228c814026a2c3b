// A page of the KV cache: how it holds k and v of 64 positions, and how they are stored and decoded.
//
// A page holds, for one layer and KV head (D: headDim):
//
//   F32, F16   k, transposed: (D, 64)     so that 4 scores are one multiply-add without a horizontal sum
//              v: (64, D)
//   Q8_0       k: (D, 64) int8, then scales (D / 32, 64) f32
//              v: (64, D) int8, then scales (64, D / 32) f32
//
// Cost: storing a position writes each number once; decoding f16 takes 5 instructions for 4 elements, int8 5, with 5 vectors in
// registers.
// Plain version: test/kernels/attention-twin.ts.

import { KV_F16, KV_F32, PAGE } from "../abi";
import { CONSTANT_BYTES, floatsToHalves, halvesToFloatsBy, largestMagnitude32, round8, storeRows } from "../lanes";

/** 64 f32. */
@inline export const PAGE_BYTES_F32: usize = PAGE * 4;

/** Bytes of k (or of v) of one page, one layer and one KV head. */
export function kvTileBytes(kind: i32, headDim: i32): usize {
  if (kind == KV_F32) return <usize>(headDim * PAGE) << 2;
  if (kind == KV_F16) return <usize>(headDim * PAGE) << 1;
  return <usize>(headDim * PAGE + (headDim / 32) * PAGE * 4);
}

/** Writes k and v of one position (both (headDim) f32) into slot `slot` of their page. */
export function storeKv(kind: i32, k: usize, v: usize, headDim: i32, kTile: usize, vTile: usize, slot: i32): void {
  const dims = <usize>headDim;
  const at = <usize>slot;
  if (kind == KV_F32) {
    for (let d: usize = 0; d < dims; d++) store<f32>(kTile + ((d * PAGE + at) << 2), load<f32>(k + (d << 2)));
    memory.copy(vTile + ((at * dims) << 2), v, dims << 2);
  } else if (kind == KV_F16) {
    for (let d: usize = 0; d < dims; d += 4) {
      const h = floatsToHalves(v128.load(k + (d << 2)));
      const to = kTile + ((d * PAGE + at) << 1);
      v128.store16_lane(to, h, 0, 0);
      v128.store16_lane(to, h, 2, PAGE * 2);
      v128.store16_lane(to, h, 4, PAGE * 4);
      v128.store16_lane(to, h, 6, PAGE * 6);
      const g = floatsToHalves(v128.load(v + (d << 2)));
      v128.store64_lane(vTile + ((at * dims + d) << 1), v128.shuffle<i16>(g, g, 0, 2, 4, 6, 0, 2, 4, 6), 0);
    }
  } else {
    storeQ8_0(k, dims, kTile + at, true, kTile + dims * PAGE + (at << 2), PAGE << 2);
    storeQ8_0(v, dims, vTile + at * dims, false, vTile + dims * PAGE + ((at * (dims >> 5)) << 2), 4);
  }
}

/** Quantises `dims` f32 in blocks of 32, to int8 side by side or (`down`) a row of the page apart; scales lie `scaleStep` bytes apart. */
@inline
function storeQ8_0(from: usize, dims: usize, to: usize, down: bool, scales: usize, scaleStep: usize): void {
  for (let block: usize = 0; block < dims; block += 32, scales += scaleStep) {
    const top = largestMagnitude32(from);
    const inverse = f32x4.splat(top == 0 ? 0 : <f32>127 / top);
    store<f32>(scales, top / <f32>127);
    for (const stop = from + 128; from < stop; from += 32) {
      const words = round8(v128.load(from), v128.load(from, 16), inverse);
      const q = i8x16.narrow_i16x8_s(words, words);
      if (down) {
        v128.store8_lane(to, q, 0);
        v128.store8_lane(to, q, 1, PAGE);
        v128.store8_lane(to, q, 2, PAGE * 2);
        v128.store8_lane(to, q, 3, PAGE * 3);
        v128.store8_lane(to, q, 4, PAGE * 4);
        v128.store8_lane(to, q, 5, PAGE * 5);
        v128.store8_lane(to, q, 6, PAGE * 6);
        v128.store8_lane(to, q, 7, PAGE * 7);
        to += PAGE * 8;
      } else {
        v128.store64_lane(to, q, 0);
        to += 8;
      }
    }
  }
}

/** Decodes `count` f16 (a multiple of 4) to f32. `constants`: HALF_MASK and HALF_BIAS, each in `CONSTANT_BYTES`. */
function decodeHalves(from: usize, to: usize, count: usize, constants: usize): void {
  const mask = v128.load(constants);
  const bias = v128.load(constants + CONSTANT_BYTES);
  const mask1 = WIDE ? v128.load(constants, 16) : mask;
  const bias1 = WIDE ? v128.load(constants + CONSTANT_BYTES, 16) : bias;
  const stop = to + (count << 2);
  for (; to + 32 <= stop; to += 32, from += 16) {
    const a = halvesToFloatsBy(v128.load16x4_s(from), mask, bias);
    const b = halvesToFloatsBy(v128.load16x4_s(from, 8), mask1, bias1);
    storeRows(to, a, b);
  }
  if (to < stop) v128.store(to, halvesToFloatsBy(v128.load16x4_s(from), mask, bias));
}

/** Sixteen int8 to f32 at `to`, times those at `scales`, or, `same`, all times the one there. */
@inline
function decodeBytes(from: usize, scales: usize, same: bool, to: usize): void {
  const bytes = v128.load(from);
  const low = i16x8.extend_low_i8x16_s(bytes);
  const high = i16x8.extend_high_i8x16_s(bytes);
  const a = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low));
  const b = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low));
  const c = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high));
  const d = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high));
  const scale = v128.load32_splat(scales);
  storeRows(to, f32x4.mul(a, same ? scale : v128.load(scales)), f32x4.mul(b, same ? scale : v128.load(scales, 16)));
  storeRows(to + 32, f32x4.mul(c, same ? scale : v128.load(scales, 32)), f32x4.mul(d, same ? scale : v128.load(scales, 48)));
}

/**
 * k of the first `count` positions of a page (a multiple of 8) as (headDim, 64) f32. Of the rest of each row, anything may lie there. Returns
 * where it lies: at `to`, or, if there is nothing to be decoded, in the page. `constants`: as in `decodeHalves`.
 */
export function decodeK(kind: i32, tile: usize, headDim: usize, count: usize, constants: usize, to: usize): usize {
  if (kind == KV_F32) return tile;
  let at = to;
  if (kind == KV_F16) {
    if (count == PAGE) {
      decodeHalves(tile, to, headDim * PAGE, constants);
      return to;
    }
    for (let d: usize = 0; d < headDim; d++, tile += PAGE << 1, at += PAGE_BYTES_F32) decodeHalves(tile, at, count, constants);
    return to;
  }
  const scales = tile + headDim * PAGE;
  for (let d: usize = 0; d < headDim; d++, tile += PAGE, at += PAGE_BYTES_F32) {
    const scale = scales + (d >> 5) * PAGE_BYTES_F32;
    for (let p: usize = 0; p < count; p += 16) decodeBytes(tile + p, scale + (p << 2), false, at + (p << 2));
  }
  return to;
}

/** v of the first `count` positions of a page as (count, headDim) f32. Returns where it lies, as `decodeK` does. */
export function decodeV(kind: i32, tile: usize, headDim: usize, count: usize, constants: usize, to: usize): usize {
  if (kind == KV_F32) return tile;
  if (kind == KV_F16) {
    decodeHalves(tile, to, headDim * count, constants);
    return to;
  }
  let at = to;
  let scales = tile + headDim * PAGE;
  for (const stop = tile + headDim * count; tile < stop; tile += 32, scales += 4, at += 128) {
    decodeBytes(tile, scales, true, at);
    decodeBytes(tile + 16, scales, true, at + 64);
  }
  return to;
}
