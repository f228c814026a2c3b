// The fast decode of formats with 32 columns, 16 bytes of nibbles and a scale to a block: Q4_1, Q5_0, Q5_1, MXFP4, and in the vnni and
// dotprod builds IQ4_NL and IQ4_XS. They differ in how nibbles become weights; the loops are the same. Packed, a block of 8 rows contains
//
//   words   128 bytes   4 words of nibbles, as Q4_0 has them:  bytes 0..3:  row 0 | row 1 | ... | row 7,  bytes 4..7: ...
//   plane    32 bytes   one more bit for each weight, where the format has it: see `plane`
//
// What the format's class has in addition to what the table says:
//
//   wordsAt, planeAt        where they lie in the packed block (planeAt 0: no plane)
//   constant                a v128 that decoding keeps in a register
//   first, second           4 columns of 4 rows of word j: of the low nibbles (columns 4 j ..), of the high ones (columns 16 + 4 j ..)
//   scales, minima          of rows 0..3 (half 0) or 4..7 (half 1), f32
//
// Cost: the pages of the formats count it. Registers of the stream: 2 results, 2 sums, 5 constants, 2 planes where the format has them.

import { Q8_32_COLUMN_BYTES, Q8_32_SCALE, Q8_32_SCALED_SUM, Q8_32_TOKEN_BYTES } from "../activations/q8_32";
import { Columns, dotAdd, evenWeights, oddWeights, startSums, X_BYTES } from "../dot";
import { HALF_BIAS, HALF_MASK, halvesToFloatsBy, kept, madd, neverTaken, storeRows } from "../lanes";
import { PANEL_Q8_32_MINIMUM, PANEL_Q8_32_SCALE } from "./panel";
import { leaveQ8_32 } from "./sums";

/**
 * Moves bit i of `bits`, which belongs to weight i, to bit i / 4 of byte i % 4, so that the bits of 4 neighbouring columns lie in 4
 * neighbouring bytes. A row's plane is these 4 bytes.
 */
@inline
export function plane(bits: u32): u32 {
  return gather(bits) | (gather(bits >> 1) << 8) | (gather(bits >> 2) << 16) | (gather(bits >> 3) << 24);
}

/** The inverse of `plane`. */
@inline
export function bitsOf(plane: u32): u32 {
  return (
    spread(plane & 0xff) |
    (spread((plane >> 8) & 0xff) << 1) |
    (spread((plane >> 16) & 0xff) << 2) |
    (spread(plane >> 24) << 3)
  );
}

/** Bits 0, 4, 8 .. 28 to bits 0 .. 7. */
@inline
function gather(bits: u32): u32 {
  bits &= 0x11111111;
  bits = (bits | (bits >> 3)) & 0x03030303;
  bits = (bits | (bits >> 6)) & 0x000f000f;
  return (bits | (bits >> 12)) & 0xff;
}

/** The inverse of `gather`. */
@inline
function spread(bits: u32): u32 {
  bits = (bits | (bits << 12)) & 0x000f000f;
  bits = (bits | (bits << 6)) & 0x03030303;
  return (bits | (bits << 3)) & 0x11111111;
}

/** Moves 16 bytes of nibbles of row r to its words. */
@inline
export function putWords(words: usize, r: i32, nibbles: usize): void {
  const at = words + (<usize>r << 2);
  store<u32>(at, load<u32>(nibbles));
  store<u32>(at, load<u32>(nibbles, 4), 32);
  store<u32>(at, load<u32>(nibbles, 8), 64);
  store<u32>(at, load<u32>(nibbles, 12), 96);
}

/** The inverse of `putWords`. */
@inline
export function getWords(words: usize, r: i32, nibbles: usize): void {
  const at = words + (<usize>r << 2);
  store<u32>(nibbles, load<u32>(at));
  store<u32>(nibbles, load<u32>(at, 32), 4);
  store<u32>(nibbles, load<u32>(at, 64), 8);
  store<u32>(nibbles, load<u32>(at, 96), 12);
}

