// f32 to weights: assembly/kernels/quantize.ts. A whole file is encoded by `cria/quantize`.

import { UnsupportedError } from "../../errors.js";
import type { Kernels } from "../../machine/kernels.js";
import { checkInteger, checkNumber } from "../../options.js";
import { rowBytes, type WeightFormat } from "./formats.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, type Workspace } from "./workspace.js";

/** The shape of a quantisation. */
export interface QuantizeShape {
  /** ggml's name of a format that has an encoder: one whose `largest` is not 0. */
  readonly format: string;
  /** A multiple of the format's block. */
  readonly columns: number;
  /** Default 1. */
  readonly rows?: number;
}

/** The quantisation of rows. From `KernelLab.quantize`. */
export class QuantizeKernel implements PreparedKernel {
  readonly shape: Required<QuantizeShape>;
  readonly format: WeightFormat;
  /** f32 read, weights written. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "weights" | "scratch">;
  readonly #rowBytes: number;

  /** Use `KernelLab.quantize`. */
  constructor(module: WebAssembly.Module, sizes: Kernels, format: WeightFormat, shape: QuantizeShape) {
    const columns = checkInteger("columns", shape.columns, 1, 2 ** 20);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 24);
    if (format.largest === 0) {
      throw new UnsupportedError("UNSUPPORTED_FORMAT", `no encoder for the format "${format.name}"`);
    }
    this.shape = { format: format.name, columns, rows };
    this.format = format;
    this.#rowBytes = rowBytes(format, columns);
    this.bytes = rows * (columns * 4 + this.#rowBytes);
    this.#space = openWorkspace(module, {
      x: rows * columns * 4,
      weights: rows * this.#rowBytes,
      scratch: sizes.quantizeScratchBytes(),
    });
  }

  /**
   * @param x (rows, columns) f32
   * @throws CriaError INVALID_SHAPE when there are not as many, INVALID_OPTION for a number that is not finite or beyond the format's
   * `largest`
   */
  setInput(x: Float32Array): this {
    const { largest } = this.format;
    checkLength("x", x, this.shape.rows * this.shape.columns);
    const bad = x.findIndex((value) => !(Math.abs(value) <= largest));
    if (bad >= 0) checkNumber(`x[${bad}]`, x[bad]!, -largest, largest);
    floats(this.#space, this.#space.at.x, x.length).set(x);
    return this;
  }

  run(): void {
    const { rows, columns } = this.shape;
    const { at, kernels } = this.#space;
    for (let row = 0; row < rows; row++) {
      const to = at.weights + row * this.#rowBytes;
      kernels.quantizeRow(this.format.type, at.x + row * columns * 4, columns, to, at.scratch);
    }
  }

  /** (rows, columns) in GGUF's layout, row after row. */
  get result(): Uint8Array {
    const { at, memory } = this.#space;
    return new Uint8Array(memory.buffer, at.weights, this.shape.rows * this.#rowBytes).slice();
  }
}
