// Attention within whole texts, whose keys and values lie beside the queries: softmax(q . k * scale) . v. It is what encoders need, whose
// tokens see what comes after them: nothing is kept from step to step, so there are no pages (attention.ts has those).
//
//   call    some rows of one text, and all heads that share one KV head (GQA)
//   tile    256 positions  k and v, put in the order in which they are read, serve all rows and heads of the call (L1, L2)
//   block   4 queries      4 x 256 scores, their softmax, and the sums over v: what is loaded of k and v serves four (registers)
//   panel   8 positions, or 8 dimensions of v
//
// A head may have a sink (Xiao et al. 2023): a score of a position that every row sees and that has no v.
//
// A row sees the positions from `window` - 1 before its own to `ahead` after it, within the text. Scores may have a soft limit (Gemma
// Team 2024), and fall by a slope for each position of distance (ALiBi: Press et al. 2021).
//
// A text of one tile, as most are, has its softmax in one go. Others go tile by tile (Milakov and Gimelshein 2018), and what is summed up so
// far waits in `out`.
//
// Exactness: tiles begin at multiples of 256 positions of the text, and blocks at multiples of 4 of its queries, as long as a call begins
// at one. So the result of a row depends on its text only, not on the call, the worker or the other texts of the step. Of a block that is
// not full, the last query is computed several times.
//
// Cost for one block and 64 positions with D = 64: 4 * 64 * 64 / 4 multiply-adds for the scores and as many for v, each with 3/4 of a load;
// 64 powers of 4 lanes, 18 instructions each. 8 sums and 6 loaded vectors in registers, and the 8 constants of powers. For a call, k and v
// are read once and written once.
// Plain version: test/support/kernels/attention-twin.ts.

import { EXP_TABLE_BYTES } from "../abi";
import { CONSTANT_BYTES, madd, maxLanesOfFour, putConstant, storeRows, sumLanesOfFour, tanh, writeExpTable } from "../lanes";

@inline const LOG2_E: f32 = 1.4426950408889634;
@inline const POWER_TABLE_BYTES: usize = 256;
/** Positions of a tile. */
@inline const TILE: usize = 256;
/** Bytes of the scores of one query. */
@inline const SCORES: usize = TILE << 2;
/** Bytes from one panel of v to the next: 8 dimensions of all positions of a tile. */
@inline const V_PANEL: usize = TILE << 5;

/**
 * Bytes of scratch for a call with `queries` queries (rows times heads), with D = headDim:
 *
 *   SIZE         DESCRIPTION
 *      160       the constants of tanh
 *      256       the constants of powers of 2
 *       16       corrections of a block: (4) f32
 *       16       inverse sums of a block: (4) f32
 *     4096       scores of a block: (4, 256) f32
 *       16 D     queries of a block, times scale: (D, 4) f32
 *     1024 D     k of a tile: (32, D, 8) f32
 *     1024 D     v of a tile: (D / 8, 256, 8) f32; where D is not a multiple of 8, the last panel is (256, 4)
 *        8 Q     largest scores and sums of weights (f32): (Q) each, Q being `queries` in whole blocks
 */
export function textAttentionScratchBytes(headDim: i32, queries: i32): usize {
  const dims = <usize>headDim;
  return <usize>EXP_TABLE_BYTES + POWER_TABLE_BYTES + 32 + 4 * SCORES + (dims << 4) + 2 * (dims * SCORES) + (<usize>((queries + 3) & ~3) << 3);
}

/**
 * k of `count` positions in panels of 8, (8 positions) for each dimension. What is missing of the last panel repeats the last position:
 * nobody sees its scores.
 */
function packKeys(k: usize, stride: usize, count: usize, dims: usize, to: usize): void {
  for (let p: usize = 0; p < count; p += 8) {
    const last = count - 1 - p;
    const from = k + p * stride;
    const r1 = from + min<usize>(1, last) * stride;
    const r2 = from + min<usize>(2, last) * stride;
    const r3 = from + min<usize>(3, last) * stride;
    const r4 = from + min<usize>(4, last) * stride;
    const r5 = from + min<usize>(5, last) * stride;
    const r6 = from + min<usize>(6, last) * stride;
    const r7 = from + min<usize>(7, last) * stride;
    for (let d: usize = 0; d < dims << 2; d += 16, to += 128) {
      transpose4(v128.load(from + d), v128.load(r1 + d), v128.load(r2 + d), v128.load(r3 + d), to, 32);
      transpose4(v128.load(r4 + d), v128.load(r5 + d), v128.load(r6 + d), v128.load(r7 + d), to + 16, 32);
    }
  }
}

