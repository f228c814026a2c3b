// Rung 5: four tokens at once. A weight that has been loaded and unpacked is multiplied by four activations, so prefill is bound by the
// products and no longer by the unpacking. 8 rows (two registers of 4) by 4 tokens: 8 sums, 2 weights, 1 activation of 16 registers.
//
// Decode has one token: the tile does not help it, and it runs as in rung 4.

import { halvesToFloats } from "../../assembly/lanes";
import { matmul as matmulByToken } from "./4_panels";
import { encode, X_BLOCK_BYTES } from "./activations";

export { pack } from "./4_panels";

const GROUP_BYTES: usize = 144;

@inline
function dotAdd(sums: v128, w: v128, x: v128): v128 {
  return i16x8.add(sums, i16x8.relaxed_dot_i8x16_i7x16_s(x, w));
}

/** Adds a block's sums to the 8 results of one token at y; `from`: the token's block. */
@inline
function leave(y: usize, sums0: v128, sums1: v128, d0: v128, d1: v128, from: usize): void {
  const ones = i16x8.splat(1);
  const scale = v128.load32_splat(from, 32);
  const offset = i32x4.shl(v128.load32_splat(from, 36), 3);
  const whole0 = f32x4.convert_i32x4_s(i32x4.sub(i32x4.dot_i16x8_s(sums0, ones), offset));
  const whole1 = f32x4.convert_i32x4_s(i32x4.sub(i32x4.dot_i16x8_s(sums1, ones), offset));
  v128.store(y, f32x4.add(v128.load(y), f32x4.mul(whole0, f32x4.mul(d0, scale))));
  v128.store(y, f32x4.add(v128.load(y, 16), f32x4.mul(whole1, f32x4.mul(d1, scale))), 16);
}

export function matmul(w: usize, x: usize, y: usize, rows: i32, columns: i32, tokens: i32, scratch: usize): void {
  const whole = tokens & ~3;
  if (whole > 0) matmulTiles(w, x, y, rows, columns, whole, scratch);
  const xRest = x + (<usize>(whole * columns) << 2);
  const yRest = y + (<usize>(whole * rows) << 2);
  if (tokens > whole) matmulByToken(w, xRest, yRest, rows, columns, tokens - whole, scratch);
}

/** A multiple of 4 tokens. */
function matmulTiles(w: usize, x: usize, y: usize, rows: i32, columns: i32, tokens: i32, scratch: usize): void {
  encode(x, columns, tokens, scratch);
  memory.fill(y, 0, <usize>(tokens * rows) << 2);
  const blocks = columns / 32;
  const low = i8x16.splat(15);
  const xBytes = <usize>blocks * X_BLOCK_BYTES;
  const yBytes = <usize>rows << 2;
  for (let token = 0; token < tokens; token += 4) {
    let group = w;
    for (let row = 0; row < rows; row += 8) {
      const to = y + <usize>token * yBytes + (<usize>row << 2);
      let from = scratch + <usize>token * xBytes;
      for (let block = 0; block < blocks; block++, group += GROUP_BYTES, from += X_BLOCK_BYTES) {
        let a0 = i16x8.splat(0);
        let a1 = a0;
        let b0 = a0;
        let b1 = a0;
        let c0 = a0;
        let c1 = a0;
        let d0 = a0;
        let d1 = a0;
        for (let g: usize = 0; g < 16; g += 4) {
          const q0 = v128.load(group + (g << 3), 16);
          const q1 = v128.load(group + (g << 3), 32);
          for (let half: usize = 0; half < 32; half += 16) {
            const w0 = v128.and(half == 0 ? q0 : i16x8.shr_u(q0, 4), low);
            const w1 = v128.and(half == 0 ? q1 : i16x8.shr_u(q1, 4), low);
            const at = from + g + half;
            let four = v128.load32_splat(at);
            a0 = dotAdd(a0, w0, four);
            a1 = dotAdd(a1, w1, four);
            four = v128.load32_splat(at + xBytes);
            b0 = dotAdd(b0, w0, four);
            b1 = dotAdd(b1, w1, four);
            four = v128.load32_splat(at + 2 * xBytes);
            c0 = dotAdd(c0, w0, four);
            c1 = dotAdd(c1, w1, four);
            four = v128.load32_splat(at + 3 * xBytes);
            d0 = dotAdd(d0, w0, four);
            d1 = dotAdd(d1, w1, four);
          }
        }
        const scales0 = halvesToFloats(v128.load16x4_s(group));
        const scales1 = halvesToFloats(v128.load16x4_s(group, 8));
        leave(to, a0, a1, scales0, scales1, from);
        leave(to + yBytes, b0, b1, scales0, scales1, from + xBytes);
        leave(to + 2 * yBytes, c0, c1, scales0, scales1, from + 2 * xBytes);
        leave(to + 3 * yBytes, d0, d1, scales0, scales1, from + 3 * xBytes);
      }
    }
  }
}
