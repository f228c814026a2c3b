// The mean of rows as it is measured: a text of 128 tokens, of MiniLM's width.

import { type KernelRow, noise, shareOf } from "./case.js";
import { relativeError } from "./exact.js";

export const meanRows: KernelRow = {
  dimensions: ["rows", "columns"],
  formats: () => ["f32"],
  shapes: () => [[128, 384]],
  share: shareOf(1, 4),
  peak: () => undefined,
  check: (lab, _, [rows = 0, columns = 0]) => void lab.meanRows({ rows, columns }),
  prepare: (lab, _, [rows = 1, columns = 0]) => {
    const x = noise(rows * columns, 1);
    const kernel = lab.meanRows({ rows, columns }).setInput(x);
    const error = () => {
      const exact = new Float64Array(columns);
      for (let i = 0; i < x.length; i++) exact[i % columns]! += x[i]! / rows;
      return relativeError(kernel.result, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};
