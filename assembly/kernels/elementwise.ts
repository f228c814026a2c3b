// Operations on single elements: the gates of feed-forward networks (Shazeer 2020), the sigmoid, a soft limit, the addition of a bias, and a
// factor.
//
//   sigmoid(x) = 1 / (1 + e^-x)
//   silu(x) = x / (1 + e^-x)
//   gelu(x) = x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))       (Hendrycks and Gimpel 2016, the form with tanh)
//           = x / (1 + e^-z)  with  z = x (2 sqrt(2 / pi) + 2 sqrt(2 / pi) 0.044715 x^2)
//   softcap(x) = cap * tanh(x / cap)                                    (Gemma Team 2024)
//   the clamped gate (gpt-oss, OpenAI 2025):  x / (1 + e^(-1.702 x)) * (up + 1)  with  x <= 7  and  -7 <= up <= 7
//
// Cost for 4 elements of SwiGLU: 32 bytes read, 16 written; 1 division, some 30 other instructions, most of them of exp; the clamped gate has
// 5 more. GELU: 16 read, 16 written, 1 division, 18 others. Sigmoid: 16 read, 16 written, SwiGLU's without 1 multiplication. Soft limit: 16
// read, 16 written, 1 division, some 50 others. Bias: 32 bytes read, 16 written, 1 addition; of rows, 16 read from L1 each time. Factor: 16
// read, 16 written, 1 multiplication. Some 6 vectors in registers, in exp; in GELU 4, and its 11 constants.
// Plain version: test/kernels/elementwise.test.ts.

import { expNegative, kept, madd, storeRows, tanh, writeExpTable } from "../lanes";

/**
 * x / (1 + e^-z), from e^-|z|, which cannot overflow: with e = e^-|z| it is x * 1 / (1 + e) for z >= 0, and x * e / (1 + e) otherwise.
 * `table`: from `writeExpTable`.
 */
@inline
export function timesSigmoid(x: v128, z: v128, table: usize): v128 {
  const one = f32x4.splat(1);
  const e = expNegative(f32x4.neg(f32x4.abs(z)), table);
  const numerator = v128.bitselect(e, one, f32x4.lt(z, f32x4.splat(0)));
  return f32x4.div(f32x4.mul(x, numerator), f32x4.add(one, e));
}

/**
 * y = gelu(y + bias) * up, for `rows` rows of `count` f32 (a multiple of 4), `stride` bytes apart, all with the same bias; bias and up may be
 * 0: then there is none. Rows of up lie as those of y do.
 *
 * gelu(x) is x / (1 + 2^w), with w = -z / ln 2. Beyond 2^127 the power is infinite, and the result 0; 2^-126 is nothing beside 1. 2^w is
 * 2^n 2^r with |r| <= 1/2: 2^n through the exponent field, 2^r by the polynomial of `expNegative`, whose coefficients are multiplied by
 * powers of ln 2. All constants stay in registers: from memory, they would be 13 loads for each vector.
 */
function geluOfRows(y: usize, stride: usize, rows: i32, bias: usize, up: usize, count: i32, scratch: usize): void {
  const linear = kept(scratch, f32x4.splat(-2.302208198144325));
  const cubic = kept(scratch, f32x4.splat(-0.1029432395800235));
  const least = kept(scratch, f32x4.splat(-126));
  const most = kept(scratch, f32x4.splat(128));
  // 1.5 * 2^23: adding it rounds to an integer, which lies in the low bits of the sum.
  const rounder = kept(scratch, f32x4.splat(12582912));
  const one = kept(scratch, f32x4.splat(1));
  const c1 = kept(scratch, f32x4.splat(0.6931471805599453));
  const c2 = kept(scratch, f32x4.splat(0.24022281275627255));
  const c3 = kept(scratch, f32x4.splat(0.055505599055179156));
  const c4 = kept(scratch, f32x4.splat(0.009669718180046798));
  const c5 = kept(scratch, f32x4.splat(0.0013300257165302172));
  const hasUp = up != 0;
  const bytes = <usize>count << 2;
  for (; rows > 0; rows--, y += stride, up += stride) {
    let i: usize = 0;
    if (WIDE) {
      for (; i + 32 <= bytes; i += 32) {
        let x0 = v128.load(y + i);
        let x1 = v128.load(y + i, 16);
        if (bias != 0) {
          x0 = f32x4.add(x0, v128.load(bias + i));
          x1 = f32x4.add(x1, v128.load(bias + i, 16));
        }
        x0 = geluOf(x0, linear, cubic, least, most, rounder, one, c1, c2, c3, c4, c5);
        x1 = geluOf(x1, linear, cubic, least, most, rounder, one, c1, c2, c3, c4, c5);
        if (hasUp) {
          x0 = f32x4.mul(x0, v128.load(up + i));
          x1 = f32x4.mul(x1, v128.load(up + i, 16));
        }
        storeRows(y + i, x0, x1);
      }
    }
    for (; i < bytes; i += 16) {
      let x = v128.load(y + i);
      if (bias != 0) x = f32x4.add(x, v128.load(bias + i));
      const result = geluOf(x, linear, cubic, least, most, rounder, one, c1, c2, c3, c4, c5);
      v128.store(y + i, hasUp ? f32x4.mul(result, v128.load(up + i)) : result);
    }
  }
}