/** Four rows of four f32 to four columns, `step` bytes apart. */
@inline
function transpose4(a: v128, b: v128, c: v128, d: v128, to: usize, step: usize): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5); // a0 b0 a1 b1
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7); // a2 b2 a3 b3
  const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(to + step, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(to + 2 * step, v128.shuffle<i64>(abHigh, cdHigh, 0, 2));
  v128.store(to + 3 * step, v128.shuffle<i64>(abHigh, cdHigh, 1, 3));
}

/** v of `count` positions in panels of 8 dimensions. */
function packValues(v: usize, stride: usize, count: usize, dims: usize, to: usize): void {
  const row = dims << 2;
  let d: usize = 0;
  for (; d + 32 <= row; d += 32, to += V_PANEL) {
    for (let p: usize = 0, from = v + d; p < count << 5; p += 32, from += stride) {
      v128.store(to + p, v128.load(from));
      v128.store(to + p, v128.load(from, 16), 16);
    }
  }
  if (d == row) return;
  for (let p: usize = 0, from = v + d; p < count << 4; p += 16, from += stride) v128.store(to + p, v128.load(from));
}

/** Four queries, times `scale`, interleaved: (D, 4). */
function packQueries(a: usize, b: usize, c: usize, d: usize, dims: usize, scale: f32, to: usize): void {
  const scales = f32x4.splat(scale);
  for (let i: usize = 0; i < dims << 2; i += 16, to += 64) {
    transpose4(
      f32x4.mul(v128.load(a + i), scales),
      f32x4.mul(v128.load(b + i), scales),
      f32x4.mul(v128.load(c + i), scales),
      f32x4.mul(v128.load(d + i), scales),
      to,
      16,
    );
  }
}

/**
 * Scores of four queries with the positions of bytes [first, extent) of their rows, at `to`. Each is one chain of additions, in the order of
 * the dimensions. The wide builds take two panels at once: perhaps one before the first, or behind the last, whose scores nobody reads.
 */
function scoreBlock(queries: usize, k: usize, dims: usize, first: usize, extent: usize, to: usize): void {
  const stop = queries + (dims << 4);
  const panel = dims << 5;
  const tile: usize = WIDE ? 64 : 32; // bytes of scores
  first &= ~(tile - 1);
  let from = k + first * dims;
  for (let p = to + first; p < to + extent; p += tile) {
    let a0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    let a2 = f32x4.splat(0);
    let a3 = f32x4.splat(0);
    let b0 = f32x4.splat(0);
    let b1 = f32x4.splat(0);
    let b2 = f32x4.splat(0);
    let b3 = f32x4.splat(0);
    let c0 = f32x4.splat(0);
    let c1 = f32x4.splat(0);
    let c2 = f32x4.splat(0);
    let c3 = f32x4.splat(0);
    let d0 = f32x4.splat(0);
    let d1 = f32x4.splat(0);
    let d2 = f32x4.splat(0);
    let d3 = f32x4.splat(0);
    for (let q = queries; q < stop; q += 16, from += 32) {
      const k0 = v128.load(from);
      const k1 = v128.load(from, 16);
      const k2 = WIDE ? v128.load(from + panel) : k0;
      const k3 = WIDE ? v128.load(from + panel, 16) : k0;
      const a = v128.load32_splat(q);
      a0 = madd(a0, k0, a);
      a1 = madd(a1, k1, a);
      if (WIDE) a2 = madd(a2, k2, a);
      if (WIDE) a3 = madd(a3, k3, a);
      const b = v128.load32_splat(q, 4);
      b0 = madd(b0, k0, b);
      b1 = madd(b1, k1, b);
      if (WIDE) b2 = madd(b2, k2, b);
      if (WIDE) b3 = madd(b3, k3, b);
      const c = v128.load32_splat(q, 8);
      c0 = madd(c0, k0, c);
      c1 = madd(c1, k1, c);
      if (WIDE) c2 = madd(c2, k2, c);
      if (WIDE) c3 = madd(c3, k3, c);
      const d = v128.load32_splat(q, 12);
      d0 = madd(d0, k0, d);
      d1 = madd(d1, k1, d);
      if (WIDE) d2 = madd(d2, k2, d);
      if (WIDE) d3 = madd(d3, k3, d);
    }
    if (WIDE) from += panel;
    storeRows(p, a0, a1);
    if (WIDE) storeRows(p + 32, a2, a3);
    storeRows(p + SCORES, b0, b1);
    if (WIDE) storeRows(p + SCORES + 32, b2, b3);
    storeRows(p + 2 * SCORES, c0, c1);
    if (WIDE) storeRows(p + 2 * SCORES + 32, c2, c3);
    storeRows(p + 3 * SCORES, d0, d1);
    if (WIDE) storeRows(p + 3 * SCORES + 32, d2, d3);
  }
}

