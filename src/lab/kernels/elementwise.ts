// A bias and a factor for rows of activations (assembly/kernels/elementwise.ts).

import { CriaError } from "../../errors.js";
import { checkInteger, checkNumber } from "../../options.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, takeRows, type Workspace } from "./workspace.js";

const LARGEST_F32 = 2 ** 128 - 2 ** 104;

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
  if (columns % 4 !== 0) throw new CriaError("INVALID_SHAPE", `${columns} columns are no multiple of 4`);
  return { columns, rows };
}

/** y = y + bias, the same bias for every row, in place: n runs add it n times. From `KernelLab.addBias`. */
export class AddBiasKernel implements PreparedKernel {
  readonly shape: Required<ElementwiseShape>;
  /** y and the bias. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"y" | "bias">;

  /** Use `KernelLab.addBias`. */
  constructor(module: WebAssembly.Module, shape: ElementwiseShape) {
    this.shape = checkElementwise(shape);
    const { rows, columns } = this.shape;
    this.bytes = 4 * rows * columns + 4 * columns;
    this.#space = openWorkspace(module, { y: rows * columns * 4, bias: columns * 4 });
  }

  /** @param y (rows, columns) f32 @param bias (columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(y: Float32Array, bias: Float32Array): this {
    const { rows, columns } = this.shape;
    checkLength("y", y, rows * columns);
    checkLength("bias", bias, columns);
    floats(this.#space, this.#space.at.y, y.length).set(y);
    floats(this.#space, this.#space.at.bias, columns).set(bias);
    return this;
  }

  run(): void {
    const { rows, columns } = this.shape;
    const { at, kernels } = this.#space;
    for (let row = 0; row < rows; row++) kernels.addBias(at.y + row * columns * 4, at.bias, columns);
  }

  /** (rows, columns) f32. */
  get result(): Float32Array {
    const { rows, columns } = this.shape;
    return takeRows(this.#space, this.#space.at.y, rows, columns, columns * 4);
  }
}

/** x = x * factor, in place: n runs multiply n times. From `KernelLab.scale`. */
export class ScaleKernel implements PreparedKernel {
  readonly shape: Required<ElementwiseShape>;
  /** x. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x">;
  #factor = 1;

  /** Use `KernelLab.scale`. */
  constructor(module: WebAssembly.Module, shape: ElementwiseShape) {
    this.shape = checkElementwise(shape);
    this.bytes = 4 * this.shape.rows * this.shape.columns;
    this.#space = openWorkspace(module, { x: this.bytes });
  }

  /**
   * @param x (rows, columns) f32
   * @param factor a finite f32; the kernel rounds it to one
   * @throws CriaError INVALID_SHAPE, INVALID_OPTION
   */
  setInput(x: Float32Array, factor: number): this {
    checkLength("x", x, this.shape.rows * this.shape.columns);
    this.#factor = checkNumber("factor", factor, -LARGEST_F32, LARGEST_F32);
    floats(this.#space, this.#space.at.x, x.length).set(x);
    return this;
  }

  run(): void {
    const { at, kernels } = this.#space;
    kernels.scale(at.x, this.#factor, this.shape.rows * this.shape.columns);
  }

  /** (rows, columns) f32. */
  get result(): Float32Array {
    const { rows, columns } = this.shape;
    return takeRows(this.#space, this.#space.at.x, rows, columns, columns * 4);
  }
}
