// What a model must read and multiply at least for some tokens: its matrices once for each step, however many rows the step has, and
// the cache of every sequence. Of the experts of a mixture it is those that the rows choose: one row chooses `used` of `count`, and of
// several rows, whose choices are taken to be random, each expert is left out by all with the probability (1 - used / count)^rows. Norms, RoPE and the lookup of the embedding are left out: together they are less than a hundredth.

import { PAGE } from "#abi";
import type { PlannedModel } from "../api/load/plan-model.js";
import type { PeakName } from "./kernels/declaration.js";
import type { WeightFormat } from "./kernels/formats.js";
import { peakOf } from "./kernels/matmul.js";
import type { Work } from "./roofline.js";

/** What some of the matrices ask for, for one row. */
interface Matrices {
  readonly bytes: number;
  readonly operations: Readonly<Partial<Record<PeakName, number>>>;
}

export class ModelWork {
  /** Of the layers, for every row; of the output, for rows that want logits. */
  readonly #layers: Matrices;
  readonly #output: Matrices;
  /** Of all experts, and which part of them a row chooses. */
  readonly #experts: Matrices;
  readonly #chosen: number;
  /** Of each layer that attends: its window, 0 for none, and what it reads and multiplies for each position that a row sees. */
  readonly #attention: readonly { readonly window: number; readonly cacheBytes: number; readonly operations: number }[];
  /** Of a text's recurrent state, which a step reads and writes. */
  readonly #stateBytes: number;
  /** Of a step, at most. */
  readonly #stepRows: number;

  /** @param formats those of `KernelLab`: how each multiplies */
  constructor({ hyperparameters: h, layout, pool, states }: PlannedModel, formats: readonly WeightFormat[]) {
    const matrices = layout.weights.filter(({ role }) => role === "matrix");
    const isOutput = (name: string) => name === "output.weight" || name === "token_embd.weight";
    const sum = (chosen: typeof matrices): Matrices => {
      const operations: Partial<Record<PeakName, number>> = {};
      for (const { type, rows, columns } of chosen) {
        const peak = peakOf(formats.find((format) => format.type === type)!);
        operations[peak] = (operations[peak] ?? 0) + 2 * rows * columns;
      }
      return { bytes: chosen.reduce((total, { rows, rowBytes }) => total + rows * rowBytes, 0), operations };
    };
    const areExperts = (weight: (typeof matrices)[number]) => weight.matrices !== undefined;
    this.#layers = sum(matrices.filter((weight) => !isOutput(weight.name) && !areExperts(weight)));
    this.#experts = sum(matrices.filter(areExperts));
    this.#chosen = h.experts === undefined ? 0 : h.experts.used / h.experts.count;
    this.#output = sum(matrices.filter(({ name }) => isOutput(name)));
    this.#attention = h.attention.flatMap(({ kvHeads, headDim, window, keysOf }, layer) =>
      kvHeads === 0
        ? []
        : [{ window, cacheBytes: pool.layerPageBytes[keysOf ?? layer]! / PAGE, operations: 4 * h.heads * headDim }],
    );
    this.#stateBytes = 2 * (states?.slotBytes ?? 0);
    this.#stepRows = layout.rows;
  }

  /** Bytes of weights that a step of one row reads. */
  get weightBytes(): number {
    return this.#layers.bytes + this.#expertsOf(1).bytes + this.#output.bytes;
  }

  /** Of the experts of some rows: what is read for all of them, and multiplied for each. */
  #expertsOf(rows: number): Matrices {
    const { bytes, operations } = this.#experts;
    const ofRow = Object.entries(operations).map(([name, count]) => [name, count * this.#chosen]);
    return { bytes: bytes * (1 - (1 - this.#chosen) ** rows), operations: Object.fromEntries(ofRow) };
  }

  /**
   * `tokens` tokens of a prompt from position `depth` on, given to the engine `batch` at a time: logits of the last of each batch.
   * Or, of an encoder, `texts` such prompts.
   */
  prefill(tokens: number, depth: number, batch: number, texts = 1): Work {
    const work = new Sum();
    if (texts > 1) {
      const all = texts * tokens;
      const steps = Math.ceil(all / this.#stepRows);
      for (let step = 0; step < steps; step++) work.add(this.#layers, all / steps);
      for (let text = 0; text < texts; text++) this.#attend(work, depth, tokens);
      return work;
    }
    for (let first = 0; first < tokens; first += batch) {
      const end = Math.min(tokens, first + batch);
      for (let row = first; row < end; row += this.#stepRows) {
        const rows = Math.min(this.#stepRows, end - row);
        work.add(this.#layers, rows);
        work.add(this.#expertsOf(rows), rows);
        this.#attend(work, depth + row, rows);
      }
      work.add(this.#output, 1);
    }
    return work;
  }

  /** `tokens` steps from position `depth` on, each with one row of each of `sequences` sequences. */
  decode(tokens: number, depth: number, sequences: number): Work {
    const work = new Sum();
    for (let position = depth; position < depth + tokens; position++) {
      work.add(this.#layers, sequences);
      work.add(this.#expertsOf(sequences), sequences);
      work.add(this.#output, sequences);
      for (let sequence = 0; sequence < sequences; sequence++) this.#attend(work, position, 1);
    }
    return work;
  }

  /** Rows of one sequence at consecutive positions: its cache is read once for all of them, its state is read and written once. */
  #attend(work: Sum, position: number, rows: number): void {
    const end = position + rows;
    let bytes = this.#stateBytes;
    let operations = 0;
    for (const { window, cacheBytes, operations: ofPosition } of this.#attention) {
      const seen = (at: number) => (window > 0 ? Math.min(window, at + 1) : at + 1);
      bytes += (end - (position + 1 - seen(position))) * cacheBytes;
      for (let at = position; at < end; at++) operations += seen(at) * ofPosition;
    }
    work.add({ bytes, operations: { f32: operations } }, 1);
  }
}

class Sum implements Work {
  bytes = 0;
  readonly operations: Partial<Record<PeakName, number>> = {};

  /** Adds what a step reads once, and multiplies for each of its rows. */
  add({ bytes, operations }: Matrices, rows: number): void {
    this.bytes += bytes;
    for (const [name, count] of Object.entries(operations) as [PeakName, number][]) {
      this.operations[name] = (this.operations[name] ?? 0) + count * rows;
    }
  }
}
