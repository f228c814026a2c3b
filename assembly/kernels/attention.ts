// Attention over a paged KV cache: softmax(q . k / sqrt(headDim)) . v, online (Milakov and Gimelshein 2018; Dao et al. 2022), one page
// of 64 positions at a time, so that no row of scores longer than a page ever exists.
//
//   item    up to 16 query rows of one sequence, and all heads that share one KV head (GQA)
//   page    64 positions     k and v of the page are decoded to f32 once (L1/L2) and serve all rows and heads of the item
//   query   1 row, 1 head    64 scores, their softmax, and the sum over v
//
// A page holds, for one layer and KV head (D: headDim):
//
//   F32, F16   k, transposed: (D, 64)     so that 4 scores are one multiply-add with no horizontal sum
//              v: (64, D)
//   Q8_0       k: (D, 64) int8, then scales (D / 32, 64) f32
//              v: (64, D) int8, then scales (64, D / 32) f32
//
// A row sees the positions from `window` - 1 before its own to `ahead` after it, as far as the sequence goes: causal attention looks
// ahead 0 positions, an encoder's all.
//
// Exactness: pages begin at absolute multiples of 64 positions and are merged in their order; positions that a row may not see count
// as -infinity by selection, so what lies there (never written, perhaps) does not matter, and their v is never read. The result of a
// row thus depends on its own positions only, not on the chunk, the tile or the worker.
//
// Cost for one row, head and page with D = 64: 64 * 64 multiply-adds for the scores, 64 * 64 for v, 16 exp of 4 lanes; decoding of
// f16 5 instructions for 4 elements, shared by all rows and heads.

import { KV_F16, KV_F32, PAGE } from "../abi";
import { expNegative, floatsToHalves, halvesToFloats, madd, maxLanes, sumLanes } from "../lanes";

// @ts-ignore: decorator
@inline const PAGE_BYTES_F32: usize = PAGE * 4;

/** Bytes of k (or of v) of one page, one layer and one KV head. */
export function kvTileBytes(kind: i32, headDim: i32): usize {
  if (kind == KV_F32) return <usize>(headDim * PAGE) << 2;
  if (kind == KV_F16) return <usize>(headDim * PAGE) << 1;
  return <usize>(headDim * PAGE + (headDim / 32) * PAGE * 4);
}

/** Bytes of scratch for `queries` query vectors (rows times heads of an item). */
export function attentionScratchBytes(headDim: i32, queries: i32): usize {
  return <usize>(2 * headDim * PAGE * 4 + PAGE * 4 + queries * (16 + headDim * 4));
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
    storeQ8_0(k, dims, kTile + at, PAGE, kTile + dims * PAGE + (at << 2), PAGE << 2);
    storeQ8_0(v, dims, vTile + at * dims, 1, vTile + dims * PAGE + ((at * (dims >> 5)) << 2), 4);
  }
}

/** Quantises `dims` f32 in blocks of 32; elements lie `step` bytes apart, scales `scaleStep`. */
function storeQ8_0(from: usize, dims: usize, to: usize, step: usize, scales: usize, scaleStep: usize): void {
  for (let block: usize = 0; block < dims; block += 32, from += 128, scales += scaleStep) {
    let most = f32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 16) most = f32x4.max(most, f32x4.abs(v128.load(from + i)));
    const top = maxLanes(most);
    const inverse: f32 = top == 0 ? 0 : <f32>127 / top;
    store<f32>(scales, top / <f32>127);
    for (let i: usize = 0; i < 32; i++, to += step) {
      const q = f32x4.nearest(f32x4.splat(load<f32>(from + (i << 2)) * inverse));
      store<i8>(to, <i8>i32x4.extract_lane(i32x4.trunc_sat_f32x4_s(q), 0));
    }
  }
}

/** Decodes `count` f16 (a multiple of 4) to f32. */
function decodeHalves(from: usize, to: usize, count: usize): void {
  for (const stop = to + (count << 2); to < stop; to += 16, from += 8) {
    v128.store(to, halvesToFloats(v128.load16x4_s(from)));
  }
}

/** Four int8 to f32. */
// @ts-ignore: decorator
@inline
function bytesToFloats(from: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(from))));
}

/** k of a page to (headDim, 64) f32. */
function decodeK(kind: i32, tile: usize, headDim: usize, to: usize): void {
  if (kind == KV_F16) {
    decodeHalves(tile, to, headDim * PAGE);
  } else if (kind == KV_F32) {
    memory.copy(to, tile, (headDim * PAGE) << 2);
  } else {
    const scales = tile + headDim * PAGE;
    for (let d: usize = 0; d < headDim; d++) {
      const scale = scales + (d >> 5) * PAGE_BYTES_F32;
      for (let p: usize = 0; p < PAGE_BYTES_F32; p += 16, to += 16, tile += 4) {
        v128.store(to, f32x4.mul(bytesToFloats(tile), v128.load(scale + p)));
      }
    }
  }
}

/** v of the first `count` positions of a page to (count, headDim) f32. */
function decodeV(kind: i32, tile: usize, headDim: usize, count: usize, to: usize): void {
  if (kind == KV_F16) {
    decodeHalves(tile, to, headDim * count);
  } else if (kind == KV_F32) {
    memory.copy(to, tile, (headDim * count) << 2);
  } else {
    let scales = tile + headDim * PAGE;
    for (let p: usize = 0; p < count; p++) {
      for (let d: usize = 0; d < headDim; d += 32, scales += 4) {
        const scale = v128.load32_splat(scales);
        for (let i = 0; i < 32; i += 4, to += 16, tile += 4) {
          v128.store(to, f32x4.mul(bytesToFloats(tile), scale));
        }
      }
    }
  }
}

