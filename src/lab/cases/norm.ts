// The norms as they are measured: a prefill chunk of Llama-3.2-1B's width.

import { type KernelRow, noise, rowsOfChunk } from "./case.js";
import { relativeError } from "./exact.js";

const EPSILON = 1e-5;

export const rmsNorm: KernelRow = {
  ...rowsOfChunk,
  check: (lab, _, [rows, columns = 0]) => void lab.rmsNorm({ rows, columns }),
  prepare: (lab, _, [rows = 1, columns = 0]) => {
    const x = noise(rows * columns, 1);
    const weight = noise(columns, 2);
    const kernel = lab.rmsNorm({ rows, columns, epsilon: EPSILON }).setInput(x, weight);
    const error = () => {
      const exact = new Float64Array(x.length);
      for (let at = 0; at < x.length; at += columns) {
        const scale = 1 / Math.sqrt(meanSquare(x.subarray(at, at + columns), 0) + EPSILON);
        for (let i = 0; i < columns; i++) exact[at + i] = x[at + i]! * scale * weight[i]!;
      }
      return relativeError(kernel.result, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

export const layerNorm: KernelRow = {
  ...rowsOfChunk,
  check: (lab, _, [rows, columns = 0]) => void lab.layerNorm({ rows, columns }),
  prepare: (lab, _, [rows = 1, columns = 0]) => {
    // Its mean is far from 0, as that of hidden states can be: a kernel that forgot to subtract it would show.
    const x = noise(rows * columns, 1).map((value) => value + 1);
    const weight = noise(columns, 2);
    const bias = noise(columns, 3);
    const kernel = lab.layerNorm({ rows, columns, epsilon: EPSILON }).setInput(x, weight, bias);
    const error = () => {
      const exact = new Float64Array(x.length);
      for (let at = 0; at < x.length; at += columns) {
        const values = x.subarray(at, at + columns);
        const mean = values.reduce((sum, value) => sum + value, 0) / columns;
        const scale = 1 / Math.sqrt(meanSquare(values, mean) + EPSILON);
        for (let i = 0; i < columns; i++) exact[at + i] = (values[i]! - mean) * scale * weight[i]! + bias[i]!;
      }
      return relativeError(kernel.result, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

/** The mean of (x - from)^2. */
function meanSquare(x: Float32Array, from: number): number {
  return x.reduce((sum, value) => sum + (value - from) ** 2, 0) / x.length;
}
