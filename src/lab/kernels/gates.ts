// The activations of feed-forward networks (assembly/kernels/elementwise.ts): SwiGLU and GeGLU (Shazeer 2020), and GELU by itself.

import { EXP_TABLE_BYTES } from "#abi";
import { checkElementwise, type ElementwiseShape } from "./elementwise.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, takeRows, type Workspace } from "./workspace.js";

/**
 * gate = activation(gate) * up, in place: a second run takes the first one's result for its gate. The activation is silu in swiGlu, and
 * in geGlu gelu as in GeluKernel. From `KernelLab.swiGlu` and `KernelLab.geGlu`.
 */
export class GatedKernel implements PreparedKernel {
  readonly kernel: "swiGlu" | "geGlu";
  readonly shape: Required<ElementwiseShape>;
  /** gate and up. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"gate" | "up" | "scratch">;

  /** Use `KernelLab.swiGlu` or `KernelLab.geGlu`. */
  constructor(module: WebAssembly.Module, kernel: "swiGlu" | "geGlu", shape: ElementwiseShape) {
    this.kernel = kernel;
    this.shape = checkElementwise(shape);
    const bytes = this.shape.rows * this.shape.columns * 4;
    this.bytes = 2 * bytes;
    this.#space = openWorkspace(module, { gate: bytes, up: bytes, scratch: EXP_TABLE_BYTES });
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
    kernels[this.kernel](at.gate, at.up, this.shape.rows * this.shape.columns, at.scratch);
  }

  /** (rows, columns) f32. */
  get result(): Float32Array {
    const { rows, columns } = this.shape;
    return takeRows(this.#space, this.#space.at.gate, rows, columns, columns * 4);
  }
}

/**
 * x = x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), the form of GELU with tanh (Hendrycks and Gimpel 2016), in place: a second run
 * takes the first one's result for its x. From `KernelLab.gelu`.
 */
export class GeluKernel implements PreparedKernel {
  readonly shape: Required<ElementwiseShape>;
  /** x. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "scratch">;

  /** Use `KernelLab.gelu`. */
  constructor(module: WebAssembly.Module, shape: ElementwiseShape) {
    this.shape = checkElementwise(shape);
    this.bytes = 4 * this.shape.rows * this.shape.columns;
    this.#space = openWorkspace(module, { x: this.bytes, scratch: EXP_TABLE_BYTES });
  }

  /** @param x (rows, columns) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this {
    checkLength("x", x, this.shape.rows * this.shape.columns);
    floats(this.#space, this.#space.at.x, x.length).set(x);
    return this;
  }

  run(): void {
    const { at, kernels } = this.#space;
    kernels.gelu(at.x, this.shape.rows * this.shape.columns, at.scratch);
  }

  /** (rows, columns) f32. */
  get result(): Float32Array {
    const { rows, columns } = this.shape;
    return takeRows(this.#space, this.#space.at.x, rows, columns, columns * 4);
  }
}
