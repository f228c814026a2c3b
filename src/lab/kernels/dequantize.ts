// Weights to f32, bit for bit what their format means: assembly/formats has a page for each.

import { checkInteger } from "../../options.js";
import { rowBytes, type WeightFormat } from "./formats.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, openWorkspace, takeRows, type Workspace } from "./workspace.js";

/** The shape of a dequantisation. */
export interface DequantizeShape {
  /** ggml's name of the format, such as "Q4_0". */
  readonly format: string;
  /** A multiple of the format's block. */
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
}

/** The dequantisation of rows. From `KernelLab.dequantize`. */
export class DequantizeKernel implements PreparedKernel {
  readonly shape: Required<DequantizeShape>;
  readonly format: WeightFormat;
  /** Weights read, f32 written. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"weights" | "out" | "job">;
  readonly #rowBytes: number;

  /** Use `KernelLab.dequantize`. */
  constructor(module: WebAssembly.Module, format: WeightFormat, shape: DequantizeShape) {
    const columns = checkInteger("columns", shape.columns, 1, 2 ** 20);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 24);
    this.shape = { format: format.name, columns, rows };
    this.format = format;
    this.#rowBytes = rowBytes(format, columns);
    this.bytes = rows * (this.#rowBytes + columns * 4);
    this.#space = openWorkspace(module, { weights: rows * this.#rowBytes, out: rows * columns * 4, job: 64 });
  }

  /** @param bytes (rows, columns) in GGUF's layout, row after row @throws CriaError INVALID_SHAPE */
  setWeights(bytes: Uint8Array): this {
    const { at, memory } = this.#space;
    checkLength("weights", bytes, this.shape.rows * this.#rowBytes);
    new Uint8Array(memory.buffer, at.weights, bytes.length).set(bytes);
    return this;
  }

  run(): void {
    const { rows, columns } = this.shape;
    const { at, kernels } = this.#space;
    for (let row = 0; row < rows; row++) {
      const from = at.weights + row * this.#rowBytes;
      kernels.dequantizeRow(this.format.type, from, columns, at.out + row * columns * 4, at.job);
    }
  }

  /** (rows, columns) f32. */
  get result(): Float32Array {
    const { rows, columns } = this.shape;
    return takeRows(this.#space, this.#space.at.out, rows, columns, columns * 4);
  }
}
