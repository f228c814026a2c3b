// Attention over a paged KV cache: softmax(q . k / sqrt(headDim)) . v, online (Milakov and Gimelshein 2018; Dao et al. 2022), one page
// of 64 positions at a time. So no row of scores is longer than a page, and only the positions that some row sees are computed.
//
// A head may have a sink (Xiao et al. 2023): a score of a position that every row sees and that has no v. It takes weight from the others:
// a query begins with the sink as its largest score, and a sum of 1.
//
// Scores may have a soft limit (Gemma Team 2024): cap * tanh(score / cap), before those that a row may not see are hidden.
//
// A head may have a slope (ALiBi: Press et al. 2021): scores fall by it for each position that lies between a row's own and the other.
//
//   item     up to 16 query rows of one sequence, and all heads that share one KV head (GQA)
//   segment  4 pages          begins with nothing, as if it were all; then it is merged with the segments before it
//   page     64 positions     k, then v, of the page are decoded to f32 once (L1) and serve all rows and heads of the item
//   block    up to 6 queries  6 x 64 scores, their softmax, and the sums over v: what is loaded of k and v serves six (registers)
//   tile     6 x 8, or 3 x 16 for blocks of up to 3: sums in registers
//
// Where there are one or two blocks (decode), f16 are decoded in their tiles, and nothing is written but scores and sums. Such blocks have up
// to 4 queries, or a sum would be kept in memory.
//
// A row sees the positions from `window` - 1 before its own to `ahead` after it, within the sequence: causal attention looks 0 positions
// ahead, an encoder's attention all.
//
// Exactness: segments and pages begin at absolute multiples of 256 and 64 positions, and are merged in their order. The scores of positions
// that a row may not see are replaced by -infinity, so what lies there (perhaps never written) does not matter, and their v is never read.
// So the result of a row depends on its own positions only, not on the chunk, the block or the worker: segments may be computed by several
// workers (`attention` with a segment's number), and merged by one (`mergeAttention`).
//
// Cost for one block and page with D = 64: 6 * 64 * 64 / 4 multiply-adds for the scores and as many for v, each with 2/3 of a load; 96
// exp of 4 lanes, 14 instructions each; decoding of f16 5 instructions for 8 elements in a tile, 5 for 4 elsewhere. 12 sums, 2 vectors of
// k or v and 1 of q or weights in registers. A soft limit: 96 tanh of 4 lanes.

import { EXP_TABLE_BYTES, KV_F16, PAGE, SEGMENT_PAGES } from "../abi";
import { CONSTANT_BYTES, HALF_BIAS, HALF_MASK, madd, maxLanes, putConstant, storeRows, sumLanes, tanh, writeExpTable } from "../lanes";
import { decodeK, decodeV, kvTileBytes, PAGE_BYTES_F32 } from "./kv_page";

/** Queries of a block at most, of f32 and of halves. */
@inline const BLOCK: usize = 6;
@inline const HALVES_BLOCK: usize = 4;

@inline const LOG2_E: f32 = 1.44269504;

// Weights are 2^64 times e^(score - largest): so no product with a half that is decoded without its bias of 2^112 is subnormal. What they
// are divided by in the end has the factor too.
@inline const WEIGHT_FACTOR_BITS: i32 = (127 + 64) << 23;

// The constants of `weightsOf`, and those of halves.
@inline const WEIGHT_TABLE_BYTES: usize = 384; // of 12 in wide builds

/**
 * Bytes of scratch for `queries` query vectors (rows times heads of an item, Q), with D = headDim; `attention` lays it out:
 *
 *   SIZE         DESCRIPTION
 *      160       the constants of tanh
 *      384       the constants of `weightsOf`, and those of halves
 *      256 D     k of the page: (D, 64) f32, then its v: (64, D)
 *      256 Q     scores, then weights: (Q, 64) f32
 *        4 D Q   queries, as `sortQueries` sorts them
 *       12 Q     corrections (f32), first and end of the visible positions (int32): (Q) each
 *      2 parts   of the segment, and of all segments before it: results (Q, D), largest scores (Q), sums of weights (Q), f32
 */
export function attentionScratchBytes(headDim: i32, queries: i32): usize {
  const vector = <usize>headDim << 2;
  const each = PAGE_BYTES_F32 + vector + 12;
  return <usize>EXP_TABLE_BYTES + WEIGHT_TABLE_BYTES + vector * PAGE + <usize>queries * each + 2 * attentionPartBytes(headDim, queries);
}

/** Bytes of what `attention` makes of a segment, in whole cache lines: results (Q, D), largest scores (Q), sums of weights (Q), f32. */
export function attentionPartBytes(headDim: i32, queries: i32): usize {
  return (<usize>queries * ((<usize>headDim << 2) + 8) + 63) & ~63;
}

// How many queries a block has, as types, because each has a loop of its own: `offsetof` is their number.
@unmanaged class One { a: u8; }
@unmanaged class Two { a: u8; b: u8; }
@unmanaged class Three { a: u8; b: u8; c: u8; }
@unmanaged class Four { a: u8; b: u8; c: u8; d: u8; }
@unmanaged class Five { a: u8; b: u8; c: u8; d: u8; e: u8; }
@unmanaged class Six { a: u8; b: u8; c: u8; d: u8; e: u8; f: u8; }

