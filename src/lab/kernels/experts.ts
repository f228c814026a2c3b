// What mixtures of experts are made of besides matmuls (assembly/kernels/experts.ts): the choice of experts, and the sum of their results.

import { EXP_TABLE_BYTES } from "#abi";
import { checkInteger } from "../../options.js";
import { checkMultiple, f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of a choice among experts. */
export interface ChooseExpertsShape {
  /** Default 1. */
  readonly rows?: number;
  readonly experts: number;
  /** Experts that a row chooses. */
  readonly used: number;
  /** 1: the weights are the softmax of the chosen logits; 0: a part of the softmax of all. Default 1. */
  readonly amongChosen?: number;
}

/** The largest logits of each row, and their softmax. From `KernelLab.chooseExperts`. */
export interface ChooseExpertsKernel extends ShapedKernel<ChooseExpertsShape> {
  /** Logits read, numbers and weights written. */
  readonly bytes: number;
  /** @param logits (rows, experts) f32 @throws CriaError INVALID_SHAPE */
  setInput(logits: Float32Array): this;
  /** The weights: (rows, used) f32, the largest first. */
  readonly result: Float32Array;
}

export const chooseExperts = declareKernel<
  ChooseExpertsShape,
  ChooseExpertsKernel,
  "logits" | "ids" | "weights" | "scratch"
>({
  plan(given) {
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 16);
    const experts = checkInteger("experts", given.experts, 1, 2 ** 20);
    const used = checkInteger("used", given.used, 1, experts);
    const amongChosen = checkInteger("amongChosen", given.amongChosen ?? 1, 0, 1);
    return {
      shape: { rows, experts, used, amongChosen },
      bytes: 4 * rows * (experts + 2 * used),
      buffers: {
        logits: f32(rows, experts),
        ids: u8(4 * rows * used),
        weights: f32(rows, used),
        scratch: u8(EXP_TABLE_BYTES),
      },
      set: { setInput: ["logits"] },
      run({ at, kernels }) {
        for (let row = 0; row < rows; row++) {
          kernels.chooseExperts(
            at.logits + row * experts * 4,
            experts,
            used,
            amongChosen,
            at.ids + row * used * 4,
            at.weights + row * used * 4,
            at.scratch,
          );
        }
      },
      result: "weights",
    };
  },
  dimensions: ["rows", "experts", "used"],
  // A prefill chunk of Qwen3-30B-A3B.
  shapes: () => [[128, 128, 8]],
  share: shareOf(0),
  fill(kernel) {
    const { rows, experts, used } = kernel.shape;
    const logits = noise(rows * experts, 1).map((value) => 4 * value);
    kernel.setInput(logits);
    return () => {
      const exact = Array.from({ length: rows }, (_, row) => {
        const chosen = [...logits.subarray(row * experts, (row + 1) * experts)].sort((a, b) => b - a).slice(0, used);
        const parts = chosen.map((logit) => Math.exp(logit - chosen[0]!));
        const sum = parts.reduce((a, b) => a + b);
        return parts.map((part) => part / sum);
      });
      return relativeError(kernel.result, exact.flat());
    };
  },
});

/** The shape of a sum of weighted rows. */
export interface AddWeightedRowsShape {
  /** Default 1. */
  readonly rows?: number;
  /** A multiple of 4. */
  readonly columns: number;
  /** Rows that are added to each row. */
  readonly terms: number;
}

/**
 * y = y + the sum of weight * term over the terms of each row, in place: n runs add it n times. From `KernelLab.addWeightedRows`.
 */
export interface AddWeightedRowsKernel extends ShapedKernel<AddWeightedRowsShape> {
  /** y, the terms and their weights. */
  readonly bytes: number;
  /** Two for each element of a term. */
  readonly operations: number;
  /**
   * @param y (rows, columns) f32
   * @param terms (rows, terms, columns) f32
   * @param weights (rows, terms) f32
   * @throws CriaError INVALID_SHAPE
   */
  setInput(y: Float32Array, terms: Float32Array, weights: Float32Array): this;
  /** (rows, columns) f32. */
  readonly result: Float32Array;
}

export const addWeightedRows = declareKernel<
  AddWeightedRowsShape,
  AddWeightedRowsKernel,
  "y" | "terms" | "indices" | "weights"
>({
  plan(given) {
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 16);
    const columns = checkInteger("columns", given.columns, 4, 2 ** 20);
    const terms = checkInteger("terms", given.terms, 1, 1024);
    checkMultiple("columns", columns, 4);
    return {
      shape: { rows, columns, terms },
      bytes: 4 * rows * (columns * (terms + 1) + 2 * terms),
      operations: 2 * rows * columns * terms,
      buffers: {
        y: f32(rows, columns),
        terms: f32(rows * terms, columns),
        indices: u8(4 * rows * terms),
        weights: f32(rows, terms),
      },
      set: { setInput: ["y", "terms", "weights"] },
      begin({ at, memory }) {
        new Int32Array(memory.buffer, at.indices, rows * terms).set(Array.from({ length: rows * terms }, (_, i) => i));
      },
      run({ at, kernels }) {
        for (let row = 0; row < rows; row++) {
          const first = row * terms * 4;
          const y = at.y + row * columns * 4;
          kernels.addWeightedRows(y, at.terms, columns * 4, at.indices + first, at.weights + first, terms, columns);
        }
      },
      result: "y",
    };
  },
  dimensions: ["rows", "columns", "terms"],
  // A prefill chunk of Qwen3-30B-A3B.
  shapes: () => [[128, 2048, 8]],
  share: shareOf(0),
  fill(kernel) {
    const { rows, columns, terms } = kernel.shape;
    const y = noise(rows * columns, 1);
    const results = noise(rows * terms * columns, 2);
    const weights = noise(rows * terms, 3);
    kernel.setInput(y, results, weights);
    return () => {
      const exact = Float64Array.from(y, (value, i) => {
        const row = Math.floor(i / columns);
        let sum = value;
        for (let term = row * terms; term < (row + 1) * terms; term++) {
          sum += weights[term]! * results[term * columns + (i % columns)]!;
        }
        return sum;
      });
      return relativeError(kernel.result, exact);
    };
  },
});