/** gelu(x), from the constants of `geluOfRows`. */
@inline
function geluOf(
  x: v128,
  linear: v128,
  cubic: v128,
  least: v128,
  most: v128,
  rounder: v128,
  one: v128,
  c1: v128,
  c2: v128,
  c3: v128,
  c4: v128,
  c5: v128,
): v128 {
  const w = f32x4.pmin(f32x4.pmax(f32x4.mul(x, madd(linear, cubic, f32x4.mul(x, x))), least), most);
  const shifted = f32x4.add(w, rounder);
  const r = f32x4.sub(w, f32x4.sub(shifted, rounder));
  let p = madd(c4, c5, r);
  p = madd(c3, p, r);
  p = madd(c2, p, r);
  p = madd(c1, p, r);
  p = madd(one, p, r);
  // The bits of 2^n are those of 1 plus n << 23.
  const power = f32x4.mul(p, i32x4.add(i32x4.shl(shifted, 23), one));
  return f32x4.div(x, f32x4.add(one, power));
}

/** gate = silu(gate) * up, for `count` f32 (a multiple of 4). `scratch`: `EXP_TABLE_BYTES`. */
export function swiGlu(gate: usize, up: usize, count: i32, scratch: usize): void {
  writeExpTable(scratch);
  for (const stop = gate + (<usize>count << 2); gate < stop; gate += 16, up += 16) {
    const x = v128.load(gate);
    v128.store(gate, f32x4.mul(timesSigmoid(x, x, scratch), v128.load(up)));
  }
}

/**
 * gate = x * sigmoid(1.702 x) * (up + 1) with x = min(gate, 7), and up between -7 and 7, for `count` f32 (a multiple of 4). NaN stays NaN.
 * `scratch`: `EXP_TABLE_BYTES`.
 */
export function clampedSwiGlu(gate: usize, up: usize, count: i32, scratch: usize): void {
  writeExpTable(scratch);
  const most = f32x4.splat(7);
  const least = f32x4.splat(-7);
  for (const stop = gate + (<usize>count << 2); gate < stop; gate += 16, up += 16) {
    const x = f32x4.pmin(v128.load(gate), most);
    const y = f32x4.pmax(f32x4.pmin(v128.load(up), most), least);
    const z = f32x4.mul(x, f32x4.splat(1.702));
    v128.store(gate, f32x4.mul(timesSigmoid(x, z, scratch), f32x4.add(y, f32x4.splat(1))));
  }
}

/** y = sigmoid(x), for any `count` of f32. y may be x. `scratch`: `EXP_TABLE_BYTES`. */
export function sigmoid(x: usize, y: usize, count: i32, scratch: usize): void {
  writeExpTable(scratch);
  const one = f32x4.splat(1);
  const bytes = <usize>count << 2;
  const whole = bytes & ~15;
  for (let i: usize = 0; i < whole; i += 16) v128.store(y + i, timesSigmoid(one, v128.load(x + i), scratch));
  for (let i = whole; i < bytes; i += 4) {
    v128.store32_lane(y + i, timesSigmoid(one, v128.load32_splat(x + i), scratch), 0);
  }
}

/** x = cap * tanh(x / cap), for `count` f32 (a multiple of 4). `scratch`: `EXP_TABLE_BYTES`. */
export function softcap(x: usize, cap: f32, count: i32, scratch: usize): void {
  writeExpTable(scratch);
  const caps = f32x4.splat(cap);
  const inverse = f32x4.splat(<f32>1 / cap);
  for (const stop = x + (<usize>count << 2); x < stop; x += 16) {
    v128.store(x, f32x4.mul(tanh(f32x4.mul(v128.load(x), inverse), scratch), caps));
  }
}

/** x = x * sigmoid(gate), for `count` f32 (a multiple of 4). `scratch`: `EXP_TABLE_BYTES`. */
export function sigmoidGate(x: usize, gate: usize, count: i32, scratch: usize): void {
  writeExpTable(scratch);
  for (const stop = x + (<usize>count << 2); x < stop; x += 16, gate += 16) {
    v128.store(x, timesSigmoid(v128.load(x), v128.load(gate), scratch));
  }
}

/** gate = gelu(gate) * up, for `count` f32 (a multiple of 4). `scratch`: 16 bytes. */
export function geGlu(gate: usize, up: usize, count: i32, scratch: usize): void {
  geluOfRows(gate, 0, 1, 0, up, count, scratch);
}

/** x = gelu(x), for `count` f32 (a multiple of 4). `scratch`: 16 bytes. */
export function gelu(x: usize, count: i32, scratch: usize): void {
  geluOfRows(x, 0, 1, 0, 0, count, scratch);
}

/** y += bias, for `count` f32 (a multiple of 4). */
export function addBias(y: usize, bias: usize, count: i32): void {
  for (const stop = y + (<usize>count << 2); y < stop; y += 16, bias += 16) {
    v128.store(y, f32x4.add(v128.load(y), v128.load(bias)));
  }
}

/** x *= factor, for `count` f32 (a multiple of 4). */
export function scale(x: usize, factor: f32, count: i32): void {
  const factors = f32x4.splat(factor);
  for (const stop = x + (<usize>count << 2); x < stop; x += 16) v128.store(x, f32x4.mul(v128.load(x), factors));
}

/**
 * y += bias, for `rows` rows of `count` f32 (a multiple of 4), `stride` bytes apart: one call for what a matmul has just written. The sums are
 * those of `addBias`.
 */
export function addBiasRows(y: usize, stride: usize, rows: i32, bias: usize, count: i32): void {
  for (; rows > 0; rows--, y += stride) addBias(y, bias, count);
}

/** y = gelu(y + bias), for rows as in `addBiasRows`; bias may be 0: then there is none. `scratch`: 16 bytes. */
export function geluRows(y: usize, stride: usize, rows: i32, bias: usize, count: i32, scratch: usize): void {
  geluOfRows(y, stride, rows, bias, 0, count, scratch);
}