// Where the first, second, third and fourth pair of vectors of a tile's row lies: `offsetof` is the offset. As types, because only constants
// become offsets of the instructions, which V8 must see to join two stores.
@unmanaged class First {}
@unmanaged class Second { a: v128; b: v128; }
@unmanaged class Third { a: v128; b: v128; c: v128; d: v128; }
@unmanaged class Fourth { a: v128; b: v128; c: v128; d: v128; e: v128; f: v128; }

// What a tile reads of k and v, as a type: f32, or u16 for halves. Halves become f32 that are 2^-112 times what they are: by eight, of even
// and of odd numbers, or, in the wide builds, by four neighbours. (`halvesToFloats` in lanes.ts has the bits.)

/** Eight halves of even numbers. */
@inline
function evenHalves(halves: v128, bits: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(halves, 16), 3), bits);
}

/** Eight halves of odd numbers. */
@inline
function oddHalves(halves: v128, bits: v128): v128 {
  return v128.and(i32x4.shr_s(halves, 3), bits);
}

/** A pair of vectors of a tile's sums: scores, scaled; or result = result * correction + sum. Stored as by `storeRows`. */
@inline
function finishTile<Pair, Element>(scoring: bool, x: v128, y: v128, scales: v128, correction: usize, to: usize): void {
  const isSplit = sizeof<Element>() == 2 && !WIDE;
  const low = isSplit ? v128.shuffle<i32>(x, y, 0, 4, 1, 5) : x;
  const high = isSplit ? v128.shuffle<i32>(x, y, 2, 6, 3, 7) : y;
  const factor = scoring ? scales : v128.load32_splat(correction);
  const first = scoring ? f32x4.mul(low, factor) : madd(low, v128.load(to, offsetof<Pair>()), factor);
  const second = scoring ? f32x4.mul(high, factor) : madd(high, v128.load(to, offsetof<Pair>() + 16), factor);
  v128.store(to, second, offsetof<Pair>() + 16);
  v128.store(to, first, offsetof<Pair>());
}

/** The vectors of a tile of N queries: of 4 columns each. */
@inline
function vectorsOf<N>(): i32 {
  if (WIDE) return offsetof<N>() <= 2 ? 8 : 4;
  return offsetof<N>() <= 2 ? 4 : 2;
}

/**
 * The sums over j of left[i, j] * right[j, c], of N queries i and 4 `vectors` columns c; each one chain of multiply-adds in the order of j.
 *
 * `scoring`: `left` are queries, (j, N), `right` is k, and the sums are multiplied by `scales`. Otherwise `left` are weights, (N, 64), `right`
 * is v, and the sums are added to `to`, times `corrections`. `left` ends at `stop`, where its first query is concerned. `right`: columns of
 * the next j lie `rightStep` bytes later. `to`: f32, those of the next query `toPitch` bytes later. `mask`: HALF_MASK, as `attention` has it.
 */