/** f16 of rows 0..3 (half 0) or 4..7 (half 1), which lie side by side at `at`, as f32. */
@inline
export function halvesAt(at: usize, half: usize, mask: v128, bias: v128): v128 {
  return halvesToFloatsBy(half == 0 ? v128.load16x4_s(at) : v128.load16x4_s(at, 8), mask, bias);
}

/** Decodes a packed block to a PanelQ8_32; `at`: where its scales lie. */
@inline
export function panelNibbles<F>(group: usize, at: usize, panel: usize): void {
  const nibble = kept(panel, i8x16.splat(15));
  const constant = kept(panel, changetype<F>(0).constant);
  panelRows<F>(group, at, panel, nibble, constant, 0);
  panelRows<F>(group, at, panel, nibble, constant, 1);
}

/** Rows 0..3 (`half` 0) or 4..7 (1). */
@inline
function panelRows<F>(group: usize, at: usize, panel: usize, nibble: v128, constant: v128, half: usize): void {
  const words = group + changetype<F>(0).wordsAt + (half << 4);
  const to = panel + (half << 4);
  const high = changetype<F>(0).planeAt == 0 ? nibble : v128.load(group + changetype<F>(0).planeAt + (half << 4));
  let q = v128.load(words);
  v128.store(to, changetype<F>(0).first(q, high, nibble, constant, 0));
  v128.store(to, changetype<F>(0).second(q, high, nibble, constant, 0), 128);
  q = v128.load(words, 32);
  v128.store(to, changetype<F>(0).first(q, high, nibble, constant, 1), 32);
  v128.store(to, changetype<F>(0).second(q, high, nibble, constant, 1), 160);
  q = v128.load(words, 64);
  v128.store(to, changetype<F>(0).first(q, high, nibble, constant, 2), 64);
  v128.store(to, changetype<F>(0).second(q, high, nibble, constant, 2), 192);
  q = v128.load(words, 96);
  v128.store(to, changetype<F>(0).first(q, high, nibble, constant, 3), 96);
  v128.store(to, changetype<F>(0).second(q, high, nibble, constant, 3), 224);
  const scales = changetype<F>(0).scales(at, half, i32x4.splat(HALF_MASK), f32x4.splat(HALF_BIAS));
  v128.store(to, scales, PANEL_Q8_32_SCALE);
  if (changetype<F>(0).hasMinimum) {
    const minima = changetype<F>(0).minima(at, half, scales, i32x4.splat(HALF_MASK), f32x4.splat(HALF_BIAS));
    v128.store(to, minima, PANEL_Q8_32_MINIMUM);
  }
}

/** sums + w . x for 4 rows by two groups of 4 columns. */
@inline
function dotPair(sums: v128, w: v128, even: v128, odd: v128, v: v128, highEven: v128, highOdd: v128): v128 {
  return dotAdd(dotAdd(sums, evenWeights(w), oddWeights(w), even, odd), evenWeights(v), oddWeights(v), highEven, highOdd);
}

/**
 * One token: y (8 f32) += `blocks` packed blocks times x (Q8_32). The blocks lie `bytes` apart; the scales of the first lie at `at`, those
 * of each next block `step` bytes further.
 */
