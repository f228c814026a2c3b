// One worker's run through a forward pass: the operations that a transformer is made of, each on this worker's share of the work.
//
// Where an operation reads what other workers wrote, it says so and waits for them first: `barrier`. A step of one row is so little
// work that every worker normalises and encodes it for itself, which saves the wait.

import { TILE_TOKENS } from "#abi";
import type { Kernels } from "../machine/kernels.js";
import type { Member } from "../machine/member.js";
import { Attention, type HeadNorms } from "./attention.js";
import type { Blueprint } from "./blueprint.js";
import type { Hyperparameters } from "./hyperparameters.js";
import { type Encoded, Matmul, type Product } from "./matmul.js";
import type { Layout, PlacedWeight } from "./plan/memory-plan.js";
import type { LayerSpecs, OptionalSpec } from "./plan/weight-specs.js";
import { Step } from "./step.js";

/** The weights of a layer in memory. */
type LayerWeights<Specs extends LayerSpecs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends OptionalSpec ? PlacedWeight | undefined : PlacedWeight;
};

/** What is done to the rows of an embedding. */
interface EmbedSteps {
  /** They are multiplied by it. */
  readonly scale?: number;
  /** The row of the token's type is added. */
  readonly types?: PlacedWeight | undefined;
  /** The row of the token's position is added. */
  readonly positions?: PlacedWeight;
}

export class Run {
  readonly h: Hyperparameters;
  readonly layout: Layout;
  readonly step: Step;
  readonly kernels: Kernels;
  readonly member: Member;

  readonly #weights: ReadonlyMap<string, PlacedWeight>;
  readonly #layers: unknown[] = [];
  /** Elements of a row of x, with the padding that kernels of whole vectors ask for. */
  readonly #width: number;
  readonly #scratch: number;
  readonly #matmul: Matmul;
  readonly #attention: Attention;

  constructor(member: Member, blueprint: Blueprint) {
    const { layout } = blueprint;
    this.h = blueprint.hyperparameters;
    this.layout = layout;
    this.member = member;
    this.kernels = member.kernels;
    this.step = new Step(new Int32Array(member.memory.buffer, layout.step));
    this.#weights = new Map(layout.weights.map((weight) => [weight.name, weight]));
    this.#width = Math.ceil(this.h.dim / 4) * 4;
    this.#scratch = layout.scratch + member.index * layout.scratchBytes;
    this.#matmul = new Matmul(member, blueprint, this.step);
    this.#attention = new Attention(member, blueprint, this.step);
  }

  weight(name: string): PlacedWeight {
    const weight = this.#weights.get(name);
    if (weight === undefined) throw new Error(`the architecture did not declare ${name}`);
    return weight;
  }

  maybeWeight(name: string): PlacedWeight | undefined {
    return this.#weights.get(name);
  }