@inline
function multiplyTile<N, Element>(
  scoring: bool,
  vectors: i32,
  left: usize,
  stop: usize,
  right: usize,
  rightStep: usize,
  mask: usize,
  scales: v128,
  corrections: usize,
  to: usize,
  toPitch: usize,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let a4 = f32x4.splat(0);
  let a5 = f32x4.splat(0);
  let a6 = f32x4.splat(0);
  let a7 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  let b4 = f32x4.splat(0);
  let b5 = f32x4.splat(0);
  let b6 = f32x4.splat(0);
  let b7 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let c3 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  let d2 = f32x4.splat(0);
  let d3 = f32x4.splat(0);
  let e0 = f32x4.splat(0);
  let e1 = f32x4.splat(0);
  let e2 = f32x4.splat(0);
  let e3 = f32x4.splat(0);
  let f0 = f32x4.splat(0);
  let f1 = f32x4.splat(0);
  let f2 = f32x4.splat(0);
  let f3 = f32x4.splat(0);
  const none = f32x4.splat(0);
  const step: usize = scoring ? offsetof<N>() << 2 : 4;
  for (; left < stop; left += step, right += rightStep) {
    let x0: v128, x1: v128;
    let x2 = none;
    let x3 = none;
    let x4 = none;
    let x5 = none;
    let x6 = none;
    let x7 = none;
    if (sizeof<Element>() == 4) {
      x0 = v128.load(right);
      x1 = v128.load(right, 16);
      if (vectors > 2) x2 = v128.load(right, 32);
      if (vectors > 2) x3 = v128.load(right, 48);
      if (vectors > 4) x4 = v128.load(right, 64);
      if (vectors > 4) x5 = v128.load(right, 80);
      if (vectors > 4) x6 = v128.load(right, 96);
      if (vectors > 4) x7 = v128.load(right, 112);
    } else if (WIDE) {
      const low = v128.load(mask);
      const high = v128.load(mask, 16);
      x0 = v128.and(i32x4.shl(v128.load16x4_s(right), 13), low);
      x1 = v128.and(i32x4.shl(v128.load16x4_s(right, 8), 13), high);
      if (vectors > 2) x2 = v128.and(i32x4.shl(v128.load16x4_s(right, 16), 13), low);
      if (vectors > 2) x3 = v128.and(i32x4.shl(v128.load16x4_s(right, 24), 13), high);
      if (vectors > 4) x4 = v128.and(i32x4.shl(v128.load16x4_s(right, 32), 13), low);
      if (vectors > 4) x5 = v128.and(i32x4.shl(v128.load16x4_s(right, 40), 13), high);
      if (vectors > 4) x6 = v128.and(i32x4.shl(v128.load16x4_s(right, 48), 13), low);
      if (vectors > 4) x7 = v128.and(i32x4.shl(v128.load16x4_s(right, 56), 13), high);
    } else {
      const bits = v128.load(mask);
      const halves = v128.load(right);
      x0 = evenHalves(halves, bits);
      x1 = oddHalves(halves, bits);
      if (vectors > 2) {
        const next = v128.load(right, 16);
        x2 = evenHalves(next, bits);
        x3 = oddHalves(next, bits);
      }
    }
    const a = v128.load32_splat(left);
    a0 = madd(a0, x0, a);
    a1 = madd(a1, x1, a);
    if (vectors > 2) a2 = madd(a2, x2, a);
    if (vectors > 2) a3 = madd(a3, x3, a);
    if (vectors > 4) a4 = madd(a4, x4, a);
    if (vectors > 4) a5 = madd(a5, x5, a);
    if (vectors > 4) a6 = madd(a6, x6, a);
    if (vectors > 4) a7 = madd(a7, x7, a);
    if (offsetof<N>() > 1) {
      const b = scoring ? v128.load32_splat(left, 4) : v128.load32_splat(left, PAGE * 4);
      b0 = madd(b0, x0, b);
      b1 = madd(b1, x1, b);
      if (vectors > 2) b2 = madd(b2, x2, b);
      if (vectors > 2) b3 = madd(b3, x3, b);
      if (vectors > 4) b4 = madd(b4, x4, b);
      if (vectors > 4) b5 = madd(b5, x5, b);
      if (vectors > 4) b6 = madd(b6, x6, b);
      if (vectors > 4) b7 = madd(b7, x7, b);
    }
    if (offsetof<N>() > 2) {
      const c = scoring ? v128.load32_splat(left, 8) : v128.load32_splat(left, PAGE * 8);
      c0 = madd(c0, x0, c);
      c1 = madd(c1, x1, c);
      if (vectors > 2) c2 = madd(c2, x2, c);
      if (vectors > 2) c3 = madd(c3, x3, c);
    }
    if (offsetof<N>() > 3) {
      const d = scoring ? v128.load32_splat(left, 12) : v128.load32_splat(left, PAGE * 12);
      d0 = madd(d0, x0, d);
      d1 = madd(d1, x1, d);
      if (vectors > 2) d2 = madd(d2, x2, d);
      if (vectors > 2) d3 = madd(d3, x3, d);
    }
    if (offsetof<N>() > 4) {
      const e = scoring ? v128.load32_splat(left, 16) : v128.load32_splat(left, PAGE * 16);
      e0 = madd(e0, x0, e);
      e1 = madd(e1, x1, e);
      if (vectors > 2) e2 = madd(e2, x2, e);
      if (vectors > 2) e3 = madd(e3, x3, e);
    }
    if (offsetof<N>() > 5) {
      const f = scoring ? v128.load32_splat(left, 20) : v128.load32_splat(left, PAGE * 20);
      f0 = madd(f0, x0, f);
      f1 = madd(f1, x1, f);
      if (vectors > 2) f2 = madd(f2, x2, f);
      if (vectors > 2) f3 = madd(f3, x3, f);
    }
  }
  finishTile<First, Element>(scoring, a0, a1, scales, corrections, to);
  if (vectors > 2) finishTile<Second, Element>(scoring, a2, a3, scales, corrections, to);
  if (vectors > 4) finishTile<Third, Element>(scoring, a4, a5, scales, corrections, to);
  if (vectors > 4) finishTile<Fourth, Element>(scoring, a6, a7, scales, corrections, to);
  if (offsetof<N>() > 1) finishTile<First, Element>(scoring, b0, b1, scales, corrections + 4, to + toPitch);
  if (offsetof<N>() > 1 && vectors > 2) finishTile<Second, Element>(scoring, b2, b3, scales, corrections + 4, to + toPitch);
  if (offsetof<N>() > 1 && vectors > 4) finishTile<Third, Element>(scoring, b4, b5, scales, corrections + 4, to + toPitch);
  if (offsetof<N>() > 1 && vectors > 4) finishTile<Fourth, Element>(scoring, b6, b7, scales, corrections + 4, to + toPitch);
  if (offsetof<N>() > 2) finishTile<First, Element>(scoring, c0, c1, scales, corrections + 8, to + 2 * toPitch);
  if (offsetof<N>() > 2 && vectors > 2) finishTile<Second, Element>(scoring, c2, c3, scales, corrections + 8, to + 2 * toPitch);
  if (offsetof<N>() > 3) finishTile<First, Element>(scoring, d0, d1, scales, corrections + 12, to + 3 * toPitch);
  if (offsetof<N>() > 3 && vectors > 2) finishTile<Second, Element>(scoring, d2, d3, scales, corrections + 12, to + 3 * toPitch);
  if (offsetof<N>() > 4) finishTile<First, Element>(scoring, e0, e1, scales, corrections + 16, to + 4 * toPitch);
  if (offsetof<N>() > 4 && vectors > 2) finishTile<Second, Element>(scoring, e2, e3, scales, corrections + 16, to + 4 * toPitch);
  if (offsetof<N>() > 5) finishTile<First, Element>(scoring, f0, f1, scales, corrections + 20, to + 5 * toPitch);
  if (offsetof<N>() > 5 && vectors > 2) finishTile<Second, Element>(scoring, f2, f3, scales, corrections + 20, to + 5 * toPitch);
}

