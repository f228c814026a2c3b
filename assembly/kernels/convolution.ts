// Short causal convolutions along the rows of one text, channel by channel: w[0] u[t - width + 1] + ... + w[width - 1] u[t], added from the
// oldest on. Two architectures have them:
//
//   LFM2 (Liquid AI 2025)                        u[t] = b[t] * x[t],  y[t] = c[t] * convolution(u)[t];  a row is b | c | x (channels)
//   gated DeltaNet (Yang et al. 2024)            y[t] = silu(convolution(u)[t]), in place
//
//   state               (width - 1, channels): the last columns of u, the oldest first
//
// Cost for 4 channels of one row: LFM2's has 48 bytes read, 16 written; 2 multiplications for the gates. The other's has 16 bytes read and
// written; some 30 instructions for silu. Both have for each column of the state a load, a store and a load of the weights (L1), a
// multiplication and an addition. For each 4 channels of a text, the weights are laid side by side: 4 width loads. In decode that is
// as much work as the rest, some 20 microseconds for 6144 channels, where the matrices of a layer take a hundred times as long.
// Plain version: test/kernels/convolution.test.ts.

import { EXP_TABLE_BYTES } from "../abi";
import { writeExpTable } from "../lanes";
import { timesSigmoid } from "./elementwise";

/** The weights of 4 channels, (4, width) f32, side by side: (width, 4) f32 at `to`, in whole vectors, as they are loaded. */
@inline
function layTaps(weight: usize, width: i32, to: usize): void {
  const row = <usize>width << 2;
  for (const stop = weight + row; weight < stop; weight += 4, to += 16) {
    let taps = v128.load32_zero(weight);
    taps = v128.load32_lane(weight + row, taps, 1);
    taps = v128.load32_lane(weight + 2 * row, taps, 2);
    v128.store(to, v128.load32_lane(weight + 3 * row, taps, 3));
  }
}

/** Copies the state of 4 channels: columns `columnBytes` apart, as far as `newest`. */
@inline
function copyState(before: usize, after: usize, columnBytes: usize, newest: usize): void {
  for (let column: usize = 0; column < newest; column += columnBytes) {
    v128.store(after + column, before == 0 ? f32x4.splat(0) : v128.load(before + column));
  }
}

/** One row of 4 channels, whose newest column is u. The state moves on by a column. */
@inline
function convolveRow(u: v128, state: usize, columnBytes: usize, newest: usize, taps: usize): v128 {
  let sum = f32x4.splat(0);
  for (let column: usize = 0; column < newest; column += columnBytes, taps += 16) {
    const older = v128.load(state + column);
    sum = f32x4.add(sum, f32x4.mul(v128.load(taps), older));
    v128.store(state + column, column + columnBytes < newest ? v128.load(state + column + columnBytes) : u);
  }
  return f32x4.add(sum, f32x4.mul(v128.load(taps), u));
}

/**
 * LFM2's, of channels `first` .. `end` - 1 of `rows` rows.
 *
 * @param bcx (rows, 3 * channels) f32, `stride` bytes apart
 * @param first, end multiples of 4
 * @param weight (channels, width) f32
 * @param before the state before the first row; 0: zeros
 * @param after where the state after the last row goes; not `before`
 * @param y (rows, channels) f32, `yStride` bytes apart
 * @param scratch 16 * width bytes
 */
export function shortConvolution(
  bcx: usize,
  stride: usize,
  rows: i32,
  channels: i32,
  first: i32,
  end: i32,
  weight: usize,
  width: i32,
  before: usize,
  after: usize,
  y: usize,
  yStride: usize,
  scratch: usize,
): void {
  const columnBytes = <usize>channels << 2;
  const newest = <usize>(width - 1) * columnBytes;
  for (let channel = first; channel < end; channel += 4) {
    const offset = <usize>channel << 2;
    layTaps(weight + <usize>channel * <usize>(width << 2), width, scratch);
    copyState(before == 0 ? 0 : before + offset, after + offset, columnBytes, newest);
    let at = bcx + offset;
    let to = y + offset;
    for (let row = 0; row < rows; row++, at += stride, to += yStride) {
      const u = f32x4.mul(v128.load(at), v128.load(at + 2 * columnBytes));
      const sum = convolveRow(u, after + offset, columnBytes, newest, scratch);
      v128.store(to, f32x4.mul(v128.load(at + columnBytes), sum));
    }
  }
}

/**
 * Gated DeltaNet's, of channels `first` .. `end` - 1 of `rows` rows, in place.
 *
 * @param x (rows, channels) f32, `stride` bytes apart
 * @param first, end multiples of 4
 * @param weight (channels, width) f32
 * @param before the state before the first row; 0: zeros
 * @param after where the state after the last row goes; not `before`
 * @param scratch EXP_TABLE_BYTES + 16 * width bytes
 */
export function siluConvolution(
  x: usize,
  stride: usize,
  rows: i32,
  channels: i32,
  first: i32,
  end: i32,
  weight: usize,
  width: i32,
  before: usize,
  after: usize,
  scratch: usize,
): void {
  const columnBytes = <usize>channels << 2;
  const newest = <usize>(width - 1) * columnBytes;
  const taps = scratch + EXP_TABLE_BYTES;
  writeExpTable(scratch);
  for (let channel = first; channel < end; channel += 4) {
    const offset = <usize>channel << 2;
    layTaps(weight + <usize>channel * <usize>(width << 2), width, taps);
    copyState(before == 0 ? 0 : before + offset, after + offset, columnBytes, newest);
    let at = x + offset;
    for (let row = 0; row < rows; row++, at += stride) {
      const sum = convolveRow(v128.load(at), after + offset, columnBytes, newest, taps);
      v128.store(at, timesSigmoid(sum, sum, scratch));
    }
  }
}
