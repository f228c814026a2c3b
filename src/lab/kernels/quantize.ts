// f32 to weights: assembly/kernels/quantize.ts. A whole file is encoded by `cria/quantize`.

import { UnsupportedError } from "../../errors.js";
import { checkInteger, checkNumber } from "../../options.js";
import { checkLength, f32, fill, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { dequantize } from "./dequantize.js";
import { rowBytes } from "./formats.js";
import { noise, relativeError, rowsOfWeights, sampled, shareOf } from "./measuring.js";
import type { WeightKernel } from "./prepared.js";

/** The shape of a quantisation. */
export interface QuantizeShape {
  /** ggml's name of a format that has an encoder: one whose `largest` is not 0. */
  readonly format: string;
  /** A multiple of the format's block. */
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
}

/** The quantisation of rows. From `KernelLab.quantize`. */
export interface QuantizeKernel extends WeightKernel<QuantizeShape> {
  /** f32 read, weights written. */
  readonly bytes: number;
  /**
   * @param x (rows, columns) f32
   * @throws CriaError INVALID_SHAPE when the number of values is another, INVALID_OPTION for a number that is not finite or beyond the
   * format's `largest`
   */
  setInput(x: Float32Array): this;
  /** (rows, columns) in GGUF's layout, row after row. */
  readonly result: Uint8Array;
}

export const quantize = declareKernel<QuantizeShape, QuantizeKernel, "x" | "weights" | "scratch">({
  plan(given, lab) {
    const format = lab.format(given.format);
    const columns = checkInteger("columns", given.columns, 1, 2 ** 20);
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 24);
    const { largest } = format;
    if (largest === 0) throw new UnsupportedError("UNSUPPORTED_FORMAT", `no encoder for the format "${format.name}"`);
    const bytesPerRow = rowBytes(format, columns);
    return {
      shape: { format: format.name, columns, rows },
      format,
      bytes: rows * (columns * 4 + bytesPerRow),
      buffers: {
        x: f32(1, rows * columns),
        weights: u8(rows * bytesPerRow),
        scratch: u8(lab.sizes.quantizeScratchBytes()),
      },
      set: {
        setInput(space, x) {
          checkLength("x", x, rows * columns);
          const bad = x.findIndex((value) => !(Math.abs(value) <= largest));
          if (bad >= 0) checkNumber(`x[${bad}]`, x[bad]!, -largest, largest);
          fill(space, ["x"], [x]);
        },
      },
      run({ at, kernels }) {
        for (let row = 0; row < rows; row++) {
          const to = at.weights + row * bytesPerRow;
          kernels.quantizeRow(format.type, at.x + row * columns * 4, columns, to, at.scratch);
        }
      },
      result: "weights",
    };
  },
  ...rowsOfWeights,
  formats: (lab) => lab.formats.filter(({ largest }) => largest > 0).map(({ name }) => name),
  share: shareOf(0),
  // Its error is what the format loses of numbers that are spread evenly.
  fill(kernel, lab) {
    const { format, rows, columns } = kernel.shape;
    const x = noise(rows * columns, 1);
    kernel.setInput(x);
    return () => {
      const { result } = kernel;
      const bytesPerRow = result.length / rows;
      const meaning = dequantize.make(lab, { format, columns });
      const chosen = sampled(rows);
      const ours = chosen.flatMap((row) => {
        meaning.setWeights(result.subarray(row * bytesPerRow, (row + 1) * bytesPerRow)).run();
        return [...meaning.result];
      });
      const exact = chosen.flatMap((row) => [...x.subarray(row * columns, (row + 1) * columns)]);
      return relativeError(ours, exact);
    };
  },
});