/**
 * Scores of a block of N queries, (headDim, N), to (N, 64) f32 at `to`, as far as `extent` bytes of each row, and further to the end of a
 * tile.
 */
function scoreBlock<N, Element>(
  queries: usize,
  k: usize,
  headDim: usize,
  scale: f32,
  extent: usize,
  mask: usize,
  to: usize,
): void {
  const scales = f32x4.splat(scale);
  const stop = queries + headDim * (offsetof<N>() << 2);
  const step: usize = PAGE * sizeof<Element>();
  const columns = <usize>vectorsOf<N>() << 2;
  for (const end = to + extent; to < end; to += columns << 2, k += columns * sizeof<Element>()) {
    multiplyTile<N, Element>(true, vectorsOf<N>(), queries, stop, k, step, mask, scales, 0, to, PAGE_BYTES_F32);
  }
}

/** `scoreBlock` for n queries. */
@inline
function score<Element>(
  n: usize,
  queries: usize,
  k: usize,
  headDim: usize,
  scale: f32,
  extent: usize,
  mask: usize,
  to: usize,
): void {
  if (n == 1) scoreBlock<One, Element>(queries, k, headDim, scale, extent, mask, to);
  else if (n == 2) scoreBlock<Two, Element>(queries, k, headDim, scale, extent, mask, to);
  else if (n == 3) scoreBlock<Three, Element>(queries, k, headDim, scale, extent, mask, to);
  else if (n == 4 || sizeof<Element>() == 2) scoreBlock<Four, Element>(queries, k, headDim, scale, extent, mask, to);
  else if (n == 5) scoreBlock<Five, f32>(queries, k, headDim, scale, extent, mask, to);
  else scoreBlock<Six, f32>(queries, k, headDim, scale, extent, mask, to);
}

/**
 * results (N, headDim) = results * corrections (N) + the sums over positions [first, end) of weights (N, 64) * v. headDim is a multiple of
 * 4; where v is of halves, of 8.
 */
function accumulateBlock<N, Element>(
  weights: usize,
  v: usize,
  headDim: usize,
  first: usize,
  end: usize,
  mask: usize,
  corrections: usize,
  results: usize,
): void {
  const row = headDim << 2;
  const step = headDim * sizeof<Element>();
  const stop = weights + (end << 2);
  const none = f32x4.splat(0);
  weights += first << 2;
  v += first * step;
  let c: usize = 0;
  const columns = <usize>vectorsOf<N>() << 2;
  if (columns > 8) {
    for (; c + (columns << 2) <= row; c += columns << 2, v += columns * sizeof<Element>()) {
      multiplyTile<N, Element>(false, vectorsOf<N>(), weights, stop, v, step, mask, none, corrections, results + c, row);
    }
  }
  for (; c + 32 <= row; c += 32, v += 8 * sizeof<Element>()) {
    multiplyTile<N, Element>(false, 2, weights, stop, v, step, mask, none, corrections, results + c, row);
  }
  if (sizeof<Element>() == 2 || c == row) return;
  for (let i: usize = 0; i < offsetof<N>(); i++, weights += PAGE_BYTES_F32, corrections += 4, results += row) {
    let sum = none;
    for (let p: usize = 0, from = v; p < end - first; p++, from += row) {
      sum = madd(sum, v128.load(from), v128.load32_splat(weights + (p << 2)));
    }
    v128.store(results + c, madd(sum, v128.load(results + c), v128.load32_splat(corrections)));
  }
}

/** `accumulateBlock` for n queries. */
@inline
function accumulate<Element>(
  n: usize,
  weights: usize,
  v: usize,
  headDim: usize,
  first: usize,
  end: usize,
  mask: usize,
  corrections: usize,
  results: usize,
): void {
  if (n == 1) accumulateBlock<One, Element>(weights, v, headDim, first, end, mask, corrections, results);
  else if (n == 2) accumulateBlock<Two, Element>(weights, v, headDim, first, end, mask, corrections, results);
  else if (n == 3) accumulateBlock<Three, Element>(weights, v, headDim, first, end, mask, corrections, results);
  else if (n == 4 || sizeof<Element>() == 2) accumulateBlock<Four, Element>(weights, v, headDim, first, end, mask, corrections, results);
  else if (n == 5) accumulateBlock<Five, f32>(weights, v, headDim, first, end, mask, corrections, results);
  else accumulateBlock<Six, f32>(weights, v, headDim, first, end, mask, corrections, results);
}