/** The soft limit of one query's scores, in place: limit * tanh(x). */
function capScores(scores: usize, first: usize, extent: usize, limit: f32, table: usize): void {
  const caps = f32x4.splat(limit);
  for (let s = scores + first; s < scores + extent; s += 16) {
    v128.store(s, f32x4.mul(tanh(v128.load(s), table), caps));
  }
}

/** One query's scores fall by `slope` for each position between theirs and position `here` of the tile, where the query stands. */
function addDistances(scores: usize, first: usize, extent: usize, here: i32, slope: f32): void {
  let distance = f32x4.sub(f32x4(0, 1, 2, 3), f32x4.splat(<f32>(here - <i32>(first >> 2))));
  const slopes = f32x4.splat(slope);
  for (let s = scores + first; s < scores + extent; s += 16) {
    v128.store(s, f32x4.sub(v128.load(s), f32x4.mul(slopes, f32x4.abs(distance))));
    distance = f32x4.add(distance, f32x4.splat(4));
  }
}

/** One query's scores of positions outside [begin, end) become -infinity. */
function hideScores(scores: usize, first: usize, extent: usize, begin: i32, end: i32): void {
  const least = <i32>(first >> 2);
  if (begin <= least && <usize>max(0, end) << 2 >= extent) return;
  let lane = i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(least));
  const begins = i32x4.splat(begin);
  const ends = i32x4.splat(end);
  for (let s = scores + first; s < scores + extent; s += 16) {
    const visible = v128.and(i32x4.ge_s(lane, begins), i32x4.lt_s(lane, ends));
    v128.store(s, v128.bitselect(v128.load(s), f32x4.splat(-Infinity), visible));
    lane = i32x4.add(lane, i32x4.splat(4));
  }
}

/**
 * Turns the scores of a block into weights, in place: powers of 2, as scores are in units of ln 2. `tops`, `sums`: the largest score and the
 * sum of weights of each query so far, (4). `corrections`: what the results so far must be multiplied by, (4).
 *
 * A query that has seen nothing yet has the smallest finite number as its largest score. What is hidden, -infinity, weighs 2^-126, beside
 * the 1 of the largest: nothing, as far as f32 goes.
 */
function softmaxBlock(
  scores: usize,
  first: usize,
  extent: usize,
  tops: usize,
  sums: usize,
  corrections: usize,
  table: usize,
): void {
  const begin = scores + first;
  const stop = scores + extent;
  let a = v128.load(begin);
  let b = v128.load(begin, SCORES);
  let c = v128.load(begin, 2 * SCORES);
  let d = v128.load(begin, 3 * SCORES);
  for (let s = begin + 16; s < stop; s += 16) {
    a = f32x4.pmax(a, v128.load(s));
    b = f32x4.pmax(b, v128.load(s, SCORES));
    c = f32x4.pmax(c, v128.load(s, 2 * SCORES));
    d = f32x4.pmax(d, v128.load(s, 3 * SCORES));
  }
  const before = v128.load(tops);
  const top = f32x4.pmax(before, maxLanesOfFour(a, b, c, d));
  v128.store(tops, top);
  if (WIDE) {
    a = weighPairs(begin, stop, tops, table);
    b = weighPairs(begin + SCORES, stop + SCORES, tops + 4, table);
    c = weighPairs(begin + 2 * SCORES, stop + 2 * SCORES, tops + 8, table);
    d = weighPairs(begin + 3 * SCORES, stop + 3 * SCORES, tops + 12, table);
  } else {
    a = weigh(begin, stop, v128.shuffle<i32>(top, top, 0, 0, 0, 0), table);
    b = weigh(begin + SCORES, stop + SCORES, v128.shuffle<i32>(top, top, 1, 1, 1, 1), table);
    c = weigh(begin + 2 * SCORES, stop + 2 * SCORES, v128.shuffle<i32>(top, top, 2, 2, 2, 2), table);
    d = weigh(begin + 3 * SCORES, stop + 3 * SCORES, v128.shuffle<i32>(top, top, 3, 3, 3, 3), table);
  }
  // `corrections` is also where the four exponents become powers, as scores do.
  v128.store(corrections, before);
  const correction = weigh(corrections, corrections + 16, top, table);
  v128.store(sums, f32x4.add(f32x4.mul(v128.load(sums), correction), sumLanesOfFour(a, b, c, d)));
}

