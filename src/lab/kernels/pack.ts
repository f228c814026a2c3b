// Weights from GGUF's layout to the one that matmul streams, and back: assembly/kernels/weights.ts draws both.

import { GROUP_ROWS } from "#abi";
import { checkInteger } from "../../options.js";
import { u8 } from "./buffers.js";
import { declareKernel, type KernelHost } from "./declaration.js";
import { rowBytes } from "./formats.js";
import { relativeError, rowsOfWeights, shareOf } from "./measuring.js";
import type { WeightKernel } from "./prepared.js";

/** The shape of a matrix of weights. */
export interface PackShape {
  /** ggml's name of the format, such as "Q4_0". */
  readonly format: string;
  /** A multiple of the format's block. */
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
}

// The kernels' record of what to do: see `packRows`.
const JOB_BYTES = 20;

/** Packs rows 8 by 8, as a model's matrices are when it is loaded. From `KernelLab.pack`. */
export interface PackKernel extends WeightKernel<PackShape> {
  /** Weights read, and written. */
  readonly bytes: number;
  /** @param bytes (rows, columns) in GGUF's layout, row after row @throws CriaError INVALID_SHAPE */
  setWeights(bytes: Uint8Array): this;
  /** (groups of 8 rows, columns) packed; rows that the last group lacks are zeros. */
  readonly result: Uint8Array;
}

export const pack = declareKernel<PackShape, PackKernel, "weights" | "packed" | "job">({
  plan(given, lab) {
    const { buffers, ...facts } = planPacking(given, lab);
    const { format, shape } = facts;
    return {
      ...facts,
      buffers,
      set: { setWeights: ["weights"] },
      run: ({ at, kernels }) =>
        kernels.packRows(format.type, at.weights, 0, shape.rows, shape.columns, at.packed, at.job),
      result: "packed",
    };
  },
  ...rowsOfWeights,
  share: shareOf(0, GROUP_ROWS),
  // The error of packing and unpacking is that of the bytes that come back: 0.
  fill(kernel, lab) {
    const { format, rows, columns } = kernel.shape;
    const weights = lab.randomWeights(format, rows, columns);
    kernel.setWeights(weights);
    return () => {
      const back = unpack.make(lab, kernel.shape).setPacked(kernel.result);
      back.run();
      return relativeError(back.result, weights);
    };
  },
});

/** The inverse of PackKernel, row by row, as embeddings are looked up in a packed matrix. From `KernelLab.unpack`. */
export interface UnpackKernel extends WeightKernel<PackShape> {
  /** Weights read, and written. */
  readonly bytes: number;
  /** @param bytes what PackKernel makes of a matrix of this shape @throws CriaError INVALID_SHAPE */
  setPacked(bytes: Uint8Array): this;
  /** (rows, columns) in GGUF's layout, row after row. */
  readonly result: Uint8Array;
}

export const unpack = declareKernel<PackShape, UnpackKernel, "weights" | "packed" | "job">({
  plan(given, lab) {
    const { buffers, ...facts } = planPacking(given, lab);
    const { format, shape } = facts;
    const bytesPerRow = rowBytes(format, shape.columns);
    return {
      ...facts,
      buffers,
      set: { setPacked: ["packed"] },
      run({ at, kernels }) {
        for (let row = 0; row < shape.rows; row++) {
          kernels.unpackRow(format.type, at.packed, row, shape.columns, at.weights + row * bytesPerRow, at.job);
        }
      },
      result: "weights",
    };
  },
  ...rowsOfWeights,
  share: shareOf(0, GROUP_ROWS),
  fill(kernel, lab) {
    const { format, rows, columns } = kernel.shape;
    const weights = lab.randomWeights(format, rows, columns);
    const packed = pack.make(lab, kernel.shape).setWeights(weights);
    packed.run();
    kernel.setPacked(packed.result);
    return () => relativeError(kernel.result, weights);
  },
});

/** What both directions have in common. */
function planPacking(given: PackShape, lab: KernelHost) {
  const format = lab.format(given.format);
  const columns = checkInteger("columns", given.columns, 1, 2 ** 20);
  const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 24);
  const bytesPerRow = rowBytes(format, columns);
  return {
    shape: { format: format.name, columns, rows },
    format,
    bytes: 2 * rows * bytesPerRow,
    buffers: {
      weights: u8(rows * bytesPerRow),
      packed: u8(Math.ceil(rows / GROUP_ROWS) * GROUP_ROWS * bytesPerRow),
      job: u8(JOB_BYTES),
    },
  };
}
