// Rotary position embedding of rows of heads (assembly/kernels/rope.ts).

import { CriaError } from "../../errors.js";
import { LARGEST } from "../../model/hyperparameters.js";
import { ropeFrequencies } from "../../model/plan/rope.js";
import { checkChoice, checkInteger, checkNumber } from "../../options.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, takeRows, type Workspace } from "./workspace.js";

const pairings = ["neighbours", "halves"] as const;

/** The shape of a rotary embedding. */
export interface RopeShape {
  readonly heads: number;
  /** A multiple of 4; all dimensions are rotated. */
  readonly headDim: number;
  /**
   * What is rotated together: elements 2i and 2i + 1, as in GGUF files of the llama architecture, or i and i + headDim / 2, as in most
   * others. Default "neighbours".
   */
  readonly pairs?: (typeof pairings)[number];
  /** Rows at consecutive positions. Default 1. */
  readonly rows?: number;
  /** Position of the first row. Default 0. */
  readonly position?: number;
  /** Default 10000. */
  readonly base?: number;
}

/**
 * Rotates the pairs of every head by its row's position (Su et al. 2021), in place: n runs rotate n times. Pair i turns by
 * base^(-2i / headDim) radians per position. From `KernelLab.rope`.
 */
export class RopeKernel implements PreparedKernel {
  readonly shape: Required<RopeShape>;
  /** x, and of every row a table of cosines and sines. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"x" | "tables" | "frequencies" | "scratch">;

  /** Use `KernelLab.rope`. */
  constructor(module: WebAssembly.Module, shape: RopeShape) {
    const heads = checkInteger("heads", shape.heads, 1, 1024);
    const headDim = checkInteger("headDim", shape.headDim, 4, 1024);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 16);
    const position = checkInteger("position", shape.position ?? 0, 0, 2 ** 22);
    const base = checkNumber("base", shape.base ?? 10000, 1, LARGEST.ropeBase);
    const pairs = checkChoice("pairs", shape.pairs ?? "neighbours", pairings);
    if (headDim % 4 !== 0) throw new CriaError("INVALID_SHAPE", `headDim ${headDim} is no multiple of 4`);
    this.shape = { heads, headDim, pairs, rows, position, base };
    this.bytes = rows * headDim * (4 * heads + 8);
    const count = headDim / 2;
    this.#space = openWorkspace(module, {
      x: rows * heads * headDim * 4,
      tables: rows * headDim * 8,
      frequencies: count * 8,
      scratch: 16,
    });
    const { at, kernels, memory } = this.#space;
    const { frequencies } = ropeFrequencies({ dimensions: headDim, base, scaling: { type: "none" } });
    new Float64Array(memory.buffer, at.frequencies, count).set(frequencies);
    for (let row = 0; row < rows; row++) {
      const table = at.tables + row * headDim * 8;
      kernels.ropeTable(at.frequencies, count, headDim, position + row, 1, table, at.scratch);
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
    const { rows, heads, headDim, pairs } = this.shape;
    const { at, kernels } = this.#space;
    for (let row = 0; row < rows; row++) {
      const x = at.x + row * heads * headDim * 4;
      const table = at.tables + row * headDim * 8;
      if (pairs === "halves") kernels.ropeHalves(x, heads, headDim, headDim / 2, table);
      else kernels.rope(x, heads, headDim, table);
    }
  }

  /** (rows, heads * headDim) f32. */
  get result(): Float32Array {
    const { rows, heads, headDim } = this.shape;
    return takeRows(this.#space, this.#space.at.x, rows, heads * headDim, heads * headDim * 4);
  }
}
