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
//   item    up to 16 query rows of one sequence, and all heads that share one KV head (GQA)
//   page    64 positions     k and v of the page are decoded to f32 once (L1/L2) and serve all rows and heads of the item
//   block   4 queries        4 x 64 scores, their softmax, and the sums over v: what is loaded of k and v serves four (registers)
//   query   1 row, 1 head    the same for the queries that are left; v too where the four of a block do not see the same positions
//
// A row sees the positions from `window` - 1 before its own to `ahead` after it, within the sequence: causal attention looks 0 positions
// ahead, an encoder's attention all.
//
// Exactness: pages begin at absolute multiples of 64 positions and are merged in their order. The scores of positions that a row may not
// see are replaced by -infinity, so what lies there (perhaps never written) does not matter, and their v is never read. So the result of a
// row depends on its own positions only, not on the chunk, the tile or the worker.
//
// Cost for one block and page with D = 64: 4 * 64 * 64 / 4 multiply-adds for the scores and as many for v, each with 3/4 of a load; 64
// exp of 4 lanes, 26 instructions each; decoding of f16 5 instructions for 4 elements, shared by all rows and heads. 8 sums and 6 loaded
// vectors in registers. A soft limit: 64 tanh of 4 lanes.

import { EXP_TABLE_BYTES, PAGE } from "../abi";
import { expNegative, madd, maxLanes, maxLanesOfFour, sumLanes, sumLanesOfFour, tanh, writeExpTable } from "../lanes";
import { decodeK, decodeV, kvTileBytes, PAGE_BYTES_F32 } from "./kv_page";

/**
 * Bytes of scratch for `queries` query vectors (rows times heads of an item, Q), with D = headDim; `attention` lays it out:
 *
 *   SIZE         DESCRIPTION
 *      160       the constants of exp
 *       16       corrections of a block: (4) f32
 *     1024       scores of a block: (4, 64) f32
 *    256 D       k of the page: (D, 64) f32
 *    256 D       v of the page: (64, D) f32
 *      4 D Q     queries, as `sortQueries` sorts them
 *      4 D Q     results: (Q, D) f32
 *     16 Q       largest scores, sums of weights (f32), first and end of the visible positions (int32): (Q) each
 */
export function attentionScratchBytes(headDim: i32, queries: i32): usize {
  const tiles = <usize>(4 + 2 * headDim) * PAGE_BYTES_F32;
  return <usize>(EXP_TABLE_BYTES + 16) + tiles + <usize>queries * (16 + (<usize>headDim << 3));
}

/**
 * Scores of four queries, `queries` (headDim, 4), to (4, 64) f32 at `to`, as far as `extent` bytes of each row. Each is one chain of
 * additions in the order of the dimensions.
 */
function scoreBlock(queries: usize, k: usize, headDim: usize, scale: f32, extent: usize, to: usize): void {
  const scales = f32x4.splat(scale);
  const stop = queries + (headDim << 4);
  for (let p: usize = 0; p < extent; p += 32) {
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    let from = k + p;
    for (let q = queries; q < stop; q += 16, from += PAGE_BYTES_F32) {
      const k0 = v128.load(from);
      const k1 = v128.load(from, 16);
      const a = v128.load32_splat(q);
      a0 = madd(a0, k0, a);
      a1 = madd(a1, k1, a);
      const b = v128.load32_splat(q, 4);
      b0 = madd(b0, k0, b);
      b1 = madd(b1, k1, b);
      const c = v128.load32_splat(q, 8);
      c0 = madd(c0, k0, c);
      c1 = madd(c1, k1, c);
      const d = v128.load32_splat(q, 12);
      d0 = madd(d0, k0, d);
      d1 = madd(d1, k1, d);
    }
    v128.store(to + p, f32x4.mul(a0, scales));
    v128.store(to + p, f32x4.mul(a1, scales), 16);
    v128.store(to + p, f32x4.mul(b0, scales), PAGE * 4);
    v128.store(to + p, f32x4.mul(b1, scales), PAGE * 4 + 16);
    v128.store(to + p, f32x4.mul(c0, scales), PAGE * 8);
    v128.store(to + p, f32x4.mul(c1, scales), PAGE * 8 + 16);
    v128.store(to + p, f32x4.mul(d0, scales), PAGE * 12);
    v128.store(to + p, f32x4.mul(d1, scales), PAGE * 12 + 16);
  }
}

