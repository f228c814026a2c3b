// The norms of rows of activations (assembly/kernels/norm.ts).

import { checkInteger, checkNumber } from "../../options.js";
import { f32 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, rowsOfChunk } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of a norm. */
export interface NormShape {
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
  /** Added to the mean of the squares (of LayerNorm: to the variance). Default 1e-5. */
  readonly epsilon?: number;
}

function checkNorm(shape: NormShape): Required<NormShape> {
  return {
    columns: checkInteger("columns", shape.columns, 1, 2 ** 20),
    rows: checkInteger("rows", shape.rows ?? 1, 1, 2 ** 16),
    epsilon: checkNumber("epsilon", shape.epsilon ?? 1e-5, 0, 1),
  };
}

/** y = x / sqrt(mean(x^2) + epsilon) * weight, row by row (Zhang and Sennrich 2019). From `KernelLab.rmsNorm`. */
export interface RmsNormKernel extends ShapedKernel<NormShape> {
  /** x, y and the weight. */
  readonly bytes: number;
  /** @param x (rows, columns) f32 @param weight (columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array, weight: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const rmsNorm = declareKernel<NormShape, RmsNormKernel, "x" | "weight" | "y">({
  plan(given) {
    const shape = checkNorm(given);
    const { rows, columns, epsilon } = shape;
    return {
      shape,
      bytes: 8 * rows * columns + 4 * columns,
      buffers: { x: f32(rows, columns), weight: f32(1, columns), y: f32(rows, columns) },
      set: { setInput: ["x", "weight"] },
      run({ at, kernels }) {
        for (let row = 0, offset = 0; row < rows; row++, offset += columns * 4) {
          kernels.rmsNorm(at.x + offset, at.weight, at.y + offset, columns, epsilon);
        }
      },
      result: "y",
    };
  },
  ...rowsOfChunk,
  fill(kernel) {
    const { rows, columns, epsilon } = kernel.shape;
    const x = noise(rows * columns, 1);
    const weight = noise(columns, 2);
    kernel.setInput(x, weight);
    return () => {
      const exact = new Float64Array(x.length);
      for (let at = 0; at < x.length; at += columns) {
        const scale = 1 / Math.sqrt(meanSquare(x.subarray(at, at + columns), 0) + epsilon);
        for (let i = 0; i < columns; i++) exact[at + i] = x[at + i]! * scale * weight[i]!;
      }
      return relativeError(kernel.result, exact);
    };
  },
});

/**
 * y = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias, row by row (Ba et al. 2016). From `KernelLab.layerNorm`.
 */
export interface LayerNormKernel extends ShapedKernel<NormShape> {
  /** x, y, weight and bias. */
  readonly bytes: number;
  /** @param x (rows, columns) f32 @param weight (columns) f32 @param bias (columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array, weight: Float32Array, bias: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const layerNorm = declareKernel<NormShape, LayerNormKernel, "x" | "weight" | "bias" | "y">({
  plan(given) {
    const shape = checkNorm(given);
    const { rows, columns, epsilon } = shape;
    return {
      shape,
      bytes: 8 * rows * columns + 8 * columns,
      buffers: { x: f32(rows, columns), weight: f32(1, columns), bias: f32(1, columns), y: f32(rows, columns) },
      set: { setInput: ["x", "weight", "bias"] },
      run({ at, kernels }) {
        for (let row = 0, offset = 0; row < rows; row++, offset += columns * 4) {
          kernels.layerNorm(at.x + offset, at.weight, at.bias, at.y + offset, columns, epsilon);
        }
      },
      result: "y",
    };
  },
  ...rowsOfChunk,
  fill(kernel) {
    const { rows, columns, epsilon } = kernel.shape;
    // Its mean is far from 0, as that of hidden states can be: a kernel that forgot to subtract it would show.
    const x = noise(rows * columns, 1).map((value) => value + 1);
    const weight = noise(columns, 2);
    const bias = noise(columns, 3);
    kernel.setInput(x, weight, bias);
    return () => {
      const exact = new Float64Array(x.length);
      for (let at = 0; at < x.length; at += columns) {
        const values = x.subarray(at, at + columns);
        const mean = values.reduce((sum, value) => sum + value, 0) / columns;
        const scale = 1 / Math.sqrt(meanSquare(values, mean) + epsilon);
        for (let i = 0; i < columns; i++) exact[at + i] = (values[i]! - mean) * scale * weight[i]! + bias[i]!;
      }
      return relativeError(kernel.result, exact);
    };
  },
});

/** The mean of (x - from)^2. */
function meanSquare(x: Float32Array, from: number): number {
  return x.reduce((sum, value) => sum + (value - from) ** 2, 0) / x.length;
}
