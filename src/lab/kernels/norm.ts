// The norms of rows of activations (assembly/kernels/norm.ts).

import { checkInteger, checkNumber } from "../../options.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, takeRows, type Workspace } from "./workspace.js";

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
export class RmsNormKernel implements PreparedKernel {
  readonly shape: Required<NormShape>;
  /** x, y and the weight. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "weight" | "y">;

  /** Use `KernelLab.rmsNorm`. */
  constructor(module: WebAssembly.Module, shape: NormShape) {
    this.shape = checkNorm(shape);
    const { rows, columns } = this.shape;
    this.bytes = 8 * rows * columns + 4 * columns;
    const bytes = rows * columns * 4;
    this.#space = openWorkspace(module, { x: bytes, weight: columns * 4, y: bytes });
  }

  /** @param x (rows, columns) f32 @param weight (columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array, weight: Float32Array): this {
    const { rows, columns } = this.shape;
    checkLength("x", x, rows * columns);
    checkLength("weight", weight, columns);
    floats(this.#space, this.#space.at.x, x.length).set(x);
    floats(this.#space, this.#space.at.weight, columns).set(weight);
    return this;
  }

  run(): void {
    const { rows, columns, epsilon } = this.shape;
    const { at, kernels } = this.#space;
    for (let row = 0, offset = 0; row < rows; row++, offset += columns * 4) {
      kernels.rmsNorm(at.x + offset, at.weight, at.y + offset, columns, epsilon);
    }
  }

  /** (rows, columns) f32. */
  get result(): Float32Array {
    const { rows, columns } = this.shape;
    return takeRows(this.#space, this.#space.at.y, rows, columns, columns * 4);
  }
}

/**
 * y = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias, row by row (Ba et al. 2016). From `KernelLab.layerNorm`.
 */
export class LayerNormKernel implements PreparedKernel {
  readonly shape: Required<NormShape>;
  /** x, y, weight and bias. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "weight" | "bias" | "y">;

  /** Use `KernelLab.layerNorm`. */
  constructor(module: WebAssembly.Module, shape: NormShape) {
    this.shape = checkNorm(shape);
    const { rows, columns } = this.shape;
    this.bytes = 8 * rows * columns + 8 * columns;
    const bytes = rows * columns * 4;
    this.#space = openWorkspace(module, { x: bytes, weight: columns * 4, bias: columns * 4, y: bytes });
  }

  /** @param x (rows, columns) f32 @param weight (columns) f32 @param bias (columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array, weight: Float32Array, bias: Float32Array): this {
    const { rows, columns } = this.shape;
    checkLength("x", x, rows * columns);
    checkLength("weight", weight, columns);
    checkLength("bias", bias, columns);
    floats(this.#space, this.#space.at.x, x.length).set(x);
    floats(this.#space, this.#space.at.weight, columns).set(weight);
    floats(this.#space, this.#space.at.bias, columns).set(bias);
    return this;
  }

  run(): void {
    const { rows, columns, epsilon } = this.shape;
    const { at, kernels } = this.#space;
    for (let row = 0, offset = 0; row < rows; row++, offset += columns * 4) {
      kernels.layerNorm(at.x + offset, at.weight, at.bias, at.y + offset, columns, epsilon);
    }
  }

  /** (rows, columns) f32. */
  get result(): Float32Array {
    const { rows, columns } = this.shape;
    return takeRows(this.#space, this.#space.at.y, rows, columns, columns * 4);
  }
}
