// One worker's pass through a model: the operations of all architectures on the residual stream x, and the weights of its layers.
//
// Every operation, here and in matmul.ts and attention.ts, ends with its own barrier, or needs none: an architecture says only
// mathematics. Between two barriers a worker may read what the others wrote before the first.

import type { Member } from "../machine/member.js";
import { Attention } from "./attention.js";
import type { Blueprint } from "./blueprint.js";
import { Convolution } from "./convolution.js";
import { DeltaNet } from "./delta-net.js";
import { Experts } from "./experts.js";
import type { Hyperparameters } from "./hyperparameters.js";
import { type Encoded, Matmul } from "./matmul.js";
import { normalise } from "./norm.js";
import type { Buffers, PlacedWeight, Rows } from "./plan/memory-plan.js";
import type { WorkerShard } from "./plan/shard.js";
import type { LayerSpecs, OptionalSpec, WeightSpec } from "./plan/weight-specs.js";
import { RecurrentState } from "./recurrent-state.js";
import { Step } from "./step.js";

/** The weights of a layer in memory, by the names of their specs. */
export type LayerWeights<Specs extends LayerSpecs> = {
  readonly [Name in keyof Specs]:
    | PlacedWeight
    | (Specs[Name] extends OptionalSpec ? undefined : never)
    | (undefined extends Specs[Name] ? undefined : never);
};

/** What is done to the rows of an embedding. */
interface EmbedSteps {
  /** The rows are multiplied by it. */
  readonly scale?: number;
  /** The row of the token's type is added. */
  readonly types?: PlacedWeight | undefined;
  /** The row of the token's position is added. */
  readonly positions?: PlacedWeight;
}

/** What is done to the logits. */
interface OutputSteps {
  /** They are multiplied by it. */
  readonly scale?: number;
  /** Then their soft limit, cap * tanh(logit / cap); 0: none. */
  readonly softcap?: number;
}

/** The norm of rows that are as wide as it. */
interface WholeNorm {
  readonly norm: PlacedWeight;
  readonly bias?: PlacedWeight | undefined;
  readonly rows: Rows;
}

/** A norm of x. */
interface DueNorm {
  readonly norm: PlacedWeight;
  readonly bias?: PlacedWeight | undefined;
  /** Added to x before. */
  readonly added?: Rows | undefined;
}

/** A shard, and the operations on what lies in it. */
interface Site {
  readonly shard: WorkerShard;
  readonly matmul: Matmul;
  readonly attention: Attention;
  /** Of a mixture of experts. */
  readonly experts: Experts | undefined;
  /** Of a model with recurrent state. */
  readonly convolution: Convolution | undefined;
  /** Of a model with gated DeltaNet. */
  readonly deltaNet: DeltaNet | undefined;
}

export class Pass {
  readonly h: Hyperparameters;
  /** The same in all shards. */
  readonly buffers: Buffers;

  readonly #member: Member;
  readonly #step: Step;
  readonly #sites: readonly Site[];
  /** Where x is now. */
  #site: Site;
  /** Of each layer. */
  readonly #layerSites: readonly Site[];
  /** Where a step ends. */
  readonly #outputSite: Site;
  readonly #weights: ReadonlyMap<string, PlacedWeight>;
  readonly #layers: unknown[] = [];
  /** A norm of x that is still to be made: whoever reads x next makes it. */
  #due: DueNorm | undefined;
  /** Elements of a row of x, with the padding that kernels on whole vectors need. */
  readonly #width: number;