/**
 * 2^(score - top) in place, for scores up to `top`, relative error below 3e-7; NaN gives NaN, and less than 2^-126 gives that. Returns their
 * sums, by lanes. With x = n + r and |r| <= 1/2, 2^r is a polynomial and 2^n goes to the exponent field. One vector after another: the
 * processor overlaps them by itself, and the constants stay in registers.
 */
function weigh(scores: usize, stop: usize, top: v128, table: usize): v128 {
  const least = v128.load(table + 0 * CONSTANT_BYTES);
  const rounder = v128.load(table + 1 * CONSTANT_BYTES);
  const one = v128.load(table + 2 * CONSTANT_BYTES);
  const c1 = v128.load(table + 3 * CONSTANT_BYTES);
  const c2 = v128.load(table + 4 * CONSTANT_BYTES);
  const c3 = v128.load(table + 5 * CONSTANT_BYTES);
  const c4 = v128.load(table + 6 * CONSTANT_BYTES);
  const c5 = v128.load(table + 7 * CONSTANT_BYTES);
  let sum = f32x4.splat(0);
  for (; scores < stop; scores += 16) {
    const weight = powerOf(f32x4.sub(v128.load(scores), top), least, rounder, one, c1, c2, c3, c4, c5);
    v128.store(scores, weight);
    sum = f32x4.add(sum, weight);
  }
  return sum;
}

/** 2^x, as `weigh` has it. */
@inline
function powerOf(x: v128, least: v128, rounder: v128, one: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128): v128 {
  const y = f32x4.pmax(x, least);
  const shifted = f32x4.add(y, rounder);
  const r = f32x4.sub(y, f32x4.sub(shifted, rounder));
  let p = madd(c4, c5, r);
  p = madd(c3, p, r);
  p = madd(c2, p, r);
  p = madd(c1, p, r);
  p = madd(one, p, r);
  // The bits of 2^n are those of 1 plus n << 23.
  return f32x4.mul(p, i32x4.add(i32x4.shl(shifted, 23), one));
}

/** `weigh` for the wide builds: two vectors at a time, the same additions. `top` lies in memory: V8 must see that both have the same. */
function weighPairs(scores: usize, stop: usize, top: usize, table: usize): v128 {
  const largest = v128.load32_splat(top);
  const least = v128.load(table + 0 * CONSTANT_BYTES);
  const rounder = v128.load(table + 1 * CONSTANT_BYTES);
  const one = v128.load(table + 2 * CONSTANT_BYTES);
  const c1 = v128.load(table + 3 * CONSTANT_BYTES);
  const c2 = v128.load(table + 4 * CONSTANT_BYTES);
  const c3 = v128.load(table + 5 * CONSTANT_BYTES);
  const c4 = v128.load(table + 6 * CONSTANT_BYTES);
  const c5 = v128.load(table + 7 * CONSTANT_BYTES);
  const leastHigh = v128.load(table + 0 * CONSTANT_BYTES, 16);
  const rounderHigh = v128.load(table + 1 * CONSTANT_BYTES, 16);
  const oneHigh = v128.load(table + 2 * CONSTANT_BYTES, 16);
  const c1High = v128.load(table + 3 * CONSTANT_BYTES, 16);
  const c2High = v128.load(table + 4 * CONSTANT_BYTES, 16);
  const c3High = v128.load(table + 5 * CONSTANT_BYTES, 16);
  const c4High = v128.load(table + 6 * CONSTANT_BYTES, 16);
  const c5High = v128.load(table + 7 * CONSTANT_BYTES, 16);
  let sum = f32x4.splat(0);
  for (; scores < stop; scores += 32) {
    const x = f32x4.sub(v128.load(scores), largest);
    const xHigh = f32x4.sub(v128.load(scores, 16), largest);
    const low = powerOf(x, least, rounder, one, c1, c2, c3, c4, c5);
    const high = powerOf(xHigh, leastHigh, rounderHigh, oneHigh, c1High, c2High, c3High, c4High, c5High);
    storeRows(scores, low, high);
    sum = f32x4.add(f32x4.add(sum, low), high);
  }
  return sum;
}

