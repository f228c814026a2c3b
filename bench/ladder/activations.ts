// Activations for rungs 2 to 5: 8 bits, in blocks of 32 with a scale, so that a block's products are integers.
//
//   OFFSET  SIZE
//        0    32  x / scale, rounded to nearest: int8, -127..127
//       32     4  scale (f32) = largest magnitude / 127
//       36     4  sum of the 32 integers (int32)

import { maxLanes } from "../../assembly/lanes";

export const X_BLOCK_BYTES: usize = 40;

/** (tokens, columns) f32 at `x`, to blocks at `to`. */
export function encode(x: usize, columns: i32, tokens: i32, to: usize): void {
  for (let block = (tokens * columns) / 32; block > 0; block--, to += X_BLOCK_BYTES) {
    let most = f32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 16) most = f32x4.max(most, f32x4.abs(v128.load(x + i)));
    const scale: f32 = f32x4.extract_lane(maxLanes(most), 0) / <f32>127;
    const inverse: f32 = scale == 0 ? 0 : <f32>1 / scale;
    let sum = 0;
    for (let i: usize = 0; i < 32; i++, x += 4) {
      const q = <i32>nearest(load<f32>(x) * inverse);
      store<i8>(to + i, <i8>q);
      sum += q;
    }
    store<f32>(to, scale, 32);
    store<i32>(to, sum, 36);
  }
}
