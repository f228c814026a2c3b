// Rotary position embedding of rows of heads (assembly/kernels/rope.ts).

import { LARGEST } from "../../model/hyperparameters.js";
import { ropeFrequencies } from "../../model/plan/rope.js";
import { checkChoice, checkInteger, checkNumber } from "../../options.js";
import { checkMultiple, f32, f64, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

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
export interface RopeKernel extends ShapedKernel<RopeShape> {
  /** x, and of every row a table of cosines and sines. */
  readonly bytes: number;
  /** @param x (rows, heads * headDim) f32 @throws CriaError INVALID_SHAPE */
  setInput(x: Float32Array): this;
  /** (rows, heads * headDim) f32. */
  readonly result: Float32Array;
}

export const rope = declareRope("neighbours");
/** The same kernel of the lab, measured on the other pairs. */
export const ropeHalves = declareRope("halves");

function declareRope(measuredPairs: Required<RopeShape>["pairs"]) {
  return declareKernel<RopeShape, RopeKernel, "x" | "tables" | "frequencies" | "scratch">({
    plan(given) {
      const heads = checkInteger("heads", given.heads, 1, 1024);
      const headDim = checkInteger("headDim", given.headDim, 4, 1024);
      const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 16);
      const position = checkInteger("position", given.position ?? 0, 0, 2 ** 22);
      const base = checkNumber("base", given.base ?? 10000, 1, LARGEST.ropeBase);
      const pairs = checkChoice("pairs", given.pairs ?? "neighbours", pairings);
      checkMultiple("headDim", headDim, 4);
      const count = headDim / 2;
      return {
        shape: { heads, headDim, pairs, rows, position, base },
        bytes: rows * headDim * (4 * heads + 8),
        buffers: {
          x: f32(rows, heads * headDim),
          tables: f32(rows, 2 * headDim),
          frequencies: f64(count),
          scratch: u8(16),
        },
        set: { setInput: ["x"] },
        begin({ at, kernels, memory }) {
          const { frequencies } = ropeFrequencies({ dimensions: headDim, base, scaling: { type: "none" } });
          new Float64Array(memory.buffer, at.frequencies, count).set(frequencies);
          for (let row = 0; row < rows; row++) {
            const table = at.tables + row * headDim * 8;
            kernels.ropeTable(at.frequencies, count, headDim, position + row, 1, table, at.scratch);
          }
        },
        run({ at, kernels }) {
          for (let row = 0; row < rows; row++) {
            const x = at.x + row * heads * headDim * 4;
            const table = at.tables + row * headDim * 8;
            if (pairs === "halves") kernels.ropeHalves(x, heads, headDim, count, table);
            else kernels.rope(x, heads, headDim, table);
          }
        },
        result: "x",
      };
    },
    dimensions: ["rows", "heads", "headDim"],
    measuredWith: { pairs: measuredPairs },
    // The queries of a prefill chunk of Llama-3.2-1B.
    shapes: () => [[128, 32, 64]],
    share: shareOf(0),
    fill(kernel) {
      const { rows, heads, headDim, pairs, base } = kernel.shape;
      const x = noise(rows * heads * headDim, 1);
      kernel.setInput(x);
      const half = headDim / 2;
      return () => {
        const exact = new Float64Array(x.length);
        for (let head = 0; head < rows * heads; head++) {
          const position = Math.floor(head / heads);
          for (let i = 0; i < half; i++) {
            const first = head * headDim + (pairs === "halves" ? i : 2 * i);
            const second = first + (pairs === "halves" ? half : 1);
            const angle = position * base ** ((-2 * i) / headDim);
            exact[first] = x[first]! * Math.cos(angle) - x[second]! * Math.sin(angle);
            exact[second] = x[first]! * Math.sin(angle) + x[second]! * Math.cos(angle);
          }
        }
        return relativeError(kernel.result, exact);
      };
    },
  });
}