/** Writes the constants of `weigh` to scratch, each in `CONSTANT_BYTES`. */
function writePowerTable(at: usize): void {
  putConstant(at, 0, f32x4.splat(-126));
  // 1.5 * 2^23: adding it rounds to an integer, which lies in the low bits of the sum.
  putConstant(at, 1, f32x4.splat(12582912));
  putConstant(at, 2, f32x4.splat(1));
  // 2^r: the coefficients of `expNegative` times powers of ln 2.
  putConstant(at, 3, f32x4.splat(0.6931471805599453));
  putConstant(at, 4, f32x4.splat(0.24022281275627255));
  putConstant(at, 5, f32x4.splat(0.055505599055179156));
  putConstant(at, 6, f32x4.splat(0.009669718180046798));
  putConstant(at, 7, f32x4.splat(0.0013300257165302172));
}

/** `accumulateBlock` for 8 dimensions, or, `two`, 16. */
@inline
function accumulateTile(
  two: bool,
  begin: usize,
  stop: usize,
  from: usize,
  fresh: bool,
  corrections: usize,
  factors: usize,
  a: usize,
  b: usize,
  c: usize,
  d: usize,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let c3 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  let d2 = f32x4.splat(0);
  let d3 = f32x4.splat(0);
  if (!fresh) {
    let correction = v128.load32_splat(corrections);
    a0 = f32x4.mul(v128.load(a), correction);
    a1 = f32x4.mul(v128.load(a, 16), correction);
    if (two) a2 = f32x4.mul(v128.load(a, 32), correction);
    if (two) a3 = f32x4.mul(v128.load(a, 48), correction);
    correction = v128.load32_splat(corrections, 4);
    b0 = f32x4.mul(v128.load(b), correction);
    b1 = f32x4.mul(v128.load(b, 16), correction);
    if (two) b2 = f32x4.mul(v128.load(b, 32), correction);
    if (two) b3 = f32x4.mul(v128.load(b, 48), correction);
    correction = v128.load32_splat(corrections, 8);
    c0 = f32x4.mul(v128.load(c), correction);
    c1 = f32x4.mul(v128.load(c, 16), correction);
    if (two) c2 = f32x4.mul(v128.load(c, 32), correction);
    if (two) c3 = f32x4.mul(v128.load(c, 48), correction);
    correction = v128.load32_splat(corrections, 12);
    d0 = f32x4.mul(v128.load(d), correction);
    d1 = f32x4.mul(v128.load(d, 16), correction);
    if (two) d2 = f32x4.mul(v128.load(d, 32), correction);
    if (two) d3 = f32x4.mul(v128.load(d, 48), correction);
  }
  for (let w = begin; w < stop; w += 4, from += 32) {
    const v0 = v128.load(from);
    const v1 = v128.load(from, 16);
    const v2 = two ? v128.load(from, V_PANEL) : v0;
    const v3 = two ? v128.load(from, V_PANEL + 16) : v0;
    const weightA = v128.load32_splat(w);
    a0 = madd(a0, v0, weightA);
    a1 = madd(a1, v1, weightA);
    if (two) a2 = madd(a2, v2, weightA);
    if (two) a3 = madd(a3, v3, weightA);
    const weightB = v128.load32_splat(w, SCORES);
    b0 = madd(b0, v0, weightB);
    b1 = madd(b1, v1, weightB);
    if (two) b2 = madd(b2, v2, weightB);
    if (two) b3 = madd(b3, v3, weightB);
    const weightC = v128.load32_splat(w, 2 * SCORES);
    c0 = madd(c0, v0, weightC);
    c1 = madd(c1, v1, weightC);
    if (two) c2 = madd(c2, v2, weightC);
    if (two) c3 = madd(c3, v3, weightC);
    const weightD = v128.load32_splat(w, 3 * SCORES);
    d0 = madd(d0, v0, weightD);
    d1 = madd(d1, v1, weightD);
    if (two) d2 = madd(d2, v2, weightD);
    if (two) d3 = madd(d3, v3, weightD);
  }
  // A block that is not full has its last query several times: then all of these are the same.
  const factorA = v128.load32_splat(factors);
  const factorB = v128.load32_splat(factors, 4);
  const factorC = v128.load32_splat(factors, 8);
  const factorD = v128.load32_splat(factors, 12);
  storeRows(a, f32x4.mul(a0, factorA), f32x4.mul(a1, factorA));
  if (two) storeRows(a + 32, f32x4.mul(a2, factorA), f32x4.mul(a3, factorA));
  storeRows(b, f32x4.mul(b0, factorB), f32x4.mul(b1, factorB));
  if (two) storeRows(b + 32, f32x4.mul(b2, factorB), f32x4.mul(b3, factorB));
  storeRows(c, f32x4.mul(c0, factorC), f32x4.mul(c1, factorC));
  if (two) storeRows(c + 32, f32x4.mul(c2, factorC), f32x4.mul(c3, factorC));
  storeRows(d, f32x4.mul(d0, factorD), f32x4.mul(d1, factorD));
  if (two) storeRows(d + 32, f32x4.mul(d2, factorD), f32x4.mul(d3, factorD));
}

