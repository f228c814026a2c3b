// A bias and a factor as they are measured: a prefill chunk of Llama-3.2-1B's width.
//
// Both work in place, over what the run before has written. What a bias is added to again and again grows no faster than the number of
// runs, and stays normal. A factor leads to infinity or, by way of subnormal numbers, which are slow, to 0: so it is timed with 1, and its
// error is that of a run with Gemma's factor for embeddings, the root of the width.

import { type KernelRow, noise, rowsOfChunk } from "./case.js";
import { relativeError } from "./exact.js";

const FACTOR = Math.sqrt(2048);

export const addBias: KernelRow = {
  ...rowsOfChunk,
  check: (lab, _, [rows, columns = 0]) => void lab.addBias({ rows, columns }),
  prepare: (lab, _, [rows = 1, columns = 0]) => {
    const y = noise(rows * columns, 1);
    const bias = noise(columns, 2);
    const kernel = lab.addBias({ rows, columns }).setInput(y, bias);
    const error = () =>
      relativeError(
        kernel.result,
        Float64Array.from(y, (value, i) => value + bias[i % columns]!),
      );
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

export const scale: KernelRow = {
  ...rowsOfChunk,
  check: (lab, _, [rows, columns = 0]) => void lab.scale({ rows, columns }),
  prepare: (lab, _, [rows = 1, columns = 0]) => {
    const x = noise(rows * columns, 1);
    const kernel = lab.scale({ rows, columns }).setInput(x, 1);
    const error = () => {
      kernel.setInput(x, FACTOR).run();
      const distance = relativeError(
        kernel.result,
        Float64Array.from(x, (value) => value * FACTOR),
      );
      kernel.setInput(x, 1);
      return distance;
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};
