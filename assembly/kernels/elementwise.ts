// Element by element: the SwiGLU of the feed-forward network (Shazeer 2020), and the addition of a bias.
//
// Cost for 4 elements of SwiGLU: 32 bytes read, 16 written; 1 division, some 30 other instructions, most of them of exp.
// Plain version: test/kernels/elementwise.test.ts.

import { expNegative, writeExpTable } from "../lanes";

/** gate = silu(gate) * up, for `count` f32 (a multiple of 4), silu(x) = x / (1 + e^-x). `scratch`: `EXP_TABLE_BYTES`. */
export function swiGlu(gate: usize, up: usize, count: i32, scratch: usize): void {
  writeExpTable(scratch);
  const one = f32x4.splat(1);
  for (const stop = gate + (<usize>count << 2); gate < stop; gate += 16, up += 16) {
    const x = v128.load(gate);
    // 1 / (1 + e^-x) from e^-|x|, which cannot overflow: with e = e^-|x| it is 1 / (1 + e) for x >= 0, and e / (1 + e) else.
    const e = expNegative(f32x4.neg(f32x4.abs(x)), scratch);
    const numerator = v128.bitselect(e, one, f32x4.lt(x, f32x4.splat(0)));
    const silu = f32x4.div(f32x4.mul(x, numerator), f32x4.add(one, e));
    v128.store(gate, f32x4.mul(silu, v128.load(up)));
  }
}

/** y += bias, for `count` f32 (a multiple of 4). */
export function addBias(y: usize, bias: usize, count: i32): void {
  for (const stop = y + (<usize>count << 2); y < stop; y += 16, bias += 16) {
    v128.store(y, f32x4.add(v128.load(y), v128.load(bias)));
  }
}
