// Weights to f32, bit for bit what their format means: assembly/formats has a page for each.

import { checkInteger } from "../../options.js";
import { f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { rowBytes } from "./formats.js";
import { rowsOfWeights, shareOf } from "./measuring.js";
import type { WeightKernel } from "./prepared.js";

/** The shape of a dequantisation. */
export interface DequantizeShape {
  /** ggml's name of the format, such as "Q4_0". */
  readonly format: string;
  /** A multiple of the format's block. */
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
}

/** The dequantisation of rows. From `KernelLab.dequantize`. */
export interface DequantizeKernel extends WeightKernel<DequantizeShape> {
  /** Weights read, f32 written. */
  readonly bytes: number;
  /** @param bytes (rows, columns) in GGUF's layout, row after row @throws CriaError INVALID_SHAPE */
  setWeights(bytes: Uint8Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const dequantize = declareKernel<DequantizeShape, DequantizeKernel, "weights" | "out" | "job">({
  plan(given, lab) {
    const format = lab.format(given.format);
    const columns = checkInteger("columns", given.columns, 1, 2 ** 20);
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 24);
    const bytesPerRow = rowBytes(format, columns);
    return {
      shape: { format: format.name, columns, rows },
      format,
      bytes: rows * (bytesPerRow + columns * 4),
      buffers: { weights: u8(rows * bytesPerRow), out: f32(1, rows * columns), job: u8(64) },
      set: { setWeights: ["weights"] },
      run({ at, kernels }) {
        for (let row = 0; row < rows; row++) {
          const from = at.weights + row * bytesPerRow;
          kernels.dequantizeRow(format.type, from, columns, at.out + row * columns * 4, at.job);
        }
      },
      result: "out",
    };
  },
  ...rowsOfWeights,
  share: shareOf(0),
  // Bit for bit what the format means: the tests hold it to that, so no error is shown.
  fill({ shape: { format, rows, columns }, setWeights }, lab) {
    setWeights(lab.randomWeights(format, rows, columns));
    return undefined;
  },
});
