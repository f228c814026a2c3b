// y[token, row] = sum over columns of w[row, column] * x[token, column], for weights of any format: assembly/kernels/matmul.ts.

import { GROUP_ROWS, TILE_TOKENS } from "#abi";
import { checkInteger } from "../../options.js";
import { checkLength, f32, fill, u8 } from "./buffers.js";
import { declareKernel, type PeakName } from "./declaration.js";
import { dequantize } from "./dequantize.js";
import { type ActivationName, activationKinds, rowBytes, type WeightFormat } from "./formats.js";
import { noise, relativeError, sampled, shareOf } from "./measuring.js";
import type { WeightKernel } from "./prepared.js";

/** The shape of a product. */
export interface MatmulShape {
  /** ggml's name of the weights' format, such as "Q4_0". */
  readonly format: string;
  readonly rows: number;
  /** A multiple of the format's block. */
  readonly columns: number;
  /** Rows of activations: 1 is decode, many are prefill. Default 1. */
  readonly tokens?: number;
}

/** A matmul with its buffers. From `KernelLab.matmul`. */
export interface MatmulKernel extends WeightKernel<MatmulShape> {
  /** The weights' bytes, which one run reads once. */
  readonly bytes: number;
  /** 2 * rows * columns * tokens. */
  readonly operations: number;
  /**
   * Takes the weights, and packs them 8 rows side by side, as a model's are when it is loaded.
   *
   * @param bytes (rows, columns) in GGUF's layout, row after row
   * @throws CriaError INVALID_SHAPE when the number of bytes is another
   */
  setWeights(bytes: Uint8Array): this;
  /**
   * Takes the activations, and encodes them for the format's inner product.
   *
   * @param x (tokens, columns) f32
   * @throws CriaError INVALID_SHAPE when the number of values is another
   */
  setActivations(x: Float32Array): this;
  /** (tokens, rows) f32. */
  readonly result: Float32Array;
}

type Buffers = "weights" | "staging" | "activations" | "encoded" | "y" | "scratch";

const MEASURED_COLUMNS = 2048;
const PREFILL_TOKENS = 128;

export const matmul = declareKernel<MatmulShape, MatmulKernel, Buffers>({
  plan(given, lab) {
    const format = lab.format(given.format);
    const { sizes } = lab;
    const rows = checkInteger("rows", given.rows, 1, 2 ** 24);
    const columns = checkInteger("columns", given.columns, 1, 2 ** 20);
    const tokens = checkInteger("tokens", given.tokens ?? 1, 1, 4096);
    const bytesPerRow = rowBytes(format, columns);
    const { type } = format;
    const kind = activationKinds[format.activation];
    const tokenBytes = sizes.activationBytes(kind, columns);
    const groups = Math.ceil(rows / GROUP_ROWS);
    const stride = groups * GROUP_ROWS * 4;
    return {
      shape: { format: format.name, rows, columns, tokens },
      format,
      bytes: rows * bytesPerRow,
      operations: 2 * rows * columns * tokens,
      buffers: {
        weights: u8(groups * GROUP_ROWS * bytesPerRow),
        staging: u8(GROUP_ROWS * bytesPerRow),
        activations: f32(tokens, columns),
        encoded: u8(Math.ceil(tokens / TILE_TOKENS) * TILE_TOKENS * tokenBytes),
        y: f32(tokens, rows, stride),
        scratch: u8(sizes.matmulScratchBytes(tokens)),
      },
      set: {
        setWeights({ at, kernels, memory }, bytes) {
          checkLength("weights", bytes, rows * bytesPerRow);
          const staging = new Uint8Array(memory.buffer, at.staging, GROUP_ROWS * bytesPerRow);
          for (let row = 0; row < rows; row += GROUP_ROWS) {
            const count = Math.min(GROUP_ROWS, rows - row);
            staging.set(bytes.subarray(row * bytesPerRow, (row + count) * bytesPerRow));
            kernels.packRows(type, at.staging, row, count, columns, at.weights, at.scratch);
          }
        },
        setActivations(space, x) {
          fill(space, ["activations"], [x]);
          const { at, kernels } = space;
          for (let token = 0; token < tokens; token += TILE_TOKENS) {
            const count = Math.min(TILE_TOKENS, tokens - token);
            const row = at.activations + token * columns * 4;
            kernels.encodeActivations(kind, row, columns * 4, count, columns, at.encoded + token * tokenBytes);
          }
        },
      },
      run: ({ at, kernels }) =>
        kernels.matmul(type, at.weights, 0, groups, columns, at.encoded, tokens, at.y, stride, 0, at.scratch),
      result: "y",
    };
  },
  dimensions: ["rows", "columns", "tokens"],
  formatOption: "format",
  formats: (lab) => lab.formats.map(({ name }) => name),
  // One token from weights in the caches, one token from weights in memory, and a prefill chunk.
  shapes(lab, format, { cachedBytes, streamedBytes }) {
    const groupBytes = GROUP_ROWS * rowBytes(lab.format(format), MEASURED_COLUMNS);
    const rowsOf = (bytes: number) => Math.max(1, Math.ceil(bytes / groupBytes)) * GROUP_ROWS;
    return [
      [rowsOf(cachedBytes), MEASURED_COLUMNS, 1],
      [rowsOf(streamedBytes), MEASURED_COLUMNS, 1],
      [MEASURED_COLUMNS, MEASURED_COLUMNS, PREFILL_TOKENS],
    ];
  },
  share: shareOf(0, GROUP_ROWS),
  peak: (lab, format) => peakOf(lab.format(format)),
  fill(kernel, lab) {
    const { format, rows, columns, tokens } = kernel.shape;
    const weights = lab.randomWeights(format, rows, columns);
    const x = noise(tokens * columns, 1);
    kernel.setWeights(weights).setActivations(x);
    const bytes = rowBytes(kernel.format, columns);
    // Copies: a large matrix need not stay for the sake of a few rows.
    const rowsKept = sampled(rows).map((row) => ({ row, weights: weights.slice(row * bytes, (row + 1) * bytes) }));
    return () => {
      const { result } = kernel;
      const meaning = dequantize.make(lab, { format, columns });
      const exact = rowsKept.flatMap(({ weights }) => {
        meaning.setWeights(weights).run();
        return exactRow(meaning.result, x);
      });
      const ours = rowsKept.flatMap(({ row }) => Array.from({ length: tokens }, (_, t) => result[t * rows + row]!));
      return relativeError(ours, exact);
    };
  },
});

const peaks: Readonly<Record<ActivationName, PeakName>> = {
  f32: "f32",
  q8_32: "int8",
  centred_q8_32: "int8",
  q8_256: "int8",
  q16_32: "int16",
};

/** How a format multiplies. */
export function peakOf({ activation }: WeightFormat): PeakName {
  return peaks[activation];
}

/** Products of one row of weights (columns) with every row of x (tokens, columns), in float64. */
function exactRow(weights: Float32Array, x: Float32Array): number[] {
  const columns = weights.length;
  return Array.from({ length: x.length / columns }, (_, token) => {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += weights[k]! * x[token * columns + k]!;
    return sum;
  });
}
