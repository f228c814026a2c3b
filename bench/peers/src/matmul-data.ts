// The numbers that every matmul peer multiplies, and the check that it has multiplied them.

import type { MatmulSubject } from "./peer.js";

const BLOCK = 32;

/** Weights of 4 bits in blocks of 32 along a row: w = (q - 8) * scale. */
export interface Quantised {
  /** (rows, columns) 0 .. 15 */
  readonly values: Uint8Array;
  /** (rows, columns / 32), each one exact in f16 */
  readonly scales: Float32Array;
  /** The bits of `scales` in f16. */
  readonly halfScales: Uint16Array;
}

/** Weights of matrix `index`. */
export function quantisedWeights({ rows, columns }: MatmulSubject, index: number): Quantised {
  const next = random(index + 1);
  const values = new Uint8Array(rows * columns);
  for (let i = 0; i < values.length; i++) values[i] = next() & 15;
  const blocks = values.length / BLOCK;
  const scales = new Float32Array(blocks);
  const halfScales = new Uint16Array(blocks);
  for (let i = 0; i < blocks; i++) {
    // An f16 of exponent -7: 1 to 2 times 1/128.
    const mantissa = next() & 1023;
    scales[i] = (1024 + mantissa) / 2 ** 17;
    halfScales[i] = ((15 - 7) << 10) | mantissa;
  }
  return { values, scales, halfScales };
}

/** (rows, columns) f32 weights. */
export function floatWeights({ rows, columns }: MatmulSubject): Float32Array {
  return uniform(rows * columns, 1);
}

/** (tokens, columns) f32 activations in -1 .. 1. */
export function activations({ tokens, columns }: MatmulSubject): Float32Array {
  return uniform(tokens * columns, 99);
}

/**
 * Compares some results with sums in float64.
 *
 * @param weight of row r and column k
 * @param tolerance of one result, relative to the root of the sum of its squared terms
 * @throws when one is wrong
 */
export function checkResults(
  { tokens, columns, rows }: MatmulSubject,
  y: ArrayLike<number>,
  weight: (row: number, column: number) => number,
  tolerance: number,
): void {
  const x = activations({ tokens, columns } as MatmulSubject);
  for (const token of new Set([0, tokens >> 1, tokens - 1])) {
    for (const row of [0, 1, 9, rows - 1]) {
      let sum = 0;
      let squares = 0;
      for (let k = 0; k < columns; k++) {
        const term = weight(row, k) * x[token * columns + k]!;
        sum += term;
        squares += term * term;
      }
      const result = y[token * rows + row]!;
      if (!(Math.abs(result - sum) <= tolerance * Math.sqrt(squares))) {
        throw new Error(`y[${token}, ${row}] is ${result}, not ${sum}`);
      }
    }
  }
}

/** The weight of a quantised matrix. */
export function dequantised({ values, scales }: Quantised, columns: number): (row: number, column: number) => number {
  return (row, column) => {
    const i = row * columns + column;
    return (values[i]! - 8) * scales[Math.floor(i / BLOCK)]!;
  };
}

function uniform(count: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => next() / 2 ** 31 - 1);
}

/** xorshift32 (Marsaglia, 2003). */
function random(seed: number): () => number {
  let state = (seed * 0x9e3779b9) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
