// The short convolution of LFM2 (Liquid AI 2025) between its two gates, along the rows of one text:
//
//   u[t] = b[t] * x[t]
//   y[t] = c[t] * (w[0] u[t - width + 1] + ... + w[width - 1] u[t])          channel by channel, added from the oldest on
//
//   row of the input    b (channels) | c (channels) | x (channels)
//   state               (width - 1, channels): the last columns of u, the oldest first
//
// Cost for 4 channels of one row: 48 bytes read, 16 written; 2 multiplications for the gates, and for each column of the state a load, a
// store and a load of the weights (L1), a multiplication and an addition. For each 4 channels of a text, the weights are laid side by
// side: 4 width loads and stores. In decode that is most of the work, some microseconds for a layer, where its matrices take a hundred times as long.
// Plain version: test/kernels/convolution.test.ts.

/**
 * Channels `first` .. `end` - 1 of `rows` rows.
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
    let from = weight + <usize>channel * <usize>(width << 2);
    for (let lane: usize = 0; lane < 16; lane += 4) {
      for (let tap = 0; tap < width; tap++, from += 4) store<f32>(scratch + (<usize>tap << 4) + lane, load<f32>(from));
    }
    for (let column: usize = 0; column < newest; column += columnBytes) {
      v128.store(after + offset + column, before == 0 ? f32x4.splat(0) : v128.load(before + offset + column));
    }
    let at = bcx + offset;
    let to = y + offset;
    const state = after + offset;
    for (let row = 0; row < rows; row++, at += stride, to += yStride) {
      const u = f32x4.mul(v128.load(at), v128.load(at + 2 * columnBytes));
      let sum = f32x4.splat(0);
      let taps = scratch;
      for (let column: usize = 0; column < newest; column += columnBytes, taps += 16) {
        const older = v128.load(state + column);
        sum = f32x4.add(sum, f32x4.mul(v128.load(taps), older));
        v128.store(state + column, column + columnBytes < newest ? v128.load(state + column + columnBytes) : u);
      }
      sum = f32x4.add(sum, f32x4.mul(v128.load(taps), u));
      v128.store(to, f32x4.mul(v128.load(at + columnBytes), sum));
    }
  }
}
