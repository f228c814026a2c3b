// The gated delta rule (Yang, Kautz and Hatamizadeh 2024): a head remembers a text in a matrix S, (dims, dims) f32, one row for each
// element of a key and one column for each of a value. Token by token, with k and q of length 1 and q divided by sqrt(dims):
//
//   S = e^g S,  g = a softplus(alpha + dt)        what it remembers fades: a < 0
//   d = sigmoid(beta) (v - S^T k)                 what it does not yet know of v
//   S = S + k d^T
//   o = S^T q
//
// The columns of S do not depend on each other. They lie in blocks of 16, (dims / 16, dims, 16), so that the rows of a block follow
// each other:
//
//   tile    16 tokens       k and q are normalised once, and the gates computed (L1)
//   block   16 columns      of S, 64 bytes for each element of a key, serve all tokens of the tile (L1: 8 KB with 128 dims)
//   token   two passes      S^T k first; then S changes, and S^T q is summed from what has just been written
//
// Exactness: each element of S^T k and S^T q is one chain of additions in the order of the key's elements, and the tokens follow one
// another. So the result does not depend on how a text is divided into tiles or steps.
//
// Cost for one token and block with 128 dims: 128 times 4 multiply-adds with 4 loads in the first pass; in the second 4 multiplications
// and 8 multiply-adds with 4 loads and 4 stores. 4 sums wait for one another in each pass. 4 sums, 4 of d and 3 broadcasts in registers.
// The gates of a token take some 0.2 us, in float64, a twentieth of all: what fades a little at each of thousands of tokens must fade by
// the right amount.
// Plain version: test/kernels/delta-rule.test.ts.

import { DELTA_COLUMNS } from "../abi";
import { madd, sumLanes } from "../lanes";

/** Tokens that are worked on at once. */
@inline const TILE: i32 = 16;
/** Bytes of a row of a block. */
@inline const BLOCK: usize = <usize>DELTA_COLUMNS * 4;

/**
 * Bytes of scratch; `deltaRule` lays it out:
 *
 *   SIZE       DESCRIPTION
 *   64 D       keys of a tile: (16, D) f32, of length 1
 *   64 D       queries: (16, D) f32, of length 1 / sqrt(D)
 *   128        e^g and sigmoid(beta) of each token: (16, 2) f32
 */
export function deltaRuleScratchBytes(dims: i32): usize {
  return <usize>(2 * TILE * (dims + 1)) << 2;
}

/** e^x in float64, with a relative error below 1e-14: x = n ln 2 + r with |r| <= ln 2 / 2, Taylor for e^r, 2^n through the exponent. */
function exponential(x: f64): f64 {
  if (x > 700) return Infinity;
  if (!(x >= -700)) return x < 0 ? 0 : x; // NaN stays NaN
  const n = nearest<f64>(x * 1.4426950408889634);
  const r = x - n * 0.6931471803691238 - n * 1.9082149292705877e-10;
  let sum: f64 = 1;
  for (let i = 12; i > 0; i--) sum = 1 + (sum * r) / <f64>i;
  return sum * reinterpret<f64>((<i64>n + 1023) << 52);
}

/** ln(1 + e^x) in float64: max(x, 0) + ln(1 + y) with y = e^-|x|, and ln(1 + y) = 2 atanh(y / (2 + y)) by its series. */
function softplus(x: f64): f64 {
  const y = exponential(-abs(x));
  const s = y / (2 + y); // at most 1/3
  const z = s * s;
  let sum: f64 = 0;
  for (let i = 29; i > 0; i -= 2) sum = sum * z + 1 / <f64>i;
  return max(x, 0) + 2 * s * sum;
}

/** 1 / (1 + e^-x) in float64. */
function logistic(x: f64): f64 {
  const y = exponential(-abs(x));
  return (x < 0 ? y : 1) / (1 + y);
}

/** to = x / max(|x|, epsilon) * factor, for `bytes` of f32 (whole vectors). */
function normalise(x: usize, bytes: usize, epsilon: f32, factor: f32, to: usize): void {
  let squares = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i);
    squares = f32x4.add(squares, f32x4.mul(v, v));
  }
  const scales = f32x4.splat(factor / max(sqrt(sumLanes(squares)), epsilon));
  for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, f32x4.mul(v128.load(x + i), scales));
}

