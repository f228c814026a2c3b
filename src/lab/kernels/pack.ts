// Weights from GGUF's layout to the one that matmul streams, and back: assembly/kernels/weights.ts draws both.

import { GROUP_ROWS } from "#abi";
import { checkInteger } from "../../options.js";
import { rowBytes, type WeightFormat } from "./formats.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, openWorkspace, type Workspace } from "./workspace.js";

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
export class PackKernel implements PreparedKernel {
  readonly shape: Required<PackShape>;
  readonly format: WeightFormat;
  /** Weights read, and written. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"weights" | "packed" | "job">;
  readonly #packedBytes: number;

  /** Use `KernelLab.pack`. */
  constructor(module: WebAssembly.Module, format: WeightFormat, shape: PackShape) {
    const { rows, columns, weightBytes, packedBytes } = checkPack(format, shape);
    this.shape = { format: format.name, columns, rows };
    this.format = format;
    this.bytes = 2 * weightBytes;
    this.#packedBytes = packedBytes;
    this.#space = openWorkspace(module, { weights: weightBytes, packed: packedBytes, job: JOB_BYTES });
  }

  /** @param bytes (rows, columns) in GGUF's layout, row after row @throws CriaError INVALID_SHAPE */
  setWeights(bytes: Uint8Array): this {
    checkLength("weights", bytes, this.bytes / 2);
    new Uint8Array(this.#space.memory.buffer, this.#space.at.weights, bytes.length).set(bytes);
    return this;
  }

  run(): void {
    const { at, kernels } = this.#space;
    kernels.packRows(this.format.type, at.weights, 0, this.shape.rows, this.shape.columns, at.packed, at.job);
  }

  /** (groups of 8 rows, columns) packed; rows that the last group lacks are zeros. */
  get result(): Uint8Array {
    return new Uint8Array(this.#space.memory.buffer, this.#space.at.packed, this.#packedBytes).slice();
  }
}

/** The inverse of PackKernel, row by row, as embeddings are looked up in a packed matrix. From `KernelLab.unpack`. */
export class UnpackKernel implements PreparedKernel {
  readonly shape: Required<PackShape>;
  readonly format: WeightFormat;
  /** Weights read, and written. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"packed" | "weights" | "job">;
  readonly #packedBytes: number;

  /** Use `KernelLab.unpack`. */
  constructor(module: WebAssembly.Module, format: WeightFormat, shape: PackShape) {
    const { rows, columns, weightBytes, packedBytes } = checkPack(format, shape);
    this.shape = { format: format.name, columns, rows };
    this.format = format;
    this.bytes = 2 * weightBytes;
    this.#packedBytes = packedBytes;
    this.#space = openWorkspace(module, { packed: packedBytes, weights: weightBytes, job: JOB_BYTES });
  }

  /** @param bytes what PackKernel makes of a matrix of this shape @throws CriaError INVALID_SHAPE */
  setPacked(bytes: Uint8Array): this {
    checkLength("packed", bytes, this.#packedBytes);
    new Uint8Array(this.#space.memory.buffer, this.#space.at.packed, bytes.length).set(bytes);
    return this;
  }

  run(): void {
    const { rows, columns } = this.shape;
    const { at, kernels } = this.#space;
    const bytes = this.bytes / 2 / rows;
    for (let row = 0; row < rows; row++) {
      kernels.unpackRow(this.format.type, at.packed, row, columns, at.weights + row * bytes, at.job);
    }
  }

  /** (rows, columns) in GGUF's layout, row after row. */
  get result(): Uint8Array {
    return new Uint8Array(this.#space.memory.buffer, this.#space.at.weights, this.bytes / 2).slice();
  }
}

function checkPack(format: WeightFormat, shape: PackShape) {
  const columns = checkInteger("columns", shape.columns, 1, 2 ** 20);
  const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 24);
  const bytes = rowBytes(format, columns);
  const packedBytes = Math.ceil(rows / GROUP_ROWS) * GROUP_ROWS * bytes;
  return { rows, columns, weightBytes: rows * bytes, packedBytes };
}