/** Scores of one query, (headDim), to (64) f32 at `to`, with the additions of `scoreBlock`; computes up to 8 scores beyond `extent`. */
function scoreQuery(query: usize, k: usize, headDim: usize, scale: f32, extent: usize, to: usize): void {
  const scales = f32x4.splat(scale);
  for (let p: usize = 0; p < extent; p += 64) {
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    let from = k + p;
    for (let q = query, stop = query + (headDim << 2); q < stop; q += 4, from += PAGE_BYTES_F32) {
      const value = v128.load32_splat(q);
      a = madd(a, v128.load(from), value);
      b = madd(b, v128.load(from, 16), value);
      c = madd(c, v128.load(from, 32), value);
      d = madd(d, v128.load(from, 48), value);
    }
    v128.store(to + p, f32x4.mul(a, scales));
    v128.store(to + p, f32x4.mul(b, scales), 16);
    v128.store(to + p, f32x4.mul(c, scales), 32);
    v128.store(to + p, f32x4.mul(d, scales), 48);
  }
}

/** The soft limit of scores, in place, as far as `extent` bytes: softcap * tanh(x), where x is the score divided by softcap. */
function capScores(scores: usize, softcap: f32, extent: usize, table: usize): void {
  const caps = f32x4.splat(softcap);
  for (const stop = scores + extent; scores < stop; scores += 16) {
    v128.store(scores, f32x4.mul(tanh(v128.load(scores), table), caps));
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

/**
 * Turns the scores of a block, (4, 64), into weights, in place. `tops`, `sums`: the largest score and the sum of weights of each query so
 * far, (4). `corrections`: what the results so far must be multiplied by, (4).
 *
 * A query that has seen nothing yet has the smallest finite number as its largest score, against which a hidden score, -infinity, weighs 0.
 */
function softmaxBlock(
  scores: usize,
  extent: usize,
  tops: usize,
  sums: usize,
  corrections: usize,
  table: usize,
): void {
  let a = v128.load(scores);
  let b = v128.load(scores, PAGE * 4);
  let c = v128.load(scores, PAGE * 8);
  let d = v128.load(scores, PAGE * 12);
  for (let s = scores + 16, stop = scores + extent; s < stop; s += 16) {
    a = f32x4.pmax(a, v128.load(s));
    b = f32x4.pmax(b, v128.load(s, PAGE * 4));
    c = f32x4.pmax(c, v128.load(s, PAGE * 8));
    d = f32x4.pmax(d, v128.load(s, PAGE * 12));
  }
  const before = v128.load(tops);
  const top = f32x4.pmax(before, maxLanesOfFour(a, b, c, d));
  const correction = expNegative(f32x4.sub(before, top), table);
  v128.store(tops, top);
  v128.store(corrections, correction);

  const topA = v128.shuffle<i32>(top, top, 0, 0, 0, 0);
  const topB = v128.shuffle<i32>(top, top, 1, 1, 1, 1);
  const topC = v128.shuffle<i32>(top, top, 2, 2, 2, 2);
  const topD = v128.shuffle<i32>(top, top, 3, 3, 3, 3);
  a = f32x4.splat(0);
  b = a;
  c = a;
  d = a;
  for (let s = scores, stop = scores + extent; s < stop; s += 16) {
    const weightA = expNegative(f32x4.sub(v128.load(s), topA), table);
    a = f32x4.add(a, weightA);
    v128.store(s, weightA);
    const weightB = expNegative(f32x4.sub(v128.load(s, PAGE * 4), topB), table);
    b = f32x4.add(b, weightB);
    v128.store(s, weightB, PAGE * 4);
    const weightC = expNegative(f32x4.sub(v128.load(s, PAGE * 8), topC), table);
    c = f32x4.add(c, weightC);
    v128.store(s, weightC, PAGE * 8);
    const weightD = expNegative(f32x4.sub(v128.load(s, PAGE * 12), topD), table);
    d = f32x4.add(d, weightD);
    v128.store(s, weightD, PAGE * 12);
  }
  v128.store(sums, f32x4.add(f32x4.mul(v128.load(sums), correction), sumLanesOfFour(a, b, c, d)));
}

/** `softmaxBlock` for one query. Returns its correction. */
function softmaxQuery(scores: usize, extent: usize, tops: usize, sums: usize, table: usize): f32 {
  let most = v128.load(scores);
  for (let p: usize = 16; p < extent; p += 16) most = f32x4.pmax(most, v128.load(scores + p));
  const before = v128.load32_splat(tops);
  const top = f32x4.pmax(before, maxLanes(most));
  let sum = f32x4.splat(0);
  for (let p: usize = 0; p < extent; p += 16) {
    const weight = expNegative(f32x4.sub(v128.load(scores + p), top), table);
    v128.store(scores + p, weight);
    sum = f32x4.add(sum, weight);
  }
  const correction = f32x4.extract_lane(expNegative(f32x4.sub(before, top), table), 0);
  v128.store32_lane(tops, top, 0);
  store<f32>(sums, load<f32>(sums) * correction + sumLanes(sum));
  return correction;
}

/** `accumulateQuery` for a block: `weights` (4, 64), `corrections` (4), results (4, headDim). */
function accumulateBlock(
  weights: usize,
  v: usize,
  headDim: usize,
  first: usize,
  end: usize,
  corrections: usize,
  results: usize,
): void {
  const row = headDim << 2;
  const begin = weights + (first << 2);
  const stop = weights + (end << 2);
  const r1 = results + row;
  const r2 = r1 + row;
  const r3 = r2 + row;
  let i: usize = 0;
  for (; i + 32 <= row; i += 32) {
    let factor = v128.load32_splat(corrections);
    let a0 = f32x4.mul(v128.load(results + i), factor);
    let a1 = f32x4.mul(v128.load(results + i, 16), factor);
    factor = v128.load32_splat(corrections, 4);
    let b0 = f32x4.mul(v128.load(r1 + i), factor);
    let b1 = f32x4.mul(v128.load(r1 + i, 16), factor);
    factor = v128.load32_splat(corrections, 8);
    let c0 = f32x4.mul(v128.load(r2 + i), factor);
    let c1 = f32x4.mul(v128.load(r2 + i, 16), factor);
    factor = v128.load32_splat(corrections, 12);
    let d0 = f32x4.mul(v128.load(r3 + i), factor);
    let d1 = f32x4.mul(v128.load(r3 + i, 16), factor);
    let from = v + i + first * row;
    for (let w = begin; w < stop; w += 4, from += row) {
      const v0 = v128.load(from);
      const v1 = v128.load(from, 16);
      const a = v128.load32_splat(w);
      a0 = madd(a0, v0, a);
      a1 = madd(a1, v1, a);
      const b = v128.load32_splat(w, PAGE * 4);
      b0 = madd(b0, v0, b);
      b1 = madd(b1, v1, b);
      const c = v128.load32_splat(w, PAGE * 8);
      c0 = madd(c0, v0, c);
      c1 = madd(c1, v1, c);
      const d = v128.load32_splat(w, PAGE * 12);
      d0 = madd(d0, v0, d);
      d1 = madd(d1, v1, d);
    }
    v128.store(results + i, a0);
    v128.store(results + i, a1, 16);
    v128.store(r1 + i, b0);
    v128.store(r1 + i, b1, 16);
    v128.store(r2 + i, c0);
    v128.store(r2 + i, c1, 16);
    v128.store(r3 + i, d0);
    v128.store(r3 + i, d1, 16);
  }
  if (i < row) {
    let a = f32x4.mul(v128.load(results + i), v128.load32_splat(corrections));
    let b = f32x4.mul(v128.load(r1 + i), v128.load32_splat(corrections, 4));
    let c = f32x4.mul(v128.load(r2 + i), v128.load32_splat(corrections, 8));
    let d = f32x4.mul(v128.load(r3 + i), v128.load32_splat(corrections, 12));
    let from = v + i + first * row;
    for (let w = begin; w < stop; w += 4, from += row) {
      const value = v128.load(from);
      a = madd(a, value, v128.load32_splat(w));
      b = madd(b, value, v128.load32_splat(w, PAGE * 4));
      c = madd(c, value, v128.load32_splat(w, PAGE * 8));
      d = madd(d, value, v128.load32_splat(w, PAGE * 12));
    }
    v128.store(results + i, a);
    v128.store(r1 + i, b);
    v128.store(r2 + i, c);
    v128.store(r3 + i, d);
  }
}

/** result = result * correction + sum over positions [first, end) of weight * v. headDim is a multiple of 4. */
function accumulateQuery(
  weights: usize,
  v: usize,
  headDim: usize,
  first: usize,
  end: usize,
  correction: f32,
  result: usize,
): void {
  const row = headDim << 2;
  const corrections = f32x4.splat(correction);
  let i: usize = 0;
  for (; i + 64 <= row; i += 64) {
    let a = f32x4.mul(v128.load(result + i), corrections);
    let b = f32x4.mul(v128.load(result + i, 16), corrections);
    let c = f32x4.mul(v128.load(result + i, 32), corrections);
    let d = f32x4.mul(v128.load(result + i, 48), corrections);
    let from = v + i + first * row;
    for (let w = weights + (first << 2), stop = weights + (end << 2); w < stop; w += 4, from += row) {
      const weight = v128.load32_splat(w);
      a = madd(a, v128.load(from), weight);
      b = madd(b, v128.load(from, 16), weight);
      c = madd(c, v128.load(from, 32), weight);
      d = madd(d, v128.load(from, 48), weight);
    }
    v128.store(result + i, a);
    v128.store(result + i, b, 16);
    v128.store(result + i, c, 32);
    v128.store(result + i, d, 48);
  }
  for (; i < row; i += 16) {
    let a = f32x4.mul(v128.load(result + i), corrections);
    let from = v + i + first * row;
    for (let w = weights + (first << 2), stop = weights + (end << 2); w < stop; w += 4, from += row) {
      a = madd(a, v128.load(from), v128.load32_splat(w));
    }
    v128.store(result + i, a);
  }
}

/** Queries in the order in which the loops read them: those of a block interleaved, (headDim, 4), the rest as they are. */
function sortQueries(q: usize, qStride: usize, rows: i32, heads: i32, dims: usize, to: usize, blocked: usize): void {
  let query: usize = 0;
  for (let row = 0; row < rows; row++, q += qStride) {
    let from = q;
    for (let head = 0; head < heads; head++, query++, from += dims << 2) {
      if (query >= blocked) {
        memory.copy(to + query * (dims << 2), from, dims << 2);
        continue;
      }
      const block = to + (query >> 2) * (dims << 4) + ((query & 3) << 2);
      for (let d: usize = 0; d < dims; d++) store<f32>(block + (d << 4), load<f32>(from + (d << 2)));
    }
  }
}

/** One page for the block that begins with query `query`. Row 0 of the item stands at position `here` of the page. */
function attendBlock(
  queries: usize,
  k: usize,
  v: usize,
  dims: usize,
  scale: f32,
  softcap: f32,
  extent: usize,
  tops: usize,
  sums: usize,
  firsts: usize,
  ends: usize,
  results: usize,
  scores: usize,
  corrections: usize,
  table: usize,
  slopes: usize,
  query: usize,
  heads: usize,
  here: i32,
): void {
  const first = v128.load(firsts);
  const end = v128.load(ends);
  if (!v128.any_true(i32x4.lt_s(first, end))) return;
  const sameFirst = i32x4.eq(first, v128.load32_splat(firsts));
  const sameEnd = i32x4.eq(end, v128.load32_splat(ends));
  const alike = i32x4.all_true(v128.and(sameFirst, sameEnd));
  scoreBlock(queries, k, dims, scale, extent, scores);
  if (softcap != 0) {
    for (let i: usize = 0; i < 4; i++) capScores(scores + i * PAGE_BYTES_F32, softcap, extent, table);
  }
  if (slopes != 0) {
    for (let i: usize = 0; i < 4; i++) {
      const slope = load<f32>(slopes + (((query + i) % heads) << 2));
      addDistances(scores + i * PAGE_BYTES_F32, here + <i32>((query + i) / heads), slope, extent);
    }
  }
  for (let i: usize = 0; i < 4; i++) {
    hideScores(scores + i * PAGE_BYTES_F32, load<i32>(firsts + (i << 2)), load<i32>(ends + (i << 2)), extent);
  }
  softmaxBlock(scores, extent, tops, sums, corrections, table);
  if (alike) {
    accumulateBlock(scores, v, dims, load<u32>(firsts), load<u32>(ends), corrections, results);
    return;
  }
  for (let i: usize = 0; i < 4; i++) {
    const at = i << 2;
    accumulateQuery(
      scores + i * PAGE_BYTES_F32,
      v,
      dims,
      load<u32>(firsts + at),
      load<u32>(ends + at),
      load<f32>(corrections + at),
      results + i * (dims << 2),
    );
  }
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

/**
 * One item. Row i of `rows` stands at position `position` + i.
 *
 * `q`: queries, (rows, ...) f32 with rows `qStride` bytes apart, the item's `heads` heads of headDim side by side at `q`; `out`: the same
 * shape, `outStride`. `scale`: what q . k is multiplied by; `softcap`: the soft limit of the product, 0 for none. `pages`: int32 page
 * numbers of the sequence; k of page n lies at `kv` + n * `pageBytes`, its v `kvTileBytes` later. `window`: positions that a row may look
 * back, its own included (0: all); `ahead`: positions after its own that it may see, up to `end`, the sequence's length. `sinks`,
 * `slopes`: (heads) f32, or 0 for none. `scratch`: `attentionScratchBytes`.
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
  out: usize,
  outStride: usize,
  scratch: usize,
): void {
  const dims = <usize>headDim;
  const vector = dims << 2;
  if (softcap != 0) scale /= softcap; // `capScores` multiplies by it again
  const queries = <usize>(rows * heads);
  const blocked = queries & ~3; // the queries of whole blocks; the rest go one by one
  const table = scratch;
  const corrections = table + EXP_TABLE_BYTES; // (4)
  const scores = corrections + 16; // (4, 64)
  const k = scores + 4 * PAGE_BYTES_F32; // (headDim, 64)
  const v = k + dims * PAGE_BYTES_F32; // (64, headDim)
  const sorted = v + dims * PAGE_BYTES_F32; // (blocks, headDim, 4), then (rest, headDim)
  const results = sorted + queries * vector; // (queries, headDim)
  const tops = results + queries * vector; // (queries)
  const sums = tops + (queries << 2);
  const firsts = sums + (queries << 2);
  const ends = firsts + (queries << 2);
  writeExpTable(table);
  sortQueries(q, qStride, rows, heads, dims, sorted, blocked);
  memory.fill(results, 0, queries * vector);
  for (let row = 0, at: usize = 0; row < rows; row++) {
    for (let head: usize = 0; head < <usize>heads; head++, at += 4) {
      store<f32>(tops + at, sinks == 0 ? -f32.MAX_VALUE : max(load<f32>(sinks + (head << 2)), -f32.MAX_VALUE));
      store<f32>(sums + at, sinks == 0 ? 0 : 1);
    }
  }

  const last = min(end, position + rows + ahead) - 1;
  const oldest = window > 0 ? max(0, position - window + 1) : 0;
  for (let page = oldest / PAGE; page <= last / PAGE; page++) {
    const base = page * PAGE;
    const tile = kv + <usize>load<i32>(pages + (<usize>page << 2)) * pageBytes;
    const positions = <usize>min(PAGE, last + 1 - base);
    const extent = ((positions + 7) & ~7) << 2;
    decodeK(kind, tile, dims, extent >> 2, k);
    decodeV(kind, tile + kvTileBytes(kind, headDim), dims, positions, v);
    setRanges(rows, heads, position, base, window, ahead, end, firsts, ends);
    for (let query: usize = 0; query < blocked; query += 4) {
      const at = query << 2;
      attendBlock(
        sorted + query * vector,
        k,
        v,
        dims,
        scale,
        softcap,
        extent,
        tops + at,
        sums + at,
        firsts + at,
        ends + at,
        results + query * vector,
        scores,
        corrections,
        table,
        slopes,
        query,
        <usize>heads,
        position - base,
      );
    }
    for (let query = blocked; query < queries; query++) {
      const at = query << 2;
      const first = load<u32>(firsts + at);
      const seen = load<u32>(ends + at);
      if (first == seen) continue;
      scoreQuery(sorted + query * vector, k, dims, scale, extent, scores);
      if (softcap != 0) capScores(scores, softcap, extent, table);
      if (slopes != 0) {
        const slope = load<f32>(slopes + ((query % <usize>heads) << 2));
        addDistances(scores, position - base + <i32>(query / <usize>heads), slope, extent);
      }
      hideScores(scores, first, seen, extent);
      const correction = softmaxQuery(scores, extent, tops + at, sums + at, table);
      accumulateQuery(scores, v, dims, first, seen, correction, results + query * vector);
    }
  }

  let sum = sums;
  let from = results;
  for (let row = 0; row < rows; row++) {
    let to = out + <usize>row * outStride;
    for (let head = 0; head < heads; head++, sum += 4) {
      const inverse = f32x4.splat(<f32>1 / load<f32>(sum));
      for (let i: usize = 0; i < vector; i += 16, to += 16, from += 16) {
        v128.store(to, f32x4.mul(v128.load(from), inverse));
      }
    }
  }
}