/** 64 scores of one query: (64) f32 at `to`. Each is one chain of additions in the order of the dimensions. */
function scoreTile(query: usize, k: usize, headDim: usize, scale: f32, to: usize): void {
  const scales = f32x4.splat(scale);
  for (let p: usize = 0; p < PAGE_BYTES_F32; p += 64) {
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

/**
 * Turns 64 scores into weights, in place: those at or beyond `seen` and before `first` do not count. `state`: the largest score and the
 * sum of weights so far. Returns what the result so far must be multiplied by.
 */
function softmaxTile(scores: usize, first: i32, seen: i32, state: usize): f32 {
  let most = f32x4.splat(-Infinity);
  let lane = i32x4(0, 1, 2, 3);
  const begin = i32x4.splat(first);
  const end = i32x4.splat(seen);
  for (let p: usize = 0; p < PAGE_BYTES_F32; p += 16) {
    const visible = v128.and(i32x4.ge_s(lane, begin), i32x4.lt_s(lane, end));
    const s = v128.bitselect(v128.load(scores + p), f32x4.splat(-Infinity), visible);
    v128.store(scores + p, s);
    most = f32x4.max(most, s);
    lane = i32x4.add(lane, i32x4.splat(4));
  }
  const before = load<f32>(state);
  const top = max<f32>(before, maxLanes(most));
  const tops = f32x4.splat(top);
  let sums = f32x4.splat(0);
  for (let p: usize = 0; p < PAGE_BYTES_F32; p += 16) {
    const weight = expNegative(f32x4.sub(v128.load(scores + p), tops));
    v128.store(scores + p, weight);
    sums = f32x4.add(sums, weight);
  }
  // On the first page `before` is -infinity, and expNegative answers 0.
  const correction = f32x4.extract_lane(expNegative(f32x4.splat(before - top)), 0);
  store<f32>(state, top);
  store<f32>(state, load<f32>(state, 4) * correction + sumLanes(sums), 4);
  return correction;
}

/** result = result * correction + sum over positions [first, seen) of weight * v. headDim is a multiple of 4. */
function accumulateV(
  weights: usize,
  v: usize,
  headDim: usize,
  first: usize,
  seen: usize,
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
    for (let w = weights + (first << 2), stop = weights + (seen << 2); w < stop; w += 4, from += row) {
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
    for (let w = weights + (first << 2), stop = weights + (seen << 2); w < stop; w += 4, from += row) {
      a = madd(a, v128.load(from), v128.load32_splat(w));
    }
    v128.store(result + i, a);
  }
}

/**
 * One item. Row i of `rows` stands at position `position` + i.
 *
 * `q`: queries, (rows, ...) f32 with rows `qStride` bytes apart, the item's `heads` heads of headDim side by side at `q`; `out`: the same
 * shape, `outStride`. `pages`: int32 page numbers of the sequence; k of page n lies at `kv` + n * `pageBytes`, its v `kvTileBytes` later.
 * `window`: positions that a row may look back, its own included (0: all); `ahead`: positions after its own that it may see, of those
 * before `end`, the sequence's length. `scratch`: `attentionScratchBytes`.
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
  pages: usize,
  kv: usize,
  pageBytes: usize,
  window: i32,
  ahead: i32,
  end: i32,
  out: usize,
  outStride: usize,
  scratch: usize,
): void {
  const dims = <usize>headDim;
  const k = scratch;
  const v = k + ((dims * PAGE) << 2);
  const scores = v + ((dims * PAGE) << 2);
  const states = scores + PAGE_BYTES_F32; // for each row and head: largest score, sum, (padding), result
  const stateBytes: usize = 16 + (dims << 2);

  let state = states;
  for (let query = 0; query < rows * heads; query++, state += stateBytes) {
    memory.fill(state, 0, stateBytes);
    store<f32>(state, -Infinity);
  }

  const last = min(end, position + rows + ahead) - 1;
  const oldest = window > 0 ? max(0, position - window + 1) : 0;
  for (let page = oldest / PAGE; page <= last / PAGE; page++) {
    const base = page * PAGE;
    const tile = kv + <usize>load<i32>(pages + (<usize>page << 2)) * pageBytes;
    decodeK(kind, tile, dims, k);
    decodeV(kind, tile + kvTileBytes(kind, headDim), dims, <usize>min(PAGE, last + 1 - base), v);
    state = states;
    for (let row = 0; row < rows; row++) {
      const here = position + row;
      const seen = min(PAGE, min(end, here + ahead + 1) - base);
      const first = window > 0 ? max(0, here - window + 1 - base) : 0;
      if (seen <= 0 || first >= PAGE) {
        state += stateBytes * <usize>heads;
        continue;
      }
      let query = q + <usize>row * qStride;
      for (let head = 0; head < heads; head++, query += dims << 2, state += stateBytes) {
        scoreTile(query, k, dims, scale, scores);
        const correction = softmaxTile(scores, first, seen, state);
        accumulateV(scores, v, dims, <usize>first, <usize>seen, correction, state + 16);
      }
    }
  }

  state = states;
  for (let row = 0; row < rows; row++) {
    let to = out + <usize>row * outStride;
    for (let head = 0; head < heads; head++, state += stateBytes) {
      const inverse = f32x4.splat(<f32>1 / load<f32>(state, 4));
      for (let i: usize = 0; i < dims << 2; i += 16, to += 16) {
        v128.store(to, f32x4.mul(v128.load(state + i, 16), inverse));
      }
    }
  }
}