/** The soft limit of scores, in place, as far as `extent` bytes: limit * tanh(x), where x is the score divided by softcap. */
function capScores(scores: usize, limit: f32, extent: usize, table: usize): void {
  const limits = f32x4.splat(limit);
  for (const stop = scores + extent; scores < stop; scores += 16) {
    v128.store(scores, f32x4.mul(tanh(v128.load(scores), table), limits));
  }
}

/** Scores fall by `slope` for each position between theirs and position `here`, where the query stands: in the page, before or behind it. */
function addDistances(scores: usize, here: i32, slope: f32, extent: usize): void {
  let distance = f32x4.sub(f32x4(0, 1, 2, 3), f32x4.splat(<f32>here));
  const slopes = f32x4.splat(slope);
  for (let p: usize = 0; p < extent; p += 16) {
    v128.store(scores + p, f32x4.sub(v128.load(scores + p), f32x4.mul(slopes, f32x4.abs(distance))));
    distance = f32x4.add(distance, f32x4.splat(4));
  }
}

/** The scores of positions outside [first, end) become -infinity. */
function hideScores(scores: usize, first: i32, end: i32, extent: usize): void {
  if (first == 0 && <usize>end << 2 == extent) return;
  let lane = i32x4(0, 1, 2, 3);
  const begins = i32x4.splat(first);
  const ends = i32x4.splat(end);
  for (let p: usize = 0; p < extent; p += 16) {
    const visible = v128.and(i32x4.ge_s(lane, begins), i32x4.lt_s(lane, ends));
    v128.store(scores + p, v128.bitselect(v128.load(scores + p), f32x4.splat(-Infinity), visible));
    lane = i32x4.add(lane, i32x4.splat(4));
  }
}

// Scores are multiplied by log2(e) (in their scale), so that e^score is 2^x. 2^x is 2^n 2^r with |r| <= 1/2: 2^r by the polynomial of degree
// 5 that has the least relative error, 1.05e-7, of those with constants of 1 and ln 2; 2^n by way of the exponent. 2^0 is 1; below 2^-190
// the result is 0; NaN gives NaN.

/**
 * Writes the constants of `weightsOf`, and those of halves, to `WEIGHT_TABLE_BYTES` of scratch, each in `CONSTANT_BYTES`: as literals they
 * cost three instructions.
 */
function writeWeightTable(at: usize): void {
  putConstant(at, 0, f32x4.splat(-191));
  // 1.5 * 2^23: adding it rounds to an integer, which lies in the low bits of the sum.
  putConstant(at, 1, f32x4.splat(12582912));
  putConstant(at, 2, f32x4.splat(0.0013300257165302172));
  putConstant(at, 3, f32x4.splat(0.009669718180046798));
  putConstant(at, 4, f32x4.splat(0.055505599055179156));
  putConstant(at, 5, f32x4.splat(0.24022281275627255));
  putConstant(at, 6, f32x4.splat(0.6931471805599453));
  putConstant(at, 7, f32x4.splat(1));
  putConstant(at, 8, i32x4.splat(WEIGHT_FACTOR_BITS));
  putConstant(at, 9, f32x4.splat(reinterpret<f32>((127 - 64) << 23)));
  putConstant(at, 10, i32x4.splat(HALF_MASK));
  putConstant(at, 11, f32x4.splat(HALF_BIAS));
}

/** A constant of the table; `half` 1: for the second of two vectors that the wide builds compute as one. */
@inline
function constant(table: usize, index: usize, half: usize): v128 {
  return v128.load(table + index * CONSTANT_BYTES + (WIDE ? half << 4 : 0));
}

/** 2^64 times 2^x, for x <= 0. `half`: as in `constant`. */
@inline
function weightsOf(x: v128, table: usize, half: usize): v128 {
  const least = f32x4.pmax(x, constant(table, 0, half));
  const shifted = f32x4.add(least, constant(table, 1, half));
  const r = f32x4.sub(least, f32x4.sub(shifted, constant(table, 1, half)));
  let p = madd(constant(table, 3, half), constant(table, 2, half), r);
  p = madd(constant(table, 4, half), p, r);
  p = madd(constant(table, 5, half), p, r);
  p = madd(constant(table, 6, half), p, r);
  p = madd(constant(table, 7, half), p, r);
  // The bits of 2^(64 + n) are those of 2^64 plus n << 23.
  return f32x4.mul(p, i32x4.add(i32x4.shl(shifted, 23), constant(table, 8, half)));
}

/**
 * `top`: the largest score of a query so far in the segment, to which those of a page, (64), are added. `correction` becomes that by which
 * its results so far must be multiplied.
 *
 * A query that has seen nothing yet has the smallest finite number as its largest score, against which a hidden score, -infinity, weighs 0.
 */
