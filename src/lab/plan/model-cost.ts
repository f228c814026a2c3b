// What a step of a model asks of a machine: bytes and products of its matrices by format, attention, and the work between the matrices.

import { PAGE } from "#abi";
import type { PlannedModel } from "../../api/load/plan-model.js";
import { tensorTypes } from "../../gguf/index.js";

/** What a step costs that has some rows. */
export interface StepCost {
  /** From memory: matrices, once, and the caches of the texts. */
  readonly bytes: number;
  /** Multiplications and additions of matrices, by the name of the weights' format. */
  readonly products: Readonly<Record<string, number>>;
  /** Multiplications and additions in f32, of attention. */
  readonly attention: number;
  /** Elements of vectors that are normed, encoded, rotated, gated and added between the matrices. */
  readonly elements: number;
  readonly rows: number;
  readonly layers: number;
}

/** The rows of a step. */
export interface StepRows {
  /** Rows of each text. */
  readonly rows: number;
  readonly texts: number;
  /** Positions of each text before these rows. */
  readonly depth: number;
  /** Rows of the step that want logits, of all texts together. */
  readonly logits: number;
}

interface Matrix {
  readonly format: string;
  readonly bytes: number;
  /** Of one row. */
  readonly products: number;
  readonly output: boolean;
  readonly expert: boolean;
}

export class ModelCost {
  readonly #matrices: readonly Matrix[];
  readonly #chosen: number;
  readonly #elements: number;
  readonly #layers: number;
  readonly #attention: readonly { readonly window: number; readonly cacheBytes: number; readonly products: number }[];
  readonly #stateBytes: number;
  /** The most rows of a step. */
  readonly stepRows: number;

  constructor({ hyperparameters: h, layout, pool, states }: PlannedModel) {
    const nameOf = (type: number) => tensorTypes.find(({ id }) => id === type)!.name;
    this.#matrices = layout.weights
      .filter(({ role }) => role === "matrix")
      .map(({ name, type, rows, rowBytes, columns, matrices }) => ({
        format: nameOf(type),
        bytes: rows * rowBytes,
        products: 2 * rows * columns,
        output: name === "output.weight" || name === "token_embd.weight",
        expert: matrices !== undefined,
      }));
    this.#chosen = h.experts === undefined ? 1 : h.experts.used / h.experts.count;
    this.#layers = h.layers;
    this.stepRows = layout.rows;
    const attends = h.attention.filter(({ kvHeads }) => kvHeads > 0);
    const heads = attends.reduce((sum, { kvHeads, headDim }) => sum + (h.heads + 2 * kvHeads) * headDim, 0);
    const ffn = h.experts === undefined ? h.ffn : h.experts.used * h.experts.ffn + h.experts.shared;
    this.#elements = h.layers * (4 * h.dim + 3 * ffn) + 2 * heads;
    this.#attention = h.attention.flatMap(({ kvHeads, headDim, window, keysOf }, layer) => {
      if (kvHeads === 0) return [];
      const cacheBytes = pool.layerPageBytes[keysOf ?? layer]! / PAGE;
      return [{ window, cacheBytes, products: 4 * h.heads * headDim }];
    });
    this.#stateBytes = 2 * (states?.slotBytes ?? 0);
  }

  /** The formats of its matrices, those with the most products first. */
  get formats(): readonly string[] {
    const products = new Map<string, number>();
    for (const one of this.#matrices) products.set(one.format, (products.get(one.format) ?? 0) + one.products);
    return [...products].sort((a, b) => b[1] - a[1]).map(([format]) => format);
  }

  /** Bytes of the matrices that a step of one row reads. */
  get weightBytes(): number {
    return this.step({ rows: 1, texts: 1, depth: 0, logits: 1 }).bytes;
  }

  step({ rows, texts, depth, logits }: StepRows): StepCost {
    const all = rows * texts;
    let bytes = texts * this.#stateBytes;
    const products: Record<string, number> = {};
    for (const matrix of this.#matrices) {
      // Each row leaves an expert out with the probability 1 - chosen: what all rows leave out is not read.
      if (!matrix.output || logits > 0) bytes += matrix.bytes * (matrix.expert ? 1 - (1 - this.#chosen) ** all : 1);
      const times = matrix.output ? logits : all * (matrix.expert ? this.#chosen : 1);
      products[matrix.format] = (products[matrix.format] ?? 0) + times * matrix.products;
    }
    let attention = 0;
    for (const { window, cacheBytes, products: ofPosition } of this.#attention) {
      const seen = (position: number) => (window > 0 ? Math.min(window, position) : position);
      bytes += texts * seen(depth + rows) * cacheBytes;
      attention += texts * rows * seen(depth + (rows + 1) / 2) * ofPosition;
    }
    return { bytes, products, attention, elements: all * this.#elements, rows: all, layers: this.#layers };
  }
}
