// The kernels that pass once over rows of activations: RMSNorm, RoPE, SwiGLU (assembly/kernels/norm.ts, rope.ts, elementwise.ts).

import { EXP_TABLE_BYTES } from "#abi";
import { checkInteger } from "../../engine/options.js";
import { CriaError } from "../../errors.js";
import { ropeFrequencies } from "../../model/rope.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, takeRows, type Workspace } from "./workspace.js";

/** The shape of an RMSNorm. */
export interface RmsNormShape {
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
  /** Added to the mean of the squares. Default 1e-5. */
  readonly epsilon?: number;
}

/** y = x / sqrt(mean(x^2) + epsilon) * weight, row by row. From `KernelLab.rmsNorm`. */
export class RmsNormKernel implements PreparedKernel {
  readonly shape: Required<RmsNormShape>;
  /** x read, weight read, y written. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "weight" | "y">;

  /** Use `KernelLab.rmsNorm`. */
  constructor(module: WebAssembly.Module, shape: RmsNormShape) {
    const columns = checkInteger("columns", shape.columns, 1, 2 ** 20);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 16);
    this.shape = { columns, rows, epsilon: shape.epsilon ?? 1e-5 };
    this.bytes = 12 * rows * columns;
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

/** The shape of a rotary embedding. */
export interface RopeShape {
  readonly heads: number;
  /** A multiple of 4; all dimensions are rotated. */
  readonly headDim: number;
  /** Rows at consecutive positions. Default 1. */
  readonly rows?: number;
  /** Position of the first row. Default 0. */
  readonly position?: number;
  /** Default 10000. */
  readonly base?: number;
}

/** Rotates neighbouring pairs of every head by its row's position, in place: n runs rotate n times. From `KernelLab.rope`. */
export class RopeKernel implements PreparedKernel {
  readonly shape: Required<RopeShape>;
  /** x read and written, the row's table of cosines and sines read. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "tables" | "frequencies" | "scratch">;

  /** Use `KernelLab.rope`. */
  constructor(module: WebAssembly.Module, shape: RopeShape) {
    const heads = checkInteger("heads", shape.heads, 1, 1024);
    const headDim = checkInteger("headDim", shape.headDim, 4, 1024);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 16);
    const position = checkInteger("position", shape.position ?? 0, 0, 2 ** 22);
    const base = shape.base ?? 10000;
    if (headDim % 4 !== 0) throw new CriaError("INVALID_SHAPE", `headDim ${headDim} is no multiple of 4`);
    this.shape = { heads, headDim, rows, position, base };
    this.bytes = rows * headDim * (8 * heads + 8);
    const pairs = headDim / 2;
    this.#space = openWorkspace(module, {
      x: rows * heads * headDim * 4,
      tables: rows * headDim * 8,
      frequencies: pairs * 8,
      scratch: 16,
    });
    const { at, kernels, memory } = this.#space;
    const { frequencies } = ropeFrequencies({ dimensions: headDim, base, scaling: { type: "none" } });
    new Float64Array(memory.buffer, at.frequencies, pairs).set(frequencies);
    for (let row = 0; row < rows; row++) {
      const table = at.tables + row * headDim * 8;
      kernels.ropeTable(at.frequencies, pairs, headDim, position + row, 1, table, at.scratch);
    }
  }

  /** @param x (rows, heads * headDim) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this {
    const { rows, heads, headDim } = this.shape;
    checkLength("x", x, rows * heads * headDim);
    floats(this.#space, this.#space.at.x, x.length).set(x);
    return this;
  }

  run(): void {
    const { rows, heads, headDim } = this.shape;
    const { at, kernels } = this.#space;
    for (let row = 0; row < rows; row++) {
      kernels.rope(at.x + row * heads * headDim * 4, heads, headDim, at.tables + row * headDim * 8);
    }
  }

  /** (rows, heads * headDim) f32. */
  get result(): Float32Array {
    const { rows, heads, headDim } = this.shape;
    return takeRows(this.#space, this.#space.at.x, rows, heads * headDim, heads * headDim * 4);
  }
}

/** The shape of a SwiGLU. */
export interface SwiGluShape {
  /** A multiple of 4. */
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
}

/** gate = silu(gate) * up, in place: a second run takes the first one's result for its gate. From `KernelLab.swiGlu`. */
export class SwiGluKernel implements PreparedKernel {
  readonly shape: Required<SwiGluShape>;
  /** gate read and written, up read. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"gate" | "up" | "scratch">;

  /** Use `KernelLab.swiGlu`. */
  constructor(module: WebAssembly.Module, shape: SwiGluShape) {
    const columns = checkInteger("columns", shape.columns, 4, 2 ** 20);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 16);
    if (columns % 4 !== 0) throw new CriaError("INVALID_SHAPE", `${columns} columns are no multiple of 4`);
    this.shape = { columns, rows };
    this.bytes = 12 * rows * columns;
    this.#space = openWorkspace(module, {
      gate: rows * columns * 4,
      up: rows * columns * 4,
      scratch: EXP_TABLE_BYTES,
    });
  }

  /** @param gate (rows, columns) f32 @param up the same shape @throws CriaError INVALID_SHAPE */
  setInput(gate: Float32Array, up: Float32Array): this {
    const { rows, columns } = this.shape;
    checkLength("gate", gate, rows * columns);
    checkLength("up", up, rows * columns);
    floats(this.#space, this.#space.at.gate, gate.length).set(gate);
    floats(this.#space, this.#space.at.up, up.length).set(up);
    return this;
  }

  run(): void {
    const { at, kernels } = this.#space;
    kernels.swiGlu(at.gate, at.up, this.shape.rows * this.shape.columns, at.scratch);
  }

  /** (rows, columns) f32. */
  get result(): Float32Array {
    const { rows, columns } = this.shape;
    return takeRows(this.#space, this.#space.at.gate, rows, columns, columns * 4);
  }
}
