// Rung 3: the same with v128: 16 nibbles at once, 16 products in two instructions. What remains slow is the horizontal sum of each block.

import { halfToFloat } from "../../assembly/lanes";
import { encode, X_BLOCK_BYTES } from "./activations";

const BLOCK_BYTES: usize = 18;

export function pack(from: usize, rows: i32, columns: i32, to: usize): void {
  memory.copy(to, from, <usize>((rows * columns) / 32) * BLOCK_BYTES);
}

/** 16 weights by 16 activations, all int8: four int32 that together are their dot product. */
@inline
function dot16(w: v128, x: v128): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(w), i16x8.extend_low_i8x16_s(x)),
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(w), i16x8.extend_high_i8x16_s(x)),
  );
}

export function matmul(w: usize, x: usize, y: usize, rows: i32, columns: i32, tokens: i32, scratch: usize): void {
  encode(x, columns, tokens, scratch);
  const blocks = columns / 32;
  const low = i8x16.splat(15);
  const eight = i8x16.splat(8);
  for (let token = 0; token < tokens; token++) {
    let block = w;
    for (let row = 0; row < rows; row++) {
      let from = scratch + <usize>(token * blocks) * X_BLOCK_BYTES;
      let sum: f32 = 0;
      for (let b = 0; b < blocks; b++, block += BLOCK_BYTES, from += X_BLOCK_BYTES) {
        const q = v128.load(block, 2);
        const a = dot16(i8x16.sub(v128.and(q, low), eight), v128.load(from));
        const c = i32x4.add(a, dot16(i8x16.sub(i8x16.shr_u(q, 4), eight), v128.load(from, 16)));
        const e = i32x4.add(c, v128.shuffle<i32>(c, c, 2, 3, 0, 1));
        const dot = i32x4.extract_lane(e, 0) + i32x4.extract_lane(e, 1);
        sum += halfToFloat(load<u16>(block)) * load<f32>(from, 32) * <f32>dot;
      }
      store<f32>(y + (<usize>(token * rows + row) << 2), sum);
    }
  }
}
