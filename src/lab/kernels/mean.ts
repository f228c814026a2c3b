// The mean of rows, which embeddings are made of (assembly/kernels/mean.ts).

import { checkInteger } from "../../options.js";
import { f32 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of a mean of rows. */
export interface MeanRowsShape {
  readonly rows: number;
  readonly columns: number;
}

/** y = (x[0] + x[1] + ...) / rows, with sums in f64. From `KernelLab.meanRows`. */
export interface MeanRowsKernel extends ShapedKernel<MeanRowsShape> {
  /** x read, y written. */
  readonly bytes: number;
  /** @param x (rows, columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this;
  /** (columns) f32. */
  readonly result: Float32Array;
}

export const meanRows = declareKernel<MeanRowsShape, MeanRowsKernel, "x" | "y">({
  plan(given) {
    const rows = checkInteger("rows", given.rows, 1, 2 ** 16);
    const columns = checkInteger("columns", given.columns, 1, 2 ** 20);
    // The kernel reads whole vectors of four.
    const stride = Math.ceil(columns / 4) * 16;
    return {
      shape: { rows, columns },
      bytes: 4 * (rows + 1) * columns,
      buffers: { x: f32(rows, columns, stride), y: f32(1, columns, stride) },
      set: { setInput: ["x"] },
      run: ({ at, kernels }) => kernels.meanRows(at.x, stride, rows, columns, at.y),
      result: "y",
    };
  },
  dimensions: ["rows", "columns"],
  // A text of 128 tokens, of MiniLM's width.
  shapes: () => [[128, 384]],
  share: shareOf(1, 4),
  fill(kernel) {
    const { rows, columns } = kernel.shape;
    const x = noise(rows * columns, 1);
    kernel.setInput(x);
    return () => {
      const exact = new Float64Array(columns);
      for (let i = 0; i < x.length; i++) exact[i % columns]! += x[i]! / rows;
      return relativeError(kernel.result, exact);
    };
  },
});