/**
 * result = (result * correction + sum over positions [first, end) of weight * v) * factor, of four queries; `fresh`: there is no result
 * yet. `weights`: (4, 256) f32, `corrections` and `factors` (4), `a` .. `d`: the four results.
 */
function accumulateBlock(
  weights: usize,
  v: usize,
  dims: usize,
  first: usize,
  end: usize,
  fresh: bool,
  corrections: usize,
  factors: usize,
  a: usize,
  b: usize,
  c: usize,
  d: usize,
): void {
  const row = dims << 2;
  const begin = weights + (first << 2);
  const stop = weights + (end << 2);
  let i: usize = 0;
  if (WIDE) {
    for (; i + 64 <= row; i += 64, v += 2 * V_PANEL) {
      accumulateTile(true, begin, stop, v + (first << 5), fresh, corrections, factors, a + i, b + i, c + i, d + i);
    }
  }
  for (; i + 32 <= row; i += 32, v += V_PANEL) {
    accumulateTile(false, begin, stop, v + (first << 5), fresh, corrections, factors, a + i, b + i, c + i, d + i);
  }
  if (i == row) return;
  let a0 = f32x4.splat(0);
  let b0 = a0;
  let c0 = a0;
  let d0 = a0;
  if (!fresh) {
    a0 = f32x4.mul(v128.load(a + i), v128.load32_splat(corrections));
    b0 = f32x4.mul(v128.load(b + i), v128.load32_splat(corrections, 4));
    c0 = f32x4.mul(v128.load(c + i), v128.load32_splat(corrections, 8));
    d0 = f32x4.mul(v128.load(d + i), v128.load32_splat(corrections, 12));
  }
  for (let w = begin, from = v + (first << 4); w < stop; w += 4, from += 16) {
    const v0 = v128.load(from);
    a0 = madd(a0, v0, v128.load32_splat(w));
    b0 = madd(b0, v0, v128.load32_splat(w, SCORES));
    c0 = madd(c0, v0, v128.load32_splat(w, 2 * SCORES));
    d0 = madd(d0, v0, v128.load32_splat(w, 3 * SCORES));
  }
  v128.store(a + i, f32x4.mul(a0, v128.load32_splat(factors)));
  v128.store(b + i, f32x4.mul(b0, v128.load32_splat(factors, 4)));
  v128.store(c + i, f32x4.mul(c0, v128.load32_splat(factors, 8)));
  v128.store(d + i, f32x4.mul(d0, v128.load32_splat(factors, 12)));
}

/**
 * Rows [first, first + rows) of a text of `length` tokens; `first` times `heads` is a multiple of 4.
 *
 * `q`, `out`: the call's first row, (rows, heads * headDim) f32 with rows `stride` bytes apart; `k`, `v`: the text's first row, (length,
 * headDim) f32, `kvStride`. `scale`: what q . k is multiplied by; `softcap`: the soft limit of the product, 0 for none. `window`:
 * positions that a row may look back, its own included (0: all); `ahead`: positions after its own that it sees. `sinks`, `slopes`: (heads) f32,
 * or 0 for none. `scratch`: `textAttentionScratchBytes`.
 */