/** One token and 16 columns of S, from `s` to `next`; `v` and `out` at the first of them. `gates`: e^g and sigmoid(beta). */
@inline
function takeToken(
  s: usize,
  next: usize,
  k: usize,
  q: usize,
  bytes: usize,
  v: usize,
  gates: usize,
  out: usize,
): void {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let at = s;
  for (let i: usize = 0; i < bytes; i += 4, at += BLOCK) {
    const key = v128.load32_splat(k + i);
    a = madd(a, v128.load(at), key);
    b = madd(b, v128.load(at, 16), key);
    c = madd(c, v128.load(at, 32), key);
    d = madd(d, v128.load(at, 48), key);
  }
  const fade = v128.load32_splat(gates);
  const beta = v128.load32_splat(gates, 4);
  // (e^g S)^T k is e^g (S^T k).
  const da = f32x4.mul(beta, f32x4.sub(v128.load(v), f32x4.mul(fade, a)));
  const db = f32x4.mul(beta, f32x4.sub(v128.load(v, 16), f32x4.mul(fade, b)));
  const dc = f32x4.mul(beta, f32x4.sub(v128.load(v, 32), f32x4.mul(fade, c)));
  const dd = f32x4.mul(beta, f32x4.sub(v128.load(v, 48), f32x4.mul(fade, d)));
  a = f32x4.splat(0);
  b = a;
  c = a;
  d = a;
  at = s;
  for (let i: usize = 0; i < bytes; i += 4, at += BLOCK, next += BLOCK) {
    const key = v128.load32_splat(k + i);
    const query = v128.load32_splat(q + i);
    const sa = madd(f32x4.mul(v128.load(at), fade), da, key);
    v128.store(next, sa);
    a = madd(a, sa, query);
    const sb = madd(f32x4.mul(v128.load(at, 16), fade), db, key);
    v128.store(next, sb, 16);
    b = madd(b, sb, query);
    const sc = madd(f32x4.mul(v128.load(at, 32), fade), dc, key);
    v128.store(next, sc, 32);
    c = madd(c, sc, query);
    const sd = madd(f32x4.mul(v128.load(at, 48), fade), dd, key);
    v128.store(next, sd, 48);
    d = madd(d, sd, query);
  }
  v128.store(out, a);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, d, 48);
}

/**
 * `rows` consecutive tokens of one text take one head's S from `before` to `after`.
 *
 * @param q (rows, dims) f32, as k and v: `stride` bytes from one row to the next
 * @param dims a multiple of DELTA_COLUMNS
 * @param alpha (rows) f32, as beta: `gateStride` bytes from one row to the next
 * @param dt one f32, as a
 * @param epsilon the least length by which k and q are divided
 * @param before S: (dims / 16, dims, 16) f32; 0: zeros
 * @param after the same; it may be `before`
 * @param out (rows, dims) f32, `outStride` bytes from one row to the next; it may be v, of the same stride
 * @param scratch `deltaRuleScratchBytes`
 */
export function deltaRule(
  q: usize,
  k: usize,
  v: usize,
  stride: usize,
  rows: i32,
  dims: i32,
  alpha: usize,
  beta: usize,
  gateStride: usize,
  dt: usize,
  a: usize,
  epsilon: f32,
  before: usize,
  after: usize,
  out: usize,
  outStride: usize,
  scratch: usize,
): void {
  const bytes = <usize>dims << 2;
  const keys = scratch;
  const queries = keys + <usize>TILE * bytes;
  const gates = queries + <usize>TILE * bytes;
  const factor: f32 = <f32>1 / sqrt<f32>(<f32>dims);
  if (before == 0) {
    memory.fill(after, 0, bytes * <usize>dims);
    before = after;
  }
  for (let first = 0; first < rows; first += TILE) {
    const count = min(TILE, rows - first);
    for (let row: usize = 0; row < <usize>count; row++) {
      const token = <usize>first + row;
      normalise(k + token * stride, bytes, epsilon, 1, keys + row * bytes);
      normalise(q + token * stride, bytes, epsilon, factor, queries + row * bytes);
      const rate = softplus(<f64>load<f32>(alpha + token * gateStride) + <f64>load<f32>(dt));
      store<f32>(gates + (row << 3), <f32>exponential(<f64>load<f32>(a) * rate));
      store<f32>(gates + (row << 3), <f32>logistic(<f64>load<f32>(beta + token * gateStride)), 4);
    }
    for (let column: usize = 0; column < bytes; column += BLOCK) {
      const block = column * <usize>dims;
      const next = after + block;
      let s = (first == 0 ? before : after) + block;
      for (let row: usize = 0; row < <usize>count; row++) {
        const token = <usize>first + row;
        const from = v + token * stride + column;
        const to = out + token * outStride + column;
        takeToken(s, next, keys + row * bytes, queries + row * bytes, bytes, from, gates + (row << 3), to);
        s = next;
      }
    }
  }
}
