// Rung 1: three loops over floats. It defines what is computed; every other rung is checked against it.
//
//   y[token, row] = sum over columns of w[row, column] * x[token, column]
//
// Each weight takes 4 bytes, and the additions wait for one another: one product in 3 or 4 cycles.

import { Q4_0 } from "../../assembly/formats/q4_0";

const BLOCK_BYTES: usize = 18;
const BLOCK_WEIGHTS: i32 = 32;

/** Weights: (rows, columns) Q4_0 in GGUF's layout at `from`, to f32. */
export function pack(from: usize, rows: i32, columns: i32, to: usize): void {
  for (let block = (rows * columns) / BLOCK_WEIGHTS; block > 0; block--, from += BLOCK_BYTES, to += 128) {
    changetype<Q4_0>(0).dequantize(from, to);
  }
}

/** x: (tokens, columns) f32; y: (tokens, rows) f32. */
export function matmul(w: usize, x: usize, y: usize, rows: i32, columns: i32, tokens: i32, _scratch: usize): void {
  for (let token = 0; token < tokens; token++) {
    for (let row = 0; row < rows; row++) {
      let sum: f32 = 0;
      for (let column = 0; column < columns; column++) {
        sum += load<f32>(w + (<usize>(row * columns + column) << 2)) * load<f32>(x + (<usize>(token * columns + column) << 2));
      }
      store<f32>(y + (<usize>(token * rows + row) << 2), sum);
    }
  }
}