export function textAttention(
  q: usize,
  k: usize,
  v: usize,
  out: usize,
  stride: usize,
  kvStride: usize,
  length: i32,
  first: i32,
  rows: i32,
  heads: i32,
  headDim: i32,
  scale: f32,
  softcap: f32,
  window: i32,
  ahead: i32,
  sinks: usize,
  slopes: usize,
  scratch: usize,
): void {
  const dims = <usize>headDim;
  const vector = dims << 2;
  // Scores are in units of ln 2 in the end: e^x is a power of 2. `capScores` multiplies by the soft limit again.
  const limit = softcap * LOG2_E;
  scale = softcap == 0 ? scale * LOG2_E : scale / softcap;
  const queries = rows * heads;
  const blocks = (queries + 3) >> 2;
  const tanhTable = scratch;
  const table = tanhTable + EXP_TABLE_BYTES;
  const corrections = table + POWER_TABLE_BYTES; // (4)
  const factors = corrections + 16; // (4)
  const scores = factors + 16; // (4, 256)
  const block = scores + 4 * SCORES; // (headDim, 4)
  const keys = block + (dims << 4); // (32, headDim, 8)
  const values = keys + dims * SCORES; // (headDim / 8, 256, 8)
  const tops = values + dims * SCORES; // (queries)
  const sums = tops + (<usize>blocks << 4); // (queries)
  writeExpTable(tanhTable);
  writePowerTable(table);
  for (let i = 0; i < blocks << 2; i++) {
    const at = <usize>i << 2;
    const sink = sinks + (<usize>(min(i, queries - 1) % heads) << 2);
    store<f32>(tops + at, sinks == 0 ? -f32.MAX_VALUE : max(LOG2_E * load<f32>(sink), -f32.MAX_VALUE));
    store<f32>(sums + at, sinks == 0 ? 0 : 1);
  }

  const oldest = window > 0 ? max(0, first - window + 1) : 0;
  const newest = min(length, first + rows + min(ahead, length));
  for (let base = oldest & ~(<i32>TILE - 1); base < newest; base += <i32>TILE) {
    const count = min(<i32>TILE, length - base);
    packKeys(k + <usize>base * kvStride, kvStride, count, dims, keys);
    packValues(v + <usize>base * kvStride, kvStride, count, dims, values);
    for (let n = 0; n < blocks; n++) {
      const query = n << 2;
      const lastQuery = min(query + 3, queries - 1);
      const firstRow = first + query / heads;
      const lastRow = first + lastQuery / heads;
      // What some row of the block sees, of the text and then of the tile.
      const textBegin = window > 0 ? max(0, firstRow - window + 1) : 0;
      const textEnd = min(length, lastRow + min(ahead, length) + 1);
      const begin = max(0, textBegin - base);
      const end = min(count, textEnd - base);
      if (begin >= end) continue;
      const head1 = min(query + 1, lastQuery);
      const head2 = min(query + 2, lastQuery);
      const a = <usize>(query / heads) * stride + <usize>(query % heads) * vector;
      const b = <usize>(head1 / heads) * stride + <usize>(head1 % heads) * vector;
      const c = <usize>(head2 / heads) * stride + <usize>(head2 % heads) * vector;
      const d = <usize>(lastQuery / heads) * stride + <usize>(lastQuery % heads) * vector;
      const from = <usize>(begin & ~7) << 2;
      const extent = <usize>((end + 7) & ~7) << 2;
      packQueries(q + a, q + b, q + c, q + d, dims, scale, block);
      scoreBlock(block, keys, dims, from, extent, scores);
      for (let i = 0; i < 4; i++) {
        const one = scores + <usize>i * SCORES;
        const which = min(query + i, lastQuery);
        const row = first + which / heads;
        if (softcap != 0) capScores(one, from, extent, limit, tanhTable);
        if (slopes != 0) addDistances(one, from, extent, row - base, LOG2_E * load<f32>(slopes + (<usize>(which % heads) << 2)));
        const seen = window > 0 ? row - window + 1 - base : 0;
        hideScores(one, from, extent, seen, min(count, row + min(ahead, length) + 1 - base));
      }
      const at = <usize>query << 2;
      softmaxBlock(scores, from, extent, tops + at, sums + at, corrections, table);
      const isLast = base + count >= textEnd;
      v128.store(factors, isLast ? f32x4.div(f32x4.splat(1), v128.load(sums + at)) : f32x4.splat(1));
      accumulateBlock(
        scores,
        values,
        dims,
        begin,
        end,
        base <= textBegin,
        corrections,
        factors,
        out + a,
        out + b,
        out + c,
        out + d,
      );
    }
  }
}
