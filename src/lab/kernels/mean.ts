// The mean of rows, of which embeddings are made (assembly/kernels/mean.ts).

import { checkInteger } from "../../options.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, takeRows, type Workspace } from "./workspace.js";

/** The shape of a mean of rows. */
export interface MeanRowsShape {
  readonly rows: number;
  readonly columns: number;
}

/** y = (x[0] + x[1] + ...) / rows, with sums in f64. From `KernelLab.meanRows`. */
export class MeanRowsKernel implements PreparedKernel {
  readonly shape: MeanRowsShape;
  /** x read, y written. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "y">;
  /** The kernel reads whole vectors of four. */
  readonly #stride: number;

  /** Use `KernelLab.meanRows`. */
  constructor(module: WebAssembly.Module, shape: MeanRowsShape) {
    const rows = checkInteger("rows", shape.rows, 1, 2 ** 16);
    const columns = checkInteger("columns", shape.columns, 1, 2 ** 20);
    this.shape = { rows, columns };
    this.bytes = 4 * (rows + 1) * columns;
    this.#stride = Math.ceil(columns / 4) * 16;
    this.#space = openWorkspace(module, { x: rows * this.#stride, y: this.#stride });
  }

  /** @param x (rows, columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this {
    const { rows, columns } = this.shape;
    checkLength("x", x, rows * columns);
    for (let row = 0; row < rows; row++) {
      const at = this.#space.at.x + row * this.#stride;
      floats(this.#space, at, columns).set(x.subarray(row * columns, (row + 1) * columns));
    }
    return this;
  }

  run(): void {
    const { rows, columns } = this.shape;
    const { at, kernels } = this.#space;
    kernels.meanRows(at.x, this.#stride, rows, columns, at.y);
  }

  /** (columns) f32. */
  get result(): Float32Array {
    const { columns } = this.shape;
    return takeRows(this.#space, this.#space.at.y, 1, columns, columns * 4);
  }
}