  /** The weights of a layer, looked up once. An architecture always asks with the same `specs`. */
  layer<Specs extends LayerSpecs>(
    layer: number,
    specs: (h: Hyperparameters, layer: number) => Specs,
  ): LayerWeights<Specs> {
    this.#layers[layer] ??= Object.fromEntries(
      Object.entries(specs(this.h, layer)).map(([key, { name, optional }]) => [
        key,
        optional ? this.maybeWeight(name) : this.weight(name),
      ]),
    );
    return this.#layers[layer] as LayerWeights<Specs>;
  }

  barrier(): void {
    this.member.barrier();
  }

  /** x = rows of the embedding, and what is done to them; and RoPE's tables of each row. Ends with a barrier. */
  embed(embedding: PlacedWeight, { scale = 1, types, positions }: EmbedSteps = {}): void {
    const { h, kernels, step, layout } = this;
    const { x, xStride } = layout.buffers;
    const { index, workers } = this.member;
    const job = this.#scratch;
    const raw = job + 64;
    for (let row = index; row < step.rows; row += workers) {
      const token = step.token(row);
      let source = embedding.address + token * embedding.rowBytes;
      if (embedding.role === "matrix") {
        kernels.unpackRow(embedding.type, embedding.address, token, h.dim, raw, job);
        source = raw;
      }
      kernels.dequantizeRow(embedding.type, source, h.dim, x + row * xStride, job);
      if (scale !== 1) kernels.scale(x + row * xStride, scale, this.#width);
      if (types !== undefined) this.#addRow(row, types, step.tokenType(row));
      if (positions !== undefined) this.#addRow(row, positions, step.position(row));
      this.#attention.makeTables(row);
    }
    this.barrier();
  }

  /** x += row `index` of a table. */
  #addRow(row: number, table: PlacedWeight, index: number): void {
    const { x, xStride } = this.layout.buffers;
    const job = this.#scratch;
    const values = job + 64;
    this.kernels.dequantizeRow(table.type, table.address + index * table.rowBytes, this.h.dim, values, job);
    this.kernels.addBias(x + row * xStride, values, this.#width);
  }

  /** Normalises and encodes rows of x for the matmuls that read them. Ends with a barrier, or needs none. */
  normalise(norm: PlacedWeight, readers: readonly PlacedWeight[]): Encoded {
    const { h, kernels, step } = this;
    const { x, xStride, normed } = this.layout.buffers;
    if (step.rows === 1) {
      kernels.rmsNorm(x, norm.address, this.#matmul.ownRow, h.dim, h.normEpsilon);
      this.#matmul.encodeTile(this.#matmul.own, readers, this.#matmul.ownRow, xStride, 0, 1);
      return this.#matmul.own;
    }
    for (let first = this.member.index * TILE_TOKENS; first < step.rows; first += this.member.workers * TILE_TOKENS) {
      const rows = Math.min(TILE_TOKENS, step.rows - first);
      for (let row = first; row < first + rows; row++) {
        kernels.rmsNorm(x + row * xStride, norm.address, normed + row * xStride, h.dim, h.normEpsilon);
      }
      this.#matmul.encodeTile(this.#matmul.shared, readers, normed, xStride, first, rows);
    }
    this.barrier();
    return this.#matmul.shared;
  }

  /** x += norm(branch), for rows as wide as x. Ends with a barrier. */
  addNormalised(norm: PlacedWeight, branch: number): void {
    const { h, kernels, step } = this;
    const { x, xStride } = this.layout.buffers;
    for (let row = this.member.index; row < step.rows; row += this.member.workers) {
      const from = branch + row * xStride;
      kernels.rmsNorm(from, norm.address, from, h.dim, h.normEpsilon);
      kernels.addBias(x + row * xStride, from, this.#width);
    }
    this.barrier();
  }

  /** x = the full norm of x. Ends with a barrier. */
  layerNorm(norm: PlacedWeight, bias: PlacedWeight): void {
    const { h, kernels, step } = this;
    const { x, xStride } = this.layout.buffers;
    for (let row = this.member.index; row < step.rows; row += this.member.workers) {
      const at = x + row * xStride;
      kernels.layerNorm(at, norm.address, bias.address, at, h.dim, h.normEpsilon);
    }
    this.barrier();
  }

  /** Encodes rows of activations for the matmuls that read them. Ends with a barrier, or needs none. */
  encode(source: number, stride: number, ...readers: readonly PlacedWeight[]): Encoded {
    const { step } = this;
    if (step.rows === 1) {
      this.#matmul.encodeTile(this.#matmul.own, readers, source, stride, 0, 1);
      return this.#matmul.own;
    }
    for (let first = this.member.index * TILE_TOKENS; first < step.rows; first += this.member.workers * TILE_TOKENS) {
      this.#matmul.encodeTile(
        this.#matmul.shared,
        readers,
        source,
        stride,
        first,
        Math.min(TILE_TOKENS, step.rows - first),
      );
    }
    this.barrier();
    return this.#matmul.shared;
  }

  /** y = w . x, or y += w . x, for several weights that read the same activations. */
  matmul(x: Encoded, products: readonly Product[], accumulate = false): void {
    this.#matmul.multiply(x, products, accumulate);
  }

  /** gate = activation(wGate . x) * (wUp . x) */
  gatedMatmul(x: Encoded, gate: Product, up: Product, activation: "silu" | "gelu" = "silu"): void {
    this.#matmul.multiplyGated(x, gate, up, activation);
  }

  /**
   * attended = softmax(q . k) . v, over all positions that each row may see. Before that every head of q and k is normalised, if there are
   * norms for that, and rotated, and k and v go into the cache.
   */
  attend(layer: number, norms?: HeadNorms): void {
    this.#attention.attend(layer, norms);
  }

  /**
   * The last norm and the output matrix, as far as the model has them, for the rows that want hidden states or logits. Ends with a
   * barrier.
   */
  output(norm?: PlacedWeight, output?: PlacedWeight): void {
    const { h, kernels, step, member } = this;
    const { x, xStride, normed, hidden, logits, logitStride } = this.layout.buffers;
    const { index, workers } = member;
    for (let i = index; i < step.hiddenStates; i += workers) {
      const { first, rows } = step.hiddenRows(i);
      const from = x + first * xStride;
      if (norm !== undefined) {
        // In place: a row that wants its hidden state wants no logits.
        for (let at = from; at < from + rows * xStride; at += xStride) {
          kernels.rmsNorm(at, norm.address, at, h.dim, h.normEpsilon);
        }
      }
      kernels.meanRows(from, xStride, rows, h.dim, hidden + i * xStride);
    }
    if (norm !== undefined && output !== undefined && step.logitRows > 0) {
      for (let first = index * TILE_TOKENS; first < step.logitRows; first += workers * TILE_TOKENS) {
        const rows = Math.min(TILE_TOKENS, step.logitRows - first);
        for (let i = first; i < first + rows; i++) {
          kernels.rmsNorm(x + step.logitRow(i) * xStride, norm.address, normed + i * xStride, h.dim, h.normEpsilon);
        }
        this.#matmul.encodeTile(this.#matmul.shared, [output], normed, xStride, first, rows);
      }
      this.barrier();
      this.#matmul.multiply(
        this.#matmul.shared,
        [{ weight: output, y: logits, stride: logitStride }],
        false,
        step.logitRows,
      );
    }
    this.barrier();
  }
}