@inline
export function streamNibbles<F>(
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
  const constant = kept(scratch, changetype<F>(0).constant);
  const mask = kept(scratch, i32x4.splat(HALF_MASK));
  const bias = kept(scratch, f32x4.splat(HALF_BIAS));
  const ones = kept(scratch, i16x8.splat(1));
  const never = neverTaken(scratch);
  let y0 = v128.load(y);
  let y1 = v128.load(y, 16);
  for (; blocks > 0; blocks--, group += bytes, at += step, x += Q8_32_TOKEN_BYTES) {
    const xLow = changetype<Columns>(x);
    const xHigh = changetype<Columns>(x + 16 * X_BYTES);
    const tail = x + Q8_32_COLUMN_BYTES;
    const words = group + changetype<F>(0).wordsAt;
    const h = group + changetype<F>(0).planeAt;
    let sums0 = startSums(v128.load32_splat(tail), changetype<F>(0).zero);
    let sums1 = sums0;
    do {
      const h0 = changetype<F>(0).planeAt == 0 ? nibble : v128.load(h);
      const h1 = changetype<F>(0).planeAt == 0 ? nibble : v128.load(h, 16);
      let q = v128.load(words);
      let w = changetype<F>(0).first(q, h0, nibble, constant, 0);
      let v = changetype<F>(0).second(q, h0, nibble, constant, 0);
      sums0 = dotPair(sums0, w, xLow.even0(), xLow.odd0(), v, xHigh.even0(), xHigh.odd0());
      q = v128.load(words, 16);
      w = changetype<F>(0).first(q, h1, nibble, constant, 0);
      v = changetype<F>(0).second(q, h1, nibble, constant, 0);
      sums1 = dotPair(sums1, w, xLow.even0(), xLow.odd0(), v, xHigh.even0(), xHigh.odd0());
      if (never == 1) break;
      q = v128.load(words, 32);
      w = changetype<F>(0).first(q, h0, nibble, constant, 1);
      v = changetype<F>(0).second(q, h0, nibble, constant, 1);
      sums0 = dotPair(sums0, w, xLow.even1(), xLow.odd1(), v, xHigh.even1(), xHigh.odd1());
      q = v128.load(words, 48);
      w = changetype<F>(0).first(q, h1, nibble, constant, 1);
      v = changetype<F>(0).second(q, h1, nibble, constant, 1);
      sums1 = dotPair(sums1, w, xLow.even1(), xLow.odd1(), v, xHigh.even1(), xHigh.odd1());
      if (never == 2) break;
      q = v128.load(words, 64);
      w = changetype<F>(0).first(q, h0, nibble, constant, 2);
      v = changetype<F>(0).second(q, h0, nibble, constant, 2);
      sums0 = dotPair(sums0, w, xLow.even2(), xLow.odd2(), v, xHigh.even2(), xHigh.odd2());
      q = v128.load(words, 80);
      w = changetype<F>(0).first(q, h1, nibble, constant, 2);
      v = changetype<F>(0).second(q, h1, nibble, constant, 2);
      sums1 = dotPair(sums1, w, xLow.even2(), xLow.odd2(), v, xHigh.even2(), xHigh.odd2());
      if (never == 3) break;
      q = v128.load(words, 96);
      w = changetype<F>(0).first(q, h0, nibble, constant, 3);
      v = changetype<F>(0).second(q, h0, nibble, constant, 3);
      sums0 = dotPair(sums0, w, xLow.even3(), xLow.odd3(), v, xHigh.even3(), xHigh.odd3());
      q = v128.load(words, 112);
      w = changetype<F>(0).first(q, h1, nibble, constant, 3);
      v = changetype<F>(0).second(q, h1, nibble, constant, 3);
      sums1 = dotPair(sums1, w, xLow.even3(), xLow.odd3(), v, xHigh.even3(), xHigh.odd3());
    } while (false);
    const scaleX = v128.load32_splat(tail, Q8_32_SCALE);
    const scale0 = changetype<F>(0).scales(at, 0, mask, bias);
    const scale1 = changetype<F>(0).scales(at, 1, mask, bias);
    y0 = leaveQ8_32(y0, sums0, ones, scale0, scaleX);
    y1 = leaveQ8_32(y1, sums1, ones, scale1, scaleX);
    if (changetype<F>(0).hasMinimum) {
      const scaledSum = v128.load32_splat(tail, Q8_32_SCALED_SUM);
      y0 = madd(y0, changetype<F>(0).minima(at, 0, scale0, mask, bias), scaledSum);
      y1 = madd(y1, changetype<F>(0).minima(at, 1, scale1, mask, bias), scaledSum);
    }
  }
  storeRows(y, y0, y1);
}
