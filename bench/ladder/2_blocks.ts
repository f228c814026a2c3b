// Rung 2: the weights stay as they are in the file, 4 bits each, and a block of 32 is an integer dot product: one multiplication of floats
// for 32 weights, and a seventh of the bytes.
//
//   y[token, row] = sum over blocks of d * scale * (sum of (q - 8) * x)

import { halfToFloat } from "../../assembly/lanes";
import { encode, X_BLOCK_BYTES } from "./activations";

const BLOCK_BYTES: usize = 18;

export function pack(from: usize, rows: i32, columns: i32, to: usize): void {
  memory.copy(to, from, <usize>((rows * columns) / 32) * BLOCK_BYTES);
}

export function matmul(w: usize, x: usize, y: usize, rows: i32, columns: i32, tokens: i32, scratch: usize): void {
  encode(x, columns, tokens, scratch);
  const blocks = columns / 32;
  for (let token = 0; token < tokens; token++) {
    let block = w;
    for (let row = 0; row < rows; row++) {
      let from = scratch + <usize>(token * blocks) * X_BLOCK_BYTES;
      let sum: f32 = 0;
      for (let b = 0; b < blocks; b++, block += BLOCK_BYTES, from += X_BLOCK_BYTES) {
        let dot = 0;
        for (let i: usize = 0; i < 16; i++) {
          const q = <i32>load<u8>(block + i, 2);
          dot += ((q & 15) - 8) * load<i8>(from + i) + ((q >> 4) - 8) * load<i8>(from + i, 16);
        }
        sum += halfToFloat(load<u16>(block)) * load<f32>(from, 32) * <f32>dot;
      }
      store<f32>(y + (<usize>(token * rows + row) << 2), sum);
    }
  }
}
