// Rung 4: eight rows side by side. A v128 holds 4 columns of 4 rows, so every lane belongs to one row and no sum is horizontal; the
// activations are one load that fills all lanes; scales come 4 at a time. One stream of memory instead of eight.
//
//   a group of 8 rows, for each block of 32 columns (144 bytes):
//      0   16   d of row 0 .. row 7 (f16)
//     16  128   4 times: bytes 4g .. 4g + 3 of row 0 | row 1 | row 2 | row 3 || row 4 | ... | row 7
//               low nibbles: columns 4g .. 4g + 3, high nibbles: columns 16 + 4g ..
//
// The dot product's weights may have 7 bits and no sign: q counts from 0, and 8 times the sum of the activations is subtracted at the end.

import { Q4_0 } from "../../assembly/formats/q4_0";
import { halvesToFloats } from "../../assembly/lanes";
import { encode, X_BLOCK_BYTES } from "./activations";

const BLOCK_BYTES: usize = 18;
const GROUP_BYTES: usize = 8 * BLOCK_BYTES;

export function pack(from: usize, rows: i32, columns: i32, to: usize): void {
  const blocks = columns / 32;
  for (let row = 0; row < rows; row++) {
    let group = to + <usize>((row / 8) * blocks) * GROUP_BYTES;
    for (let b = 0; b < blocks; b++, from += BLOCK_BYTES, group += GROUP_BYTES) {
      changetype<Q4_0>(0).put(group, row % 8, from);
    }
  }
}

/** sums (int16, two lanes for each row) + 4 rows by 4 columns of one token. */
@inline
function dotAdd(sums: v128, w: v128, x: v128): v128 {
  return i16x8.add(sums, i16x8.relaxed_dot_i8x16_i7x16_s(x, w));
}

/** y + d * scale * (sums - offset), for 4 rows. */
@inline
function leave(y: v128, sums: v128, offset: v128, d: usize, scale: v128): v128 {
  const whole = i32x4.sub(i32x4.dot_i16x8_s(sums, i16x8.splat(1)), offset);
  return f32x4.add(y, f32x4.mul(f32x4.convert_i32x4_s(whole), f32x4.mul(halvesToFloats(v128.load16x4_s(d)), scale)));
}

export function matmul(w: usize, x: usize, y: usize, rows: i32, columns: i32, tokens: i32, scratch: usize): void {
  encode(x, columns, tokens, scratch);
  const blocks = columns / 32;
  const low = i8x16.splat(15);
  for (let token = 0; token < tokens; token++) {
    let group = w;
    for (let row = 0; row < rows; row += 8) {
      let from = scratch + <usize>(token * blocks) * X_BLOCK_BYTES;
      let y0 = f32x4.splat(0);
      let y1 = y0;
      for (let b = 0; b < blocks; b++, group += GROUP_BYTES, from += X_BLOCK_BYTES) {
        // 16 bits are enough: 16 products of 127 * 15 in each lane.
        let sums0 = i16x8.splat(0);
        let sums1 = sums0;
        for (let g: usize = 0; g < 16; g += 4) {
          const q0 = v128.load(group + (g << 3), 16);
          const q1 = v128.load(group + (g << 3), 32);
          let four = v128.load32_splat(from + g);
          sums0 = dotAdd(sums0, v128.and(q0, low), four);
          sums1 = dotAdd(sums1, v128.and(q1, low), four);
          four = v128.load32_splat(from + g, 16);
          sums0 = dotAdd(sums0, v128.and(i16x8.shr_u(q0, 4), low), four);
          sums1 = dotAdd(sums1, v128.and(i16x8.shr_u(q1, 4), low), four);
        }
        const scale = v128.load32_splat(from, 32);
        const offset = i32x4.shl(v128.load32_splat(from, 36), 3);
        y0 = leave(y0, sums0, offset, group, scale);
        y1 = leave(y1, sums1, offset, group + 8, scale);
      }
      const to = y + (<usize>(token * rows + row) << 2);
      v128.store(to, y0);
      v128.store(to, y1, 16);
    }
  }
}
