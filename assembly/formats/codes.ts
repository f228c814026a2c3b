// The codebook of IQ4_NL and IQ4_XS: packing, decoding and streaming 32 columns of nibbles that are indices into it. Its
// entries need 8 bits:
//
//   vnni, dotprod   the dot product takes them, in vnni with 128 added: 4 words of nibbles, as Q4_0 has them, and the loops of nibbles.ts
//   simd, relaxed   i32x4.dot_i16x8_s takes them after widening, with 16-bit activations: 8 pair words, 16 bytes each,
//                   bytes 2 i, 2 i + 1 of row 0 | row 1 | ... | row 7
//
// Cost for 8 rows by 32 columns: 128 bytes read; simd and relaxed: 8 loads of weights, 16 of activations, 16 ands, 8 shifts, 16 swizzles,
// 32 widenings, 32 dots, 32 additions; vnni, dotprod: as MXFP4.

import { BYTE_ZERO, WIDE_SUMS } from "../dot";
import { HALF_BIAS, HALF_MASK, kept, lookUp, storeRows } from "../lanes";
import { getWords, panelNibbles, putWords, streamNibbles } from "./nibbles";
import { PANEL_Q16_32_SCALE } from "./panel";
import { leaveQ16_32 } from "./sums";

/** Bytes of the words of 8 rows by 32 columns. */
export const CODE_WORDS_BYTES: usize = 128;

/** The codebook, as the build's dot product takes it. */
@inline
export function codebook(): v128 {
  const codes = i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  return BYTE_ZERO == 0 ? codes : v128.xor(codes, i8x16.splat(<i8>BYTE_ZERO));
}

/** 32 weights, d times the code of 16 bytes of nibbles, as f32. */
@inline
export function dequantizeCodes(nibbles: usize, d: f32, out: usize): void {
  for (let i: usize = 0; i < 16; i++) {
    const q: i32 = load<u8>(nibbles + i);
    store<f32>(out + (i << 2), d * <f32>(codeAt(q & 15) - BYTE_ZERO));
    store<f32>(out + (i << 2), d * <f32>(codeAt(q >> 4) - BYTE_ZERO), 64);
  }
}

@inline
function codeAt(index: i32): i32 {
  const code = lookUp(codebook(), i8x16.splat(<i8>index));
  return BYTE_ZERO == 0 ? i8x16.extract_lane_s(code, 0) : i8x16.extract_lane_u(code, 0);
}

/** Moves 16 bytes of nibbles of row r to its words. */
@inline
export function putCodes(words: usize, r: i32, nibbles: usize): void {
  if (WIDE_SUMS) {
    putWords(words, r, nibbles);
  } else {
    const at = words + (<usize>r << 1);
    for (let i: usize = 0; i < 8; i++) store<u16>(at + (i << 4), load<u16>(nibbles + (i << 1)));
  }
}

/** The inverse of `putCodes`. */
@inline
export function getCodes(words: usize, r: i32, nibbles: usize): void {
  if (WIDE_SUMS) {
    getWords(words, r, nibbles);
  } else {
    const at = words + (<usize>r << 1);
    for (let i: usize = 0; i < 8; i++) store<u16>(nibbles + (i << 1), load<u16>(at + (i << 4)));
  }
}

/** Decodes 8 rows by 32 columns to a PanelQ8_32 (vnni, dotprod) or PanelQ16_32; words: `wordsAt` bytes after `group`, scales: at `at`. */
@inline
export function panelCodes<F>(group: usize, at: usize, panel: usize): void {
  if (WIDE_SUMS) {
    panelNibbles<F>(group, at, panel);
  } else {
    const words = group + changetype<F>(0).wordsAt;
    const nibble = kept(panel, i8x16.splat(15));
    const codes = kept(panel, codebook());
    for (let i: usize = 0; i < 128; i += 16) {
      const q = v128.load(words + i);
      v128.store(panel + i, lookUp(codes, v128.and(q, nibble)));
      v128.store(panel + i, lookUp(codes, v128.and(i16x8.shr_u(q, 4), nibble)), 128);
    }
    const mask = i32x4.splat(HALF_MASK);
    const bias = f32x4.splat(HALF_BIAS);
    v128.store(panel, changetype<F>(0).scales(at, 0, mask, bias), PANEL_Q16_32_SCALE);
    v128.store(panel, changetype<F>(0).scales(at, 1, mask, bias), PANEL_Q16_32_SCALE + 16);
  }
}

/** One token: see `streamNibbles`; x is Q8_32 (vnni, dotprod) or Q16_32. */
@inline
export function streamCodes<F>(
  group: usize,
  bytes: usize,
  at: usize,
  step: usize,
  x: usize,
  y: usize,
  blocks: i32,
  scratch: usize,
): void {
  if (WIDE_SUMS) streamNibbles<F>(group, bytes, at, step, x, y, blocks, scratch);
  else streamPairs<F>(group, bytes, at, step, x, y, blocks, scratch);
}

@inline
function streamPairs<F>(
  group: usize,
  bytes: usize,
  at: usize,
  step: usize,
  x: usize,
  y: usize,
  blocks: i32,
  scratch: usize,
): void {
  const nibble = kept(scratch, i8x16.splat(15));
  const codes = kept(scratch, codebook());
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  let y0 = v128.load(y);
  let y1 = v128.load(y, 16);
  for (; blocks > 0; blocks--, group += bytes, at += step, x += 36) {
    let sums0 = i32x4.splat(0);
    let sums1 = sums0;
    const words = group + changetype<F>(0).wordsAt;
    for (let q = words, stop = words + 128; q < stop; q += 16, x += 4) {
      const indices = v128.load(q);
      let code = lookUp(codes, v128.and(indices, nibble));
      let pair = v128.load32_splat(x);
      sums0 = i32x4.add(sums0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(code), pair));
      sums1 = i32x4.add(sums1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(code), pair));
      code = lookUp(codes, v128.and(i16x8.shr_u(indices, 4), nibble));
      pair = v128.load32_splat(x, 32);
      sums0 = i32x4.add(sums0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(code), pair));
      sums1 = i32x4.add(sums1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(code), pair));
    }
    const scaleX = v128.load32_splat(x, 32);
    y0 = leaveQ16_32(y0, sums0, changetype<F>(0).scales(at, 0, mask, bias), scaleX);
    y1 = leaveQ16_32(y1, sums1, changetype<F>(0).scales(at, 1, mask, bias), scaleX);
  }
  storeRows(y, y0, y1);
}