function findTop(scores: usize, extent: usize, top: usize, correction: usize, table: usize): void {
  let most0 = v128.load(scores);
  let most1 = v128.load(scores, 16);
  for (let s = scores + 32, stop = scores + extent; s < stop; s += 32) {
    most0 = f32x4.pmax(most0, v128.load(s));
    most1 = f32x4.pmax(most1, v128.load(s, 16));
  }
  const before = v128.load32_splat(top);
  const now = f32x4.pmax(before, maxLanes(f32x4.pmax(most0, most1)));
  v128.store32_lane(top, now, 0);
  const factor = f32x4.mul(weightsOf(f32x4.sub(before, now), table, 0), constant(table, 9, 0));
  v128.store32_lane(correction, factor, 0);
}

/** Turns the scores of a query, (64), into weights, in place. `sum`: the sum of its weights so far in the segment. */
function weigh(scores: usize, extent: usize, top: usize, correction: usize, sum: usize, table: usize): void {
  const most = v128.load32_splat(top);
  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  for (let s = scores, stop = scores + extent; s < stop; s += 32) {
    const weight0 = weightsOf(f32x4.sub(v128.load(s), most), table, 0);
    const weight1 = weightsOf(f32x4.sub(v128.load(s, 16), most), table, 1);
    sum0 = f32x4.add(sum0, weight0);
    sum1 = f32x4.add(sum1, weight1);
    storeRows(s, weight0, weight1);
  }
  store<f32>(sum, load<f32>(sum) * load<f32>(correction) + sumLanes(f32x4.add(sum0, sum1)));
}

/** The first query of a block. The blocks of an item differ by one query at most. */
@inline
function blockBegin(block: usize, blocks: usize, queries: usize): usize {
  return (block * queries) / blocks;
}

/** Queries in the order in which the tiles read them, times `factor`: those of a block side by side, (headDim, n). */
function sortQueries(
  q: usize,
  qStride: usize,
  heads: usize,
  queries: usize,
  dims: usize,
  blocks: usize,
  factor: f32,
  to: usize,
): void {
  for (let block: usize = 0; block < blocks; block++) {
    const begin = blockBegin(block, blocks, queries);
    const end = blockBegin(block + 1, blocks, queries);
    const step = (end - begin) << 2;
    for (let query = begin; query < end; query++) {
      let from = q + (query / heads) * qStride + (query % heads) * (dims << 2);
      let at = to + begin * (dims << 2) + ((query - begin) << 2);
      for (const stop = from + (dims << 2); from < stop; from += 4, at += step) store<f32>(at, load<f32>(from) * factor);
    }
  }
}

/** Whether all `count` int32 are the same. */
@inline
function alike(at: usize, count: usize): bool {
  const first = load<i32>(at);
  for (let i: usize = 1; i < count; i++) {
    if (load<i32>(at + (i << 2)) != first) return false;
  }
  return true;
}

/** Which positions of the page that begins at `base` each query sees: [first, end), (0, 0) for none. */
function setRanges(
  rows: i32,
  heads: i32,
  position: i32,
  base: i32,
  window: i32,
  ahead: i32,
  end: i32,
  firsts: usize,
  ends: usize,
): void {
  for (let row = 0; row < rows; row++) {
    const here = position + row - base;
    const seen = min(PAGE, min(end - base, here + ahead + 1));
    const first = window > 0 ? max(0, here - window + 1) : 0;
    const sees = first < seen;
    for (let head = 0; head < heads; head++, firsts += 4, ends += 4) {
      store<i32>(firsts, sees ? first : 0);
      store<i32>(ends, sees ? seen : 0);
    }
  }
}

/** Part `part` of `queries` queries begins with nothing. */
function beginPart(part: usize, queries: usize, vector: usize): void {
  memory.fill(part, 0, queries * (vector + 8));
  const tops = part + queries * vector;
  for (let query: usize = 0; query < queries; query++) store<f32>(tops + (query << 2), -f32.MAX_VALUE);
}

/** What a query begins with before all segments: nothing, or its head's sink. */
function beginWithSinks(part: usize, queries: usize, vector: usize, heads: usize, sinks: usize): void {
  beginPart(part, queries, vector);
  if (sinks == 0) return;
  const tops = part + queries * vector;
  const sums = tops + (queries << 2);
  for (let query: usize = 0; query < queries; query++) {
    const sink = load<f32>(sinks + ((query % heads) << 2)) * LOG2_E;
    store<f32>(tops + (query << 2), max(sink, -f32.MAX_VALUE));
    store<f32>(sums + (query << 2), reinterpret<f32>(WEIGHT_FACTOR_BITS));
  }
}

