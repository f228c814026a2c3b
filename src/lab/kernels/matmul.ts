// y[token, row] = sum over columns of w[row, column] * x[token, column], for weights of any format: assembly/kernels/matmul.ts.

import { GROUP_ROWS, TILE_TOKENS } from "#abi";
import type { Kernels } from "../../machine/kernels.js";
import { checkInteger } from "../../options.js";
import { activationKinds, rowBytes, type WeightFormat } from "./formats.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, takeRows, type Workspace } from "./workspace.js";

/** The shape of a product. */
export interface MatmulShape {
  /** ggml's name of the weights' format, such as "Q4_0". */
  readonly format: string;
  readonly rows: number;
  /** A multiple of the format's block. */
  readonly columns: number;
  /** Rows of activations: 1 is decode, many are prefill. Default 1. */
  readonly tokens?: number;
}

/** A matmul with its buffers. From `KernelLab.matmul`. */
export class MatmulKernel implements PreparedKernel {
  readonly shape: Required<MatmulShape>;
  readonly format: WeightFormat;
  /** The weights' bytes, which one run reads once. */
  readonly bytes: number;
  /** 2 * rows * columns * tokens. */
  readonly operations: number;

  readonly #space: Workspace<"weights" | "staging" | "x" | "encoded" | "y" | "scratch">;
  readonly #rowBytes: number;
  readonly #stride: number;

  /** Use `KernelLab.matmul`. */
  constructor(module: WebAssembly.Module, sizes: Kernels, format: WeightFormat, shape: MatmulShape) {
    const rows = checkInteger("rows", shape.rows, 1, 2 ** 24);
    const columns = checkInteger("columns", shape.columns, 1, 2 ** 20);
    const tokens = checkInteger("tokens", shape.tokens ?? 1, 1, 4096);
    this.shape = { format: format.name, rows, columns, tokens };
    this.format = format;
    this.#rowBytes = rowBytes(format, columns);
    this.#stride = padded(rows, GROUP_ROWS) * 4;
    this.bytes = rows * this.#rowBytes;
    this.operations = 2 * rows * columns * tokens;
    this.#space = openWorkspace(module, {
      weights: padded(rows, GROUP_ROWS) * this.#rowBytes,
      staging: GROUP_ROWS * this.#rowBytes,
      x: tokens * columns * 4,
      encoded: padded(tokens, TILE_TOKENS) * sizes.activationBytes(activationKinds[format.activation], columns),
      y: tokens * this.#stride,
      scratch: sizes.matmulScratchBytes(tokens),
    });
  }

  /**
   * Takes the weights, and packs them 8 rows side by side, as a model's are when it is loaded.
   *
   * @param bytes (rows, columns) in GGUF's layout, row after row
   * @throws CriaError INVALID_SHAPE when there are not as many bytes
   */
  setWeights(bytes: Uint8Array): this {
    checkLength("weights", bytes, this.bytes);
    const { rows, columns } = this.shape;
    const { at, kernels, memory } = this.#space;
    const staging = new Uint8Array(memory.buffer, at.staging, GROUP_ROWS * this.#rowBytes);
    for (let row = 0; row < rows; row += GROUP_ROWS) {
      const count = Math.min(GROUP_ROWS, rows - row);
      staging.set(bytes.subarray(row * this.#rowBytes, (row + count) * this.#rowBytes));
      kernels.packRows(this.format.type, at.staging, row, count, columns, at.weights, at.scratch);
    }
    return this;
  }

  /**
   * Takes the activations, and encodes them as the format's inner product wants them.
   *
   * @param x (tokens, columns) f32
   * @throws CriaError INVALID_SHAPE when there are not as many
   */
  setActivations(x: Float32Array): this {
    const { tokens, columns } = this.shape;
    const { at, kernels } = this.#space;
    checkLength("activations", x, tokens * columns);
    floats(this.#space, at.x, x.length).set(x);
    const kind = activationKinds[this.format.activation];
    const tokenBytes = kernels.activationBytes(kind, columns);
    for (let token = 0; token < tokens; token += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, tokens - token);
      const row = at.x + token * columns * 4;
      kernels.encodeActivations(kind, row, columns * 4, count, columns, at.encoded + token * tokenBytes);
    }
    return this;
  }

  run(): void {
    const { rows, columns, tokens } = this.shape;
    const { at, kernels } = this.#space;
    const groups = Math.ceil(rows / GROUP_ROWS);
    const { type } = this.format;
    kernels.matmul(type, at.weights, 0, groups, columns, at.encoded, tokens, at.y, this.#stride, 0, at.scratch);
  }

  /** (tokens, rows) f32. */
  get result(): Float32Array {
    return takeRows(this.#space, this.#space.at.y, this.shape.tokens, this.shape.rows, this.#stride);
  }
}

function padded(count: number, to: number): number {
  return Math.ceil(count / to) * to;
}
