// The kernels that pass once over rows, as they are measured: a prefill chunk of Llama-3.2-1B's width.

import { checkChoice } from "../../engine/options.js";
import { type KernelRow, noise, shareOf } from "./case.js";
import { relativeError } from "./exact.js";

const activations = ["q8_32", "centred_q8_32", "q8_256", "q16_32", "f32"] as const;
const EPSILON = 1e-5;
const ROPE_BASE = 10000;

export const encode: KernelRow = {
  dimensions: ["tokens", "columns"],
  formats: () => activations,
  shapes: () => [[128, 2048]],
  check: (lab, format, [tokens, columns = 0]) => {
    lab.encode({ activation: checkChoice("format", format, activations), tokens, columns });
  },
  share: shareOf(0, 4),
  peak: () => undefined,
  // Its error is part of matmul's.
  prepare: (lab, format, [tokens = 1, columns = 0]) => {
    const activation = checkChoice("format", format, activations);
    const kernel = lab.encode({ activation, tokens, columns }).setInput(noise(tokens * columns, 1));
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0 };
  },
};

// Bit for bit what the format means: the tests hold it to that, so no error is shown.
export const dequantize: KernelRow = {
  dimensions: ["rows", "columns"],
  formats: (lab) => lab.formats.map(({ name }) => name),
  shapes: () => [[64, 2048]],
  check: (lab, format, [, columns = 0]) => void lab.dequantize({ format, columns }),
  share: shareOf(0),
  peak: () => undefined,
  prepare: (lab, format, [rows = 1, columns = 0]) => {
    const kernel = lab.dequantize({ format, rows, columns }).setWeights(lab.randomWeights(format, rows, columns));
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0 };
  },
};

export const rmsNorm: KernelRow = {
  dimensions: ["rows", "columns"],
  formats: () => ["f32"],
  shapes: () => [[128, 2048]],
  check: (lab, _, [rows, columns = 0]) => void lab.rmsNorm({ rows, columns }),
  share: shareOf(0),
  peak: () => undefined,
  prepare: (lab, _, [rows = 1, columns = 0]) => {
    const x = noise(rows * columns, 1);
    const weight = noise(columns, 2);
    const kernel = lab.rmsNorm({ rows, columns, epsilon: EPSILON }).setInput(x, weight);
    const error = () => {
      const exact = new Float64Array(x.length);
      for (let row = 0; row < rows; row++) {
        const values = x.subarray(row * columns, (row + 1) * columns);
        const mean = values.reduce((sum, value) => sum + value * value, 0) / columns;
        const scale = 1 / Math.sqrt(mean + EPSILON);
        for (let i = 0; i < columns; i++) exact[row * columns + i] = values[i]! * scale * weight[i]!;
      }
      return relativeError(kernel.result, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

export const rope: KernelRow = {
  dimensions: ["rows", "heads", "headDim"],
  formats: () => ["f32"],
  shapes: () => [[128, 32, 64]],
  check: (lab, _, [rows, heads = 0, headDim = 0]) => void lab.rope({ rows, heads, headDim }),
  share: shareOf(0),
  peak: () => undefined,
  prepare: (lab, _, [rows = 1, heads = 1, headDim = 64]) => {
    const x = noise(rows * heads * headDim, 1);
    const kernel = lab.rope({ rows, heads, headDim, base: ROPE_BASE }).setInput(x);
    const error = () => {
      const exact = Float64Array.from(x, (value, i) => {
        const position = Math.floor(i / (heads * headDim));
        const pair = Math.floor((i % headDim) / 2);
        const angle = position * ROPE_BASE ** ((-2 * pair) / headDim);
        return i % 2 === 0
          ? value * Math.cos(angle) - x[i + 1]! * Math.sin(angle)
          : x[i - 1]! * Math.sin(angle) + value * Math.cos(angle);
      });
      return relativeError(kernel.result, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

export const swiGlu: KernelRow = {
  dimensions: ["rows", "columns"],
  formats: () => ["f32"],
  shapes: () => [[128, 8192]],
  check: (lab, _, [rows, columns = 0]) => void lab.swiGlu({ rows, columns }),
  share: shareOf(0),
  peak: () => undefined,
  prepare: (lab, _, [rows = 1, columns = 0]) => {
    const gate = noise(rows * columns, 1).map((value) => 8 * value);
    // silu(gate) * (1 + e^-gate) is gate again: the kernel works in place, and its input stays what it is, however often it runs.
    const up = gate.map((value) => 1 + Math.exp(-value));
    const kernel = lab.swiGlu({ rows, columns }).setInput(gate, up);
    const error = () => {
      const exact = Float64Array.from(gate, (value, i) => (value / (1 + Math.exp(-value))) * up[i]!);
      return relativeError(kernel.result, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};
