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
// Cost for 4 elements of SwiGLU: 32 bytes read, 16 written; 1 division, some 30 other instructions, most of them of exp. GELU has 4
// more, the clamped gate 5. Sigmoid: 16 read, 16 written, the same without 1 multiplication. Soft limit: 16 read, 16 written, 1 division,
// some 50 others. Bias: 32 bytes read, 16 written, 1 addition. Factor: 16 read, 16 written, 1 multiplication. Some 6 vectors in
// registers, in exp.
// Plain version: test/kernels/elementwise.test.ts.

import { expNegative, tanh, writeExpTable } from "../lanes";

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

@inline
function gelu4(x: v128, table: usize): v128 {
  const slope = f32x4.add(f32x4.splat(1.5957691216057308), f32x4.mul(f32x4.splat(0.07135481627260025), f32x4.mul(x, x)));
  return timesSigmoid(x, f32x4.mul(x, slope), table);
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

/** gate = gelu(gate) * up, for `count` f32 (a multiple of 4). `scratch`: `EXP_TABLE_BYTES`. */
export function geGlu(gate: usize, up: usize, count: i32, scratch: usize): void {
  writeExpTable(scratch);
  for (const stop = gate + (<usize>count << 2); gate < stop; gate += 16, up += 16) {
    v128.store(gate, f32x4.mul(gelu4(v128.load(gate), scratch), v128.load(up)));
  }
}

/** x = gelu(x), for `count` f32 (a multiple of 4). `scratch`: `EXP_TABLE_BYTES`. */
export function gelu(x: usize, count: i32, scratch: usize): void {
  writeExpTable(scratch);
  for (const stop = x + (<usize>count << 2); x < stop; x += 16) v128.store(x, gelu4(v128.load(x), scratch));
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
