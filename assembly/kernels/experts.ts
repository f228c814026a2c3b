// What a mixture of experts adds to a layer (Shazeer et al. 2017; Fedus et al. 2022): the choice of the experts of a token, and the sum of
// their results.
//
//   choice   a token's logits      L1           one pass keeps the largest in order; then their softmax
//   sum      16 columns            registers    every term's row is read once
//
// Cost of a choice among E experts: E loads and comparisons, an insertion for each of the few logits that enter the list; then one exp of
// 26 instructions for each chosen expert, or for every four experts where the softmax is over all. Cost of a sum of T rows: T + 1 loads,
// T multiply-adds and 1 store for 4 columns; a weight and an index are loaded for 16 columns. 4 sums in registers.
// Plain version: test/support/kernels/experts-twin.ts.

import { expNegative, madd, sumLanes, writeExpTable } from "../lanes";

/** e^x of one x <= 0. `table`: from `writeExpTable`. */
@inline
function expOne(x: f32, table: usize): f32 {
  return f32x4.extract_lane(expNegative(f32x4.splat(x), table), 0);
}

/**
 * The `used` largest of the `count` f32 at `logits`, the largest first; of equal ones the expert with the lower number comes first. Their
 * numbers go to `ids`, (used) int32, and their weights to `weights`, (used) f32: the softmax over all logits, or over the chosen ones
 * alone if `amongChosen` is 1 (the same as the softmax over all, divided by the sum of the chosen).
 *
 * `used` is at most `count`. Ids are in range whatever the logits are; weights are NaN if a logit is. `scratch`: `EXP_TABLE_BYTES`.
 */
export function chooseExperts(
  logits: usize,
  count: i32,
  used: i32,
  amongChosen: i32,
  ids: usize,
  weights: usize,
  scratch: usize,
): void {
  writeExpTable(scratch);
  const end = <usize>used << 2;
  let filled: usize = 0;
  for (let expert = 0; expert < count; expert++) {
    const logit = load<f32>(logits + (<usize>expert << 2));
    let at = filled;
    if (filled == end) {
      at = end - 4;
      if (!(logit > load<f32>(weights + at))) continue;
    } else {
      filled += 4;
    }
    for (; at > 0 && logit > load<f32>(weights + at - 4); at -= 4) {
      store<f32>(weights + at, load<f32>(weights + at - 4));
      store<i32>(ids + at, load<i32>(ids + at - 4));
    }
    store<f32>(weights + at, logit);
    store<i32>(ids + at, expert);
  }

  const top = load<f32>(weights);
  let sum: f32 = 0;
  if (!amongChosen) {
    const bytes = <usize>count << 2;
    const whole = bytes & ~15;
    const tops = f32x4.splat(top);
    let sums = f32x4.splat(0);
    for (let i: usize = 0; i < whole; i += 16) {
      sums = f32x4.add(sums, expNegative(f32x4.sub(v128.load(logits + i), tops), scratch));
    }
    sum = sumLanes(sums);
    for (let i = whole; i < bytes; i += 4) sum += expOne(load<f32>(logits + i) - top, scratch);
  }
  for (let at: usize = 0; at < end; at += 4) {
    const weight = expOne(load<f32>(weights + at) - top, scratch);
    store<f32>(weights + at, weight);
    if (amongChosen) sum += weight;
  }
  for (let at: usize = 0; at < end; at += 4) store<f32>(weights + at, load<f32>(weights + at) / sum);
}

/**
 * y += weights[0] * rows[indices[0]] + weights[1] * rows[indices[1]] + ..., for `count` f32 (a multiple of 4). The terms are added to each
 * other in their order, and their sum to y.
 *
 * `rows`: f32, `stride` bytes apart; `indices`: (terms) int32; `weights`: (terms) f32.
 */
export function addWeightedRows(
  y: usize,
  rows: usize,
  stride: usize,
  indices: usize,
  weights: usize,
  terms: i32,
  count: i32,
): void {
  const bytes = <usize>count << 2;
  const end = <usize>terms << 2;
  let i: usize = 0;
  for (; i + 64 <= bytes; i += 64) {
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    for (let term: usize = 0; term < end; term += 4) {
      const from = rows + <usize>load<u32>(indices + term) * stride + i;
      const weight = v128.load32_splat(weights + term);
      a = madd(a, v128.load(from), weight);
      b = madd(b, v128.load(from, 16), weight);
      c = madd(c, v128.load(from, 32), weight);
      d = madd(d, v128.load(from, 48), weight);
    }
    v128.store(y + i, f32x4.add(v128.load(y + i), a));
    v128.store(y + i, f32x4.add(v128.load(y + i, 16), b), 16);
    v128.store(y + i, f32x4.add(v128.load(y + i, 32), c), 32);
    v128.store(y + i, f32x4.add(v128.load(y + i, 48), d), 48);
  }
  for (; i < bytes; i += 16) {
    let a = f32x4.splat(0);
    for (let term: usize = 0; term < end; term += 4) {
      const from = rows + <usize>load<u32>(indices + term) * stride + i;
      a = madd(a, v128.load(from), v128.load32_splat(weights + term));
    }
    v128.store(y + i, f32x4.add(v128.load(y + i), a));
  }
}
