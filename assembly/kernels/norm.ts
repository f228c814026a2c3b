// RMSNorm (Zhang and Sennrich 2019):  y = x / sqrt(mean(x^2) + epsilon) * weight
// LayerNorm (Ba et al. 2016):         y = (x - m) / sqrt(mean((x - m)^2) + epsilon) * weight + bias,  m = mean(x)
//
// Cost of RMSNorm for 4 elements: two passes over x (L1), 48 bytes read and 16 written; 3 instructions in the first pass, 5 in the second.
// Registers: 1 sum, 1 input, the scale. Additions wait for one another, 3 or 4 cycles each: with 4 sums instead of 1 a row would take two
// thirds of the time, but norms are less than a thousandth of a step.
//
// LayerNorm has three passes over x: 80 bytes read; 2, 4 and 8 instructions. Registers: 1 sum, 1 input, the mean, the scale. Models may have
// it without a bias: then 64 bytes, and a branch that is always taken the same way.
//
// A row with a NaN becomes all NaN. Squares overflow beyond 1.8e19, and then the row becomes 0; no model's hidden states come near that.
// Plain version: test/kernels/norm.test.ts.

import { sumLanes } from "../lanes";

/** One row: `x`, `weight`, `y`: (columns) f32; columns need not be a multiple of 4. y may be x. */
export function rmsNorm(x: usize, weight: usize, y: usize, columns: i32, epsilon: f32): void {
  const bytes = <usize>columns << 2;
  const whole = bytes & ~15;
  let squares = f32x4.splat(0);
  for (let i: usize = 0; i < whole; i += 16) {
    const v = v128.load(x + i);
    squares = f32x4.add(squares, f32x4.mul(v, v));
  }
  let sum = sumLanes(squares);
  for (let i = whole; i < bytes; i += 4) sum += load<f32>(x + i) * load<f32>(x + i);
  const scale: f32 = <f32>1 / sqrt<f32>(sum / <f32>columns + epsilon);
  const scales = f32x4.splat(scale);
  for (let i: usize = 0; i < whole; i += 16) {
    v128.store(y + i, f32x4.mul(f32x4.mul(v128.load(x + i), scales), v128.load(weight + i)));
  }
  for (let i = whole; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * scale * load<f32>(weight + i));
}

/**
 * One row: `x`, `weight`, `bias`, `y`: (columns) f32; columns need not be a multiple of 4. y may be x. bias may be 0: then there is none.
 */
export function layerNorm(x: usize, weight: usize, bias: usize, y: usize, columns: i32, epsilon: f32): void {
  const bytes = <usize>columns << 2;
  const whole = bytes & ~15;
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < whole; i += 16) sums = f32x4.add(sums, v128.load(x + i));
  let sum = sumLanes(sums);
  for (let i = whole; i < bytes; i += 4) sum += load<f32>(x + i);
  const mean: f32 = sum / <f32>columns;
  const means = f32x4.splat(mean);

  let squares = f32x4.splat(0);
  for (let i: usize = 0; i < whole; i += 16) {
    const v = f32x4.sub(v128.load(x + i), means);
    squares = f32x4.add(squares, f32x4.mul(v, v));
  }
  let variance = sumLanes(squares);
  for (let i = whole; i < bytes; i += 4) variance += (load<f32>(x + i) - mean) * (load<f32>(x + i) - mean);
  const scale: f32 = <f32>1 / sqrt<f32>(variance / <f32>columns + epsilon);
  const scales = f32x4.splat(scale);

  for (let i: usize = 0; i < whole; i += 16) {
    const v = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(x + i), means), scales), v128.load(weight + i));
    v128.store(y + i, bias === 0 ? v : f32x4.add(v, v128.load(bias + i)));
  }
  for (let i = whole; i < bytes; i += 4) {
    const v = (load<f32>(x + i) - mean) * scale * load<f32>(weight + i);
    store<f32>(y + i, bias === 0 ? v : v + load<f32>(bias + i));
  }
}