/** Merges a segment's part into `all`, that of the segments before it. */
function mergePart(part: usize, all: usize, queries: usize, vector: usize, table: usize): void {
  let tops = part + queries * vector;
  let allTops = all + queries * vector;
  const apart = queries << 2; // from a query's largest score to its sum
  for (let query: usize = 0; query < queries; query++, part += vector, all += vector, tops += 4, allTops += 4) {
    const top = load<f32>(tops);
    const partSum = load<f32>(tops + apart);
    if (partSum == 0) continue; // the query sees nothing of the segment
    const before = f32x4.splat(load<f32>(allTops));
    const now = f32x4.pmax(before, f32x4.splat(top));
    const factors = f32x4.mul(
      weightsOf(f32x4.sub(f32x4.replace_lane(before, 1, top), now), table, 0),
      constant(table, 9, 0),
    );
    const allFactor = v128.shuffle<i32>(factors, factors, 0, 0, 0, 0);
    const factor = v128.shuffle<i32>(factors, factors, 1, 1, 1, 1);
    v128.store32_lane(allTops, now, 0);
    const allSum = load<f32>(allTops + apart) * f32x4.extract_lane(factors, 0);
    store<f32>(allTops + apart, allSum + partSum * f32x4.extract_lane(factors, 1));
    for (let i: usize = 0; i < vector; i += 16) {
      const product = f32x4.mul(v128.load(all + i), allFactor);
      v128.store(all + i, madd(product, v128.load(part + i), factor));
    }
  }
}

/** The results of a part, divided by the sums of weights, to (rows, heads * headDim) rows `outStride` bytes apart. */
function finish(part: usize, rows: i32, heads: i32, vector: usize, out: usize, outStride: usize): void {
  const queries = <usize>(rows * heads);
  let sum = part + queries * (vector + 4);
  for (let row = 0; row < rows; row++) {
    let to = out + <usize>row * outStride;
    for (let head = 0; head < heads; head++, sum += 4) {
      const inverse = f32x4.splat(<f32>1 / load<f32>(sum));
      for (let i: usize = 0; i < vector; i += 16, to += 16, part += 16) {
        v128.store(to, f32x4.mul(v128.load(part), inverse));
      }
    }
  }
}

/**
 * One item. Row i of `rows` stands at position `position` + i.
 *
 * `q`: queries, (rows, ...) f32 with rows `qStride` bytes apart, the item's `heads` heads of headDim side by side at `q`; `out`: the same
 * shape, `outStride`. `scale`: what q . k is multiplied by; `softcap`: the soft limit of the product, 0 for none. `pages`: int32 page
 * numbers of the sequence; k of page n lies at `kv` + n * `pageBytes`, its v `kvTileBytes` later. `window`: positions that a row may look
 * back, its own included (0: all); `ahead`: positions after its own that it may see, up to `end`, the sequence's length. `sinks`,
 * `slopes`: (heads) f32, or 0 for none. `scratch`: `attentionScratchBytes`.
 *
 * `segment`: -1, or the number of the only segment that is looked at. Then `attentionPartBytes` at `out` get its part, for
 * `mergeAttention`, without the sinks.
 */
