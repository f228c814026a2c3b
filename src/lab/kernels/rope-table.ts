// The cosines and sines that the rotary embedding multiplies by (assembly/kernels/rope.ts): made once for a row, read by all its heads.

import { CriaError } from "../../errors.js";
import { checkInteger, checkNumber } from "../../options.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, openWorkspace, takeRows, type Workspace } from "./workspace.js";

// A frequency is at most 1 unless a file's factors raise it; with this, angles stay far within what the kernel reduces.
const LARGEST_FREQUENCY = 1024;
const LARGEST_MAGNITUDE = 1024;

/** The shape of tables. */
export interface RopeTableShape {
  /** Even. */
  readonly headDim: number;
  /** Pairs that are rotated; those behind them get a cosine of 1 and a sine of 0. Default: headDim / 2. */
  readonly pairs?: number;
  /** Tables, of consecutive positions. Default 1. */
  readonly rows?: number;
  /** Position of the first row. Default 0. */
  readonly position?: number;
}

/**
 * The cosines and sines of a position's angles, which are position * frequency for each pair (Su et al. 2021). They are the kernel's own,
 * in float64, rounded to f32: those of the host differ between its versions. From `KernelLab.ropeTable`.
 */
export class RopeTableKernel implements PreparedKernel {
  readonly shape: Required<RopeTableShape>;
  /** Frequencies and tables. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"frequencies" | "tables" | "scratch">;
  #magnitude = 1;

  /** Use `KernelLab.ropeTable`. */
  constructor(module: WebAssembly.Module, shape: RopeTableShape) {
    const headDim = checkInteger("headDim", shape.headDim, 2, 1024);
    if (headDim % 2 !== 0) throw new CriaError("INVALID_SHAPE", `headDim ${headDim} is odd`);
    const pairs = checkInteger("pairs", shape.pairs ?? headDim / 2, 1, headDim / 2);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 22);
    const position = checkInteger("position", shape.position ?? 0, 0, 2 ** 22);
    this.shape = { headDim, pairs, rows, position };
    this.bytes = 8 * pairs + 8 * rows * headDim;
    this.#space = openWorkspace(module, { frequencies: pairs * 8, tables: rows * headDim * 8, scratch: 16 });
  }

  /**
   * @param frequencies (pairs) f64, radians per position: with a base b, b^(-2i / headDim) for pair i
   * @param magnitude multiplies cosines and sines: YaRN's attention factor
   * @throws CriaError INVALID_SHAPE when there are not as many, INVALID_OPTION for a number out of its range
   */
  setFrequencies(frequencies: Float64Array, magnitude = 1): this {
    checkLength("frequencies", frequencies, this.shape.pairs);
    for (const [i, frequency] of frequencies.entries()) {
      checkNumber(`frequencies[${i}]`, frequency, -LARGEST_FREQUENCY, LARGEST_FREQUENCY);
    }
    this.#magnitude = checkNumber("magnitude", magnitude, 0, LARGEST_MAGNITUDE);
    new Float64Array(this.#space.memory.buffer, this.#space.at.frequencies, frequencies.length).set(frequencies);
    return this;
  }

  run(): void {
    const { headDim, pairs, rows, position } = this.shape;
    const { at, kernels } = this.#space;
    for (let row = 0; row < rows; row++) {
      const table = at.tables + row * headDim * 8;
      kernels.ropeTable(at.frequencies, pairs, headDim, position + row, this.#magnitude, table, at.scratch);
    }
  }

  /** (rows, 2, headDim) f32: the cosines, each twice, then the sines, each negated and then as it is. */
  get result(): Float32Array {
    const { rows, headDim } = this.shape;
    return takeRows(this.#space, this.#space.at.tables, rows, 2 * headDim, headDim * 8);
  }
}