  constructor(member: Member, shards: readonly WorkerShard[], blueprint: Blueprint) {
    const { hyperparameters, layout, states } = blueprint;
    const step = new Step(shards[0]!.step);
    const net = hyperparameters.deltaNet;
    this.h = hyperparameters;
    this.buffers = layout.buffers;
    this.#member = member;
    this.#step = step;
    this.#sites = shards.map((shard) => {
      const state = states && new RecurrentState(layout.shards[shard.index]!, states, step);
      return {
        shard,
        matmul: new Matmul(member, shard, step),
        attention: new Attention(member, shard, blueprint, step),
        experts: hyperparameters.experts && new Experts(member, shard, hyperparameters.experts, step),
        convolution: state && new Convolution(member, shard, state),
        deltaNet: state && net && new DeltaNet(member, shard, state, net, hyperparameters.normEpsilon),
      };
    });
    this.#site = this.#sites[0]!;
    this.#layerSites = this.#sites.flatMap((site) => {
      const { firstLayer, endLayer } = layout.shards[site.shard.index]!;
      return new Array<Site>(endLayer - firstLayer).fill(site);
    });
    this.#outputSite = this.#sites[layout.outputShard]!;
    this.#weights = new Map(layout.weights.map((weight) => [weight.name, weight]));
    this.#width = Math.ceil(this.h.dim / 4) * 4;
  }

  get matmul(): Matmul {
    return this.#site.matmul;
  }

  get attention(): Attention {
    return this.#site.attention;
  }

  /** Of a mixture of experts. */
  get experts(): Experts | undefined {
    return this.#site.experts;
  }

  /** Of a model with recurrent state. */
  get convolution(): Convolution | undefined {
    return this.#site.convolution;
  }

  /** Of a model with gated DeltaNet. */
  get deltaNet(): DeltaNet | undefined {
    return this.#site.deltaNet;
  }

  weight(name: string): PlacedWeight {
    const weight = this.#weights.get(name);
    if (weight === undefined) throw new Error(`the architecture did not declare ${name}`);
    return weight;
  }

  maybeWeight(name: string): PlacedWeight | undefined {
    return this.#weights.get(name);
  }

  /**
   * The weights of a layer, to whose shard x goes. They are looked up once: an architecture always passes the same `specs`.
   */
  layer<Specs extends LayerSpecs>(
    layer: number,
    specs: (h: Hyperparameters, layer: number) => Specs,
  ): LayerWeights<Specs> {
    this.#layers[layer] ??= Object.fromEntries(
      Object.entries(specs(this.h, layer)).map(([key, spec]) => [key, spec && this.#placed(spec)]),
    );
    this.#moveTo(this.#layerSites[layer]!);
    return this.#layers[layer] as LayerWeights<Specs>;
  }

  /** Copies x to another shard, and RoPE's tables with it. Each worker copies its rows. */
  #moveTo(site: Site): void {
    if (site === this.#site) return;
    this.#settle();
    const from = this.#site.shard;
    const to = site.shard;
    const copy = (address: number, bytes: number) =>
      to.bytes.set(from.bytes.subarray(address, address + bytes), address);
    const { perLayer } = this.buffers;
    this.#forRows(this.#step.rows, (row, x) => {
      copy(x, this.#width * 4);
      if (perLayer !== undefined) copy(perLayer.address + row * perLayer.stride, perLayer.stride);
      this.attention.forTables(row, copy);
    });
    this.#site = site;
    this.#member.barrier();
  }

  #placed({ name, optional, slice }: WeightSpec): PlacedWeight | undefined {
    const weight = optional ? this.maybeWeight(name) : this.weight(name);
    if (weight === undefined || slice === undefined) return weight;
    const { lora } = weight;
    return { ...sliceOf(weight, slice), lora: lora && { ...lora, b: sliceOf(lora.b, slice) } };
  }

  /** x = rows of the embedding, scaled and added to as asked. Also makes RoPE's tables for each row. A step begins with it. */
  embed(embedding: PlacedWeight, { scale = 1, types, positions }: EmbedSteps = {}): void {
    this.#site = this.#sites[embedding.shard]!;
    this.#due = undefined; // of a step that was aborted
    const step = this.#step;
    const { kernels } = this.#site.shard;
    this.#forRows(step.rows, (row, x) => {
      this.#lookUp(embedding, row, x);
      if (scale !== 1) kernels.scale(x, scale, this.#width);
      if (types !== undefined) this.#addRow(x, types, step.tokenType(row));
      if (positions !== undefined) this.#addRow(x, positions, step.position(row));
      this.attention.makeTables(row);
    });
    this.#member.barrier();
  }

  /** The row of the token of row `row` of the step, as f32 at `to`. */
  #lookUp({ role, type, address, rowBytes, columns }: PlacedWeight, row: number, to: number): void {
    const { kernels } = this.#site.shard;
    const { job, values } = this.#site.shard.scratch;
    const token = this.#step.token(row);
    // Of a table, memory has the rows of the step's tokens.
    let source = address + (role === "table" ? row : token) * rowBytes;
    if (role === "matrix") {
      kernels.unpackRow(type, address, token, columns, values, job);
      source = values;
    }
    kernels.dequantizeRow(type, source, columns, to, job);
  }

  /**
   * perLayer = (norm(perLayer / sqrt(dim)) + sqrt(n) * row of the token) / sqrt(2), (rows, layers * n): each part of n elements, one for
   * every layer, is normalised by itself. It needs no barrier: before it is read comes the first layer's attention, with its own.
   */
  mixPerLayer(norm: PlacedWeight, embedding: PlacedWeight): void {
    const { kernels } = this.#site.shard;
    const { values } = this.#site.shard.scratch;
    const { dim, normEpsilon } = this.h;
    const { address, stride } = this.buffers.perLayer!;
    const { columns } = embedding;
    const { index, workers } = this.#member;
    for (let row = index; row < this.#step.rows; row += workers) {
      const mixed = address + row * stride;
      kernels.scale(mixed, 1 / Math.sqrt(dim), columns);
      for (let part = mixed; part < mixed + columns * 4; part += norm.columns * 4) {
        kernels.rmsNorm(part, norm.address, part, norm.columns, normEpsilon);
      }
      this.#lookUp(embedding, row, values);
      kernels.scale(values, Math.sqrt(norm.columns), columns);
      kernels.addBias(mixed, values, columns);
      kernels.scale(mixed, Math.SQRT1_2, columns);
    }
  }

  /** x *= the one element of a weight. */
  scale(factor: PlacedWeight): void {
    this.#settle();
    const [by] = this.#site.shard.floats(factor.address, 1);
    this.#forRows(this.#step.rows, (_, x) => this.#site.shard.kernels.scale(x, by!, this.#width));
    this.#member.barrier();
  }

  /** x += row `index` of a table. */
  #addRow(x: number, table: PlacedWeight, index: number): void {
    const { kernels } = this.#site.shard;
    const { job, values } = this.#site.shard.scratch;
    kernels.dequantizeRow(table.type, table.address + index * table.rowBytes, this.h.dim, values, job);
    kernels.addBias(x, values, this.#width);
  }

  /** x, normalised if there is a norm, and encoded for the matrices that read it. */
  read(norm: PlacedWeight | undefined, readers: readonly PlacedWeight[]): Encoded {
    const { x, normed } = this.buffers;
    const { rows } = this.#step;
    if (rows === 1) this.#settle(); // every worker encodes a single row for itself, but only one may write to x
    const due = this.#due;
    this.#due = undefined;
    if (norm === undefined && due === undefined) return this.matmul.encode(x, readers);
    const normaliseRow = (row: number, to: number) => {
      const from = x.address + row * x.stride;
      if (due !== undefined) this.#normaliseDue(due, row, from);
      if (norm !== undefined) this.#normalise(norm, from, to);
    };
    return this.matmul.normaliseAndEncode(norm === undefined ? x : normed, rows, normaliseRow, readers);
  }

  /** x += [scale *] [norm] branch, for rows as wide as x, with the model's residual scale. `branch` does not stay as it is. */
  add(branch: Rows, norm?: PlacedWeight): void {
    const { kernels } = this.#site.shard;
    const scale = this.h.scales.residual;
    this.#settle();
    this.#forRows(this.#step.rows, (row, x) => {
      const from = branch.address + row * branch.stride;
      if (norm !== undefined) this.#normalise(norm, from, from);
      if (scale !== 1) kernels.scale(from, scale, this.#width);
      kernels.addBias(x, from, this.#width);
    });
    this.#member.barrier();
  }

  /** x = norm(x), or norm(x + added). It is made when x is next read: where that encodes x, row after row, there is one barrier for both. */
  layerNorm(norm: PlacedWeight, bias?: PlacedWeight, added?: Rows): void {
    this.#settle();
    this.#due = { norm, bias, added };
  }

  /** Makes the norm that is due, if there is one. Operations on x begin with it. */
  #settle(): void {
    const due = this.#due;
    if (due === undefined) return;
    this.#due = undefined;
    this.#forRows(this.#step.rows, (row, x) => this.#normaliseDue(due, row, x));
    this.#member.barrier();
  }

  #normaliseDue({ norm, bias, added }: DueNorm, row: number, x: number): void {
    if (added !== undefined) this.#site.shard.kernels.addBias(x, added.address + row * added.stride, this.#width);
    this.#normalise(norm, x, x, bias);
  }

  /**
   * A copy of x for `layerNorm`, in the buffer that norms before and after blocks use: for layers without them. It is added behind a block,
   * and so behind barriers.
   */
  keep(): Rows {
    this.#settle();
    const { normed } = this.buffers;
    const { bytes } = this.#site.shard;
    this.#forRows(this.#step.rows, (row, x) => {
      bytes.copyWithin(normed.address + row * normed.stride, x, x + this.#width * 4);
    });
    return normed;
  }

  /** Each row of each of these, normalised as a whole, in place. */
  normaliseRows(parts: readonly WholeNorm[]): void {
    const { index, workers } = this.#member;
    for (let i = index; i < this.#step.rows * parts.length; i += workers) {
      const { norm, bias, rows } = parts[i % parts.length]!;
      const at = rows.address + Math.floor(i / parts.length) * rows.stride;
      this.#normalise(norm, at, at, bias);
    }
    this.#member.barrier();
  }

  /** The last norm and the output matrix, where the model has them, for the rows whose hidden states or logits are wanted. */
  output(norm?: PlacedWeight, output?: PlacedWeight, { scale = 1, softcap = 0 }: OutputSteps = {}): void {
    const { x, normed, logits } = this.buffers;
    const step = this.#step;
    this.#settle();
    this.#moveTo(this.#outputSite);
    this.#makeHidden(norm);
    if (norm === undefined || output === undefined || step.logitRows === 0) {
      this.#member.barrier();
      return;
    }
    const normaliseRow = (i: number, to: number) => {
      this.#normalise(norm, x.address + step.logitRow(i) * x.stride, to);
      // What the logits are made of is far less than they are.
      if (scale !== 1) this.#site.shard.kernels.scale(to, scale, this.#width);
    };
    const a = this.matmul.normaliseAndEncode(normed, step.logitRows, normaliseRow, [output]);
    this.matmul.multiply(a, [{ weight: output, softcap, to: logits }], false, step.logitRows);
  }

  /** Hidden states: of a row after the last norm, or the mean of several. */
  #makeHidden(norm: PlacedWeight | undefined): void {
    const { x, hidden } = this.buffers;
    const { index, workers } = this.#member;
    for (let i = index; i < this.#step.hiddenStates; i += workers) {
      const { first, rows } = this.#step.hiddenRows(i);
      const from = x.address + first * x.stride;
      if (norm !== undefined) {
        // In place: a row that wants its hidden state wants no logits.
        for (let at = from; at < from + rows * x.stride; at += x.stride) this.#normalise(norm, at, at);
      }
      this.#site.shard.kernels.meanRows(from, x.stride, rows, this.h.dim, hidden.address + i * hidden.stride);
    }
  }

  #normalise({ address, columns }: PlacedWeight, from: number, to: number, bias?: PlacedWeight): void {
    normalise(this.#site.shard.kernels, this.h, from, to, columns, address, bias?.address);
  }

  /** This worker's rows of x: their numbers and addresses. */
  #forRows(rows: number, visit: (row: number, x: number) => void): void {
    const { x } = this.buffers;
    const { index, workers } = this.#member;
    for (let row = index; row < rows; row += workers) visit(row, x.address + row * x.stride);
  }
}

/** Some rows of a matrix, or elements of a vector, as one of its own. */
function sliceOf(
  weight: PlacedWeight,
  { first, count }: { readonly first: number; readonly count: number },
): PlacedWeight {
  return weight.role === "vector"
    ? { ...weight, columns: count, address: weight.address + first * 4 }
    : { ...weight, rows: count, address: weight.address + first * weight.rowBytes };
}