export function attention(
  kind: i32,
  q: usize,
  qStride: usize,
  rows: i32,
  position: i32,
  heads: i32,
  headDim: i32,
  scale: f32,
  softcap: f32,
  pages: usize,
  kv: usize,
  pageBytes: usize,
  window: i32,
  ahead: i32,
  end: i32,
  sinks: usize,
  slopes: usize,
  segment: i32,
  out: usize,
  outStride: usize,
  scratch: usize,
): void {
  const dims = <usize>headDim;
  const vector = dims << 2;
  const queries = <usize>(rows * heads);
  // One or two blocks decode f16 in their tiles.
  const direct = kind == KV_F16 && queries <= 2 * HALVES_BLOCK && (dims & 7) == 0;
  const block = direct ? HALVES_BLOCK : BLOCK;
  const blocks = (queries + block - 1) / block;
  const tanhTable = scratch;
  const table = tanhTable + EXP_TABLE_BYTES;
  const mask = table + 10 * CONSTANT_BYTES;
  const decoded = table + WEIGHT_TABLE_BYTES; // (headDim, 64), then (64, headDim)
  const scores = decoded + vector * PAGE; // (queries, 64)
  const sorted = scores + queries * PAGE_BYTES_F32;
  const corrections = sorted + queries * vector; // (queries)
  const firsts = corrections + (queries << 2);
  const ends = firsts + (queries << 2);
  const all = ends + (queries << 2);
  const part = segment < 0 ? all + attentionPartBytes(headDim, <i32>queries) : out;
  const tops = part + queries * vector;
  const sums = tops + (queries << 2);
  writeWeightTable(table);
  if (softcap != 0) {
    writeExpTable(tanhTable);
    scale /= softcap; // `capScores` multiplies by it again
  } else {
    scale *= LOG2_E;
  }
  // Halves are decoded without their bias: of 2^112, the queries have 2^64.
  if (direct) scale *= reinterpret<f32>((127 + 48) << 23);
  const factor = direct ? reinterpret<f32>(WEIGHT_FACTOR_BITS) : <f32>1;
  sortQueries(q, qStride, <usize>heads, queries, dims, blocks, factor, sorted);

  const last = (min(end, position + rows + ahead) - 1) / PAGE;
  const oldest = (window > 0 ? max(0, position - window + 1) : 0) / PAGE;
  const firstPage = segment < 0 ? oldest : max(oldest, segment * SEGMENT_PAGES);
  const lastPage = segment < 0 ? last : min(last, segment * SEGMENT_PAGES + SEGMENT_PAGES - 1);
  if (segment < 0) beginWithSinks(all, queries, vector, <usize>heads, sinks);
  beginPart(part, queries, vector);
  for (let page = firstPage; page <= lastPage; page++) {
    const base = page * PAGE;
    const tile = kv + <usize>load<i32>(pages + (<usize>page << 2)) * pageBytes;
    const values = tile + kvTileBytes(kind, headDim);
    const positions = <usize>min(PAGE, min(end, position + rows + ahead) - base);
    const extent = ((positions + 7) & ~7) << 2;
    setRanges(rows, heads, position, base, window, ahead, end, firsts, ends);
    const k = direct ? tile : decodeK(kind, tile, dims, extent >> 2, mask, decoded);
    for (let block: usize = 0; block < blocks; block++) {
      const begin = blockBegin(block, blocks, queries);
      const n = blockBegin(block + 1, blocks, queries) - begin;
      const from = sorted + begin * vector;
      const to = scores + begin * PAGE_BYTES_F32;
      if (direct) score<u16>(n, from, k, dims, scale, extent, mask, to);
      else score<f32>(n, from, k, dims, scale, extent, mask, to);
    }
    for (let query: usize = 0; query < queries; query++) {
      const at = query << 2;
      const first = load<i32>(firsts + at);
      const seen = load<i32>(ends + at);
      if (first == seen) {
        store<f32>(corrections + at, 1);
        continue;
      }
      const one = scores + query * PAGE_BYTES_F32;
      if (softcap != 0) capScores(one, softcap * LOG2_E, extent, tanhTable);
      if (slopes != 0) {
        const slope = load<f32>(slopes + ((query % <usize>heads) << 2)) * LOG2_E;
        addDistances(one, position - base + <i32>(query / <usize>heads), slope, extent);
      }
      hideScores(one, first, seen, extent);
      findTop(one, extent, tops + at, corrections + at, table);
    }
    // Apart from `findTop`, because nobody has to wait for a largest score here.
    for (let query: usize = 0; query < queries; query++) {
      const at = query << 2;
      if (load<i32>(firsts + at) == load<i32>(ends + at)) continue;
      weigh(scores + query * PAGE_BYTES_F32, extent, tops + at, corrections + at, sums + at, table);
    }
    const v = direct ? values : decodeV(kind, values, dims, positions, mask, decoded);
    for (let block: usize = 0; block < blocks; block++) {
      const begin = blockBegin(block, blocks, queries);
      const n = blockBegin(block + 1, blocks, queries) - begin;
      const at = begin << 2;
      const weights = scores + begin * PAGE_BYTES_F32;
      const results = part + begin * vector;
      const together = alike(firsts + at, n) && alike(ends + at, n) ? n : 1;
      for (let i: usize = 0; i < n; i += together) {
        const one = at + (i << 2);
        const first = load<u32>(firsts + one);
        const seen = load<u32>(ends + one);
        const to = results + i * vector;
        if (direct) accumulate<u16>(together, weights + i * PAGE_BYTES_F32, v, dims, first, seen, mask, corrections + one, to);
        else accumulate<f32>(together, weights + i * PAGE_BYTES_F32, v, dims, first, seen, mask, corrections + one, to);
      }
    }
    if (page != lastPage && (page + 1) % SEGMENT_PAGES != 0) continue;
    if (direct) scaleResults(part, queries * vector);
    if (segment >= 0) return;
    mergePart(part, all, queries, vector, table);
    if (page != lastPage) beginPart(part, queries, vector);
  }
  finish(all, rows, heads, vector, out, outStride);
}

/** results *= 2^112, the bias of halves. */
function scaleResults(results: usize, bytes: usize): void {
  const factor = f32x4.splat(HALF_BIAS);
  for (const stop = results + bytes; results < stop; results += 16) {
    v128.store(results, f32x4.mul(v128.load(results), factor));
  }
}

/**
 * The results of an item of which `attention` has made `segments` parts, in their order from `parts` on. `scratch`:
 * `attentionScratchBytes`; the rest as in `attention`.
 */
export function mergeAttention(
  parts: usize,
  segments: i32,
  rows: i32,
  heads: i32,
  headDim: i32,
  sinks: usize,
  out: usize,
  outStride: usize,
  scratch: usize,
): void {
  const vector = <usize>headDim << 2;
  const queries = <usize>(rows * heads);
  const table = scratch;
  const all = table + WEIGHT_TABLE_BYTES;
  writeWeightTable(table);
  beginWithSinks(all, queries, vector, <usize>heads, sinks);
  for (const bytes = attentionPartBytes(headDim, <i32>queries); segments > 0; segments--, parts += bytes) {
    mergePart(parts, all, queries, vector, table);
  }
  finish(all, rows, heads, vector, out, outStride);
}
