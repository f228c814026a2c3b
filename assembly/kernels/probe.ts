// Probes: what this machine can do at most, in the instructions that the kernels are made of. Their results mean nothing: each returns a
// sum of all that it computed, so that no compiler can leave it out.
//
//   readBandwidth   v128 loads, one after the other           bound by the memory level that the buffer fits into
//   peakInt8        dotAdd of dot.ts, as micro_q8_32.ts and micro_q8_256.ts multiply
//   peakInt16       i32x4.dot_i16x8_s and an addition, as micro_q16_32.ts multiplies
//   peakF32         multiply-add, as micro_f32.ts multiplies
//
// A peak keeps its activations in registers and loads its weights from L1 in every round: loads have ports of their own, and products that
// are the same in every round would be moved out of the loop. There are enough sums that none is waited for, and few enough for 15
// registers: a multiply-add, or a dot product that adds (vnni, dotprod), takes 4 cycles, and two begin in each.
//
// Cost of one round:
//
//            sums                                     activations  weights
//   int8     8; 4 in simd, whose weights are halved   4            1 or 2 halves
//   int16    4                                        4            1
//   f32      9; 8 in simd, whose products need a register  3       3

import { dotAdd, evenWeights, oddWeights } from "../dot";
import { madd } from "../lanes";

// What the peaks read: 32 registers, which stay in L1.
@inline const OPERANDS: usize = 512;
// 288 products: 8 times 9 registers, or 9 times 8.
@inline const OPERANDS_F32: usize = 48 * (ASC_FEATURE_RELAXED_SIMD ? 8 : 9);

/** Reads `bytes` (a multiple of 128) at `from`. */
export function readBandwidth(from: usize, bytes: usize): i32 {
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (const stop = from + bytes; from < stop; from += 128) {
    a = i32x4.add(a, v128.load(from));
    b = i32x4.add(b, v128.load(from, 16));
    c = i32x4.add(c, v128.load(from, 32));
    d = i32x4.add(d, v128.load(from, 48));
    a = i32x4.add(a, v128.load(from, 64));
    b = i32x4.add(b, v128.load(from, 80));
    c = i32x4.add(c, v128.load(from, 96));
    d = i32x4.add(d, v128.load(from, 112));
  }
  return sum4(a, b, c, d);
}

/** `rounds` times 2048 products of bytes: 32 weight registers by 4 activations by 16 lanes. `operands`: 512 bytes. */
export function peakInt8(operands: usize, rounds: i32): i32 {
  const x0 = v128.load(operands);
  const x1 = v128.load(operands, 16);
  const x2 = v128.load(operands, 32);
  const x3 = v128.load(operands, 48);
  let a = i16x8.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let e = a;
  let f = a;
  let g = a;
  let h = a;
  for (; rounds > 0; rounds--) {
    for (let q = operands, stop = operands + OPERANDS; q < stop; q += 32) {
      let w = v128.load(q);
      let even = evenWeights(w);
      let odd = oddWeights(w);
      a = dotAdd(a, even, odd, x0, x1);
      b = dotAdd(b, even, odd, x1, x2);
      c = dotAdd(c, even, odd, x2, x3);
      d = dotAdd(d, even, odd, x3, x0);
      w = v128.load(q, 16);
      even = evenWeights(w);
      odd = oddWeights(w);
      if (ASC_FEATURE_RELAXED_SIMD) {
        e = dotAdd(e, even, odd, x0, x1);
        f = dotAdd(f, even, odd, x1, x2);
        g = dotAdd(g, even, odd, x2, x3);
        h = dotAdd(h, even, odd, x3, x0);
      } else {
        a = dotAdd(a, even, odd, x0, x1);
        b = dotAdd(b, even, odd, x1, x2);
        c = dotAdd(c, even, odd, x2, x3);
        d = dotAdd(d, even, odd, x3, x0);
      }
    }
  }
  return sum4(i32x4.add(a, e), i32x4.add(b, f), i32x4.add(c, g), i32x4.add(d, h));
}

/** `rounds` times 1024 products of 16-bit numbers: 32 weight registers by 4 activations by 8 lanes. `operands`: 512 bytes. */
export function peakInt16(operands: usize, rounds: i32): i32 {
  const x0 = v128.load(operands);
  const x1 = v128.load(operands, 16);
  const x2 = v128.load(operands, 32);
  const x3 = v128.load(operands, 48);
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (; rounds > 0; rounds--) {
    for (let q = operands, stop = operands + OPERANDS; q < stop; q += 32) {
      let w = v128.load(q);
      a = i32x4.add(a, i32x4.dot_i16x8_s(w, x0));
      b = i32x4.add(b, i32x4.dot_i16x8_s(w, x1));
      c = i32x4.add(c, i32x4.dot_i16x8_s(w, x2));
      d = i32x4.add(d, i32x4.dot_i16x8_s(w, x3));
      w = v128.load(q, 16);
      a = i32x4.add(a, i32x4.dot_i16x8_s(w, x0));
      b = i32x4.add(b, i32x4.dot_i16x8_s(w, x1));
      c = i32x4.add(c, i32x4.dot_i16x8_s(w, x2));
      d = i32x4.add(d, i32x4.dot_i16x8_s(w, x3));
    }
  }
  return sum4(a, b, c, d);
}

/** `rounds` times 288 products of f32. `operands`: 432 bytes whose products must not be subnormal, such as zeros. */
export function peakF32(operands: usize, rounds: i32): i32 {
  const x0 = v128.load(operands);
  const x1 = v128.load(operands, 16);
  const x2 = v128.load(operands, 32);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let c0 = a0;
  let c1 = a0;
  let c2 = a0;
  for (; rounds > 0; rounds--) {
    for (let q = operands, stop = operands + OPERANDS_F32; q < stop; q += 48) {
      const w0 = v128.load(q);
      const w1 = v128.load(q, 16);
      const w2 = v128.load(q, 32);
      a0 = madd(a0, w0, x0);
      a1 = madd(a1, w1, x0);
      a2 = madd(a2, w2, x0);
      b0 = madd(b0, w0, x1);
      b1 = madd(b1, w1, x1);
      b2 = madd(b2, w2, x1);
      c0 = madd(c0, w0, x2);
      c1 = madd(c1, w1, x2);
      if (ASC_FEATURE_RELAXED_SIMD) c2 = madd(c2, w2, x2);
    }
  }
  return sum4(sum3(a0, a1, a2), sum3(b0, b1, b2), sum3(c0, c1, c2), c2);
}

/** The bits of three registers, added up. */
@inline
function sum3(a: v128, b: v128, c: v128): v128 {
  return i32x4.add(i32x4.add(a, b), c);
}

/** The first 32 bits of four registers' sum. */
@inline
function sum4(a: v128, b: v128, c: v128, d: v128): i32 {
  return i32x4.extract_lane(i32x4.add(i32x4.add(a, b), i32x4.add(c, d)), 0);
}
