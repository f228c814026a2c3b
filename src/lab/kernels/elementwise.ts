// A bias and a factor for rows of activations (assembly/kernels/elementwise.ts).
//
// Both work in place, over what the run before has written. A bias that is added again and again makes a number grow no faster than the
// number of runs, and the number stays normal. A factor leads to infinity or, by way of subnormal numbers, which are slow, to 0. So it is
// timed with 1, and its error is that of a run with Gemma's factor for embeddings, the root of the width.

import { checkInteger, checkNumber } from "../../options.js";
import { checkLength, checkMultiple, f32, fill, type Space } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, rowsOfChunk } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

const LARGEST_F32 = 2 ** 128 - 2 ** 104;
const MEASURED_FACTOR = Math.sqrt(2048);

/** The shape of what is done element by element. */
export interface ElementwiseShape {
  /** A multiple of 4. */
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
}

/** @throws CriaError INVALID_OPTION, INVALID_SHAPE */
export function checkElementwise(shape: ElementwiseShape): Required<ElementwiseShape> {
  const columns = checkInteger("columns", shape.columns, 4, 2 ** 20);
  const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 16);
  checkMultiple("columns", columns, 4);
  return { columns, rows };
}

/** y = y + bias, the same bias for every row, in place: n runs add it n times. From `KernelLab.addBias` and `KernelLab.addBiasRows`. */
export interface AddBiasKernel extends ShapedKernel<ElementwiseShape> {
  /** y and the bias. */
  readonly bytes: number;
  /** @param y (rows, columns) f32 @param bias (columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(y: Float32Array, bias: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

/** Row by row, each with a call of the kernel. */
export const addBias = declareAddition(({ rows, columns }, { at, kernels }) => {
  for (let row = 0; row < rows; row++) kernels.addBias(at.y + row * columns * 4, at.bias, columns);
});

/** All rows with one call of the kernel. */
export const addBiasRows = declareAddition(({ rows, columns }, { at, kernels }) =>
  kernels.addBiasRows(at.y, columns * 4, rows, at.bias, columns),
);

function declareAddition(add: (shape: Required<ElementwiseShape>, space: Space<"y" | "bias">) => void) {
  return declareKernel<ElementwiseShape, AddBiasKernel, "y" | "bias">({
    plan(given) {
      const shape = checkElementwise(given);
      const { rows, columns } = shape;
      return {
        shape,
        bytes: 4 * rows * columns + 4 * columns,
        buffers: { y: f32(rows, columns), bias: f32(1, columns) },
        set: { setInput: ["y", "bias"] },
        run: (space) => add(shape, space),
        result: "y",
      };
    },
    ...rowsOfChunk,
    fill(kernel) {
      const { rows, columns } = kernel.shape;
      const y = noise(rows * columns, 1);
      const bias = noise(columns, 2);
      kernel.setInput(y, bias);
      const exact = () => Float64Array.from(y, (value, i) => value + bias[i % columns]!);
      return () => relativeError(kernel.result, exact());
    },
  });
}

/** x = x * factor, in place: n runs multiply n times. From `KernelLab.scale`. */
export interface ScaleKernel extends ShapedKernel<ElementwiseShape> {
  /** x. */
  readonly bytes: number;
  /**
   * @param x (rows, columns) f32
   * @param factor a finite f32; the kernel rounds it to one
   * @throws CriaError INVALID_SHAPE, INVALID_OPTION
   */
  setInput(x: Float32Array, factor: number): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const scale = declareKernel<ElementwiseShape, ScaleKernel, "x">({
  plan(given) {
    const shape = checkElementwise(given);
    const count = shape.rows * shape.columns;
    let multiplier = 1;
    return {
      shape,
      bytes: 4 * count,
      buffers: { x: f32(1, count) },
      set: {
        setInput(space, x, factor) {
          checkLength("x", x, count);
          multiplier = checkNumber("factor", factor, -LARGEST_F32, LARGEST_F32);
          fill(space, ["x"], [x]);
        },
      },
      run: ({ at, kernels }) => kernels.scale(at.x, multiplier, count),
      result: "x",
    };
  },
  ...rowsOfChunk,
  fill(kernel) {
    const x = noise(kernel.shape.rows * kernel.shape.columns, 1);
    kernel.setInput(x, 1);
    return () => {
      kernel.setInput(x, MEASURED_FACTOR).run();
      const exact = Float64Array.from(x, (value) => value * MEASURED_FACTOR);
      const error = relativeError(kernel.result, exact);
      kernel.setInput(x, 1);
      return error;
    };
  },
});
