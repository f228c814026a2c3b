// One worker's run through a forward pass: the operations that a transformer is made of, each on this worker's share of the work.
//
// Where an operation reads what other workers wrote, it says so and waits for them first: `barrier`. A step of one row is so little
// work that every worker normalises and encodes it for itself, which saves the wait.

import { GROUP_ROWS, PAGE, TILE_TOKENS } from "#abi";
import type { Kernels } from "../machine/kernels.js";
import type { Member } from "../machine/member.js";
import type { LayerSpecs, LayerWeights } from "./architecture.js";
import type { Hyperparameters } from "./hyperparameters.js";
import { type KvPool, type Layout, type PlacedWeight, ropeBytes } from "./memory-plan.js";
import { Step } from "./step.js";

/** What every worker knows of a model; posted by the thread that loads it. */
export interface Blueprint {
  readonly hyperparameters: Hyperparameters;
  readonly layout: Layout;
  readonly pool: KvPool;
  /** The cosines and sines of each of the hyperparameters' `ropes` are multiplied by it. */
  readonly ropeMagnitudes: readonly number[];
}

/** Activations encoded in up to four ways: the way `kind` (1 .. 4) lies at base + slots[kind]. */
interface Encoded {
  readonly base: number;
  readonly slots: readonly number[];
}

/** Where a matmul writes: f32 rows, `stride` bytes apart. */
export interface Product {
  readonly weight: PlacedWeight;
  readonly bias?: PlacedWeight | undefined;
  /** What becomes of y behind the bias. */
  readonly activation?: "gelu";
  readonly y: number;
  readonly stride: number;
}

/** What is done to the rows of an embedding. */
interface EmbedSteps {
  /** They are multiplied by it. */
  readonly scale?: number;
  /** Row 0 of these is added: the type of all tokens. */
  readonly types?: PlacedWeight | undefined;
  /** The row of the token's position is added. */
  readonly positions?: PlacedWeight;
}

// Each worker's share of a matmul comes in about this many pieces, so that a worker that is held up leaves the rest to others.
const PIECES = 6;

export class Run {
  readonly h: Hyperparameters;
  readonly layout: Layout;
  readonly pool: KvPool;
  readonly step: Step;
  readonly kernels: Kernels;
  readonly member: Member;

  readonly #weights: ReadonlyMap<string, PlacedWeight>;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #magnitudes: readonly number[];
  readonly #layers: unknown[] = [];
  readonly #scratch: number;
  readonly #shared: Encoded;
  readonly #own: Encoded;
  readonly #ownNormed: number;

  constructor(member: Member, blueprint: Blueprint) {
    const { layout } = blueprint;
    this.h = blueprint.hyperparameters;
    this.layout = layout;
    this.pool = blueprint.pool;
    this.member = member;
    this.kernels = member.kernels;
    this.step = new Step(new Int32Array(member.memory.buffer, layout.step));
    this.#weights = new Map(layout.weights.map((weight) => [weight.name, weight]));
    this.#words = new Int32Array(member.memory.buffer);
    this.#bytes = new Uint8Array(member.memory.buffer);
    this.#magnitudes = blueprint.ropeMagnitudes;
    this.#scratch = layout.scratch + member.index * layout.scratchBytes;
    const { buffers } = layout;
    this.#shared = { base: buffers.encoded, slots: buffers.encodedSlots };
    const own = this.#scratch + Math.ceil(member.kernels.matmulScratchBytes(layout.rows) / 64) * 64;
    this.#own = { base: own, slots: buffers.encodedRowSlots };
    this.#ownNormed = own + buffers.encodedRowBytes;
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
      if (scale !== 1) kernels.scale(x + row * xStride, scale, xStride / 4);
      if (types !== undefined) this.#addRow(row, types, 0);
      if (positions !== undefined) this.#addRow(row, positions, step.position(row));
      for (let rope = 0; rope < h.ropes.length; rope++) {
        const pairs = h.ropes[rope]!.dimensions / 2;
        const frequencies = layout.frequencies + rope * ropeBytes(h);
        const magnitude = this.#magnitudes[rope]!;
        const table = this.#ropeTable(rope, row);
        kernels.ropeTable(frequencies, pairs, h.headDim, step.position(row), magnitude, table, job);
      }
    }
    this.barrier();
  }

  /** x += row `index` of a table. */
  #addRow(row: number, table: PlacedWeight, index: number): void {
    const { x, xStride } = this.layout.buffers;
    const job = this.#scratch;
    const values = job + 64;
    this.kernels.dequantizeRow(table.type, table.address + index * table.rowBytes, this.h.dim, values, job);
    this.kernels.addBias(x + row * xStride, values, xStride / 4);
  }

  /** Where the cosines and sines of a row lie. */
  #ropeTable(rope: number, row: number): number {
    return this.layout.buffers.rope + (rope * this.layout.rows + row) * this.h.headDim * 8;
  }

  /** Normalises and encodes rows of x for the matmuls that read them. Ends with a barrier, or needs none. */
  normalise(norm: PlacedWeight, readers: readonly PlacedWeight[]): Encoded {
    const { h, kernels, step } = this;
    const { x, xStride, normed } = this.layout.buffers;
    if (step.rows === 1) {
      kernels.rmsNorm(x, norm.address, this.#ownNormed, h.dim, h.normEpsilon);
      this.#encodeTile(this.#own, readers, this.#ownNormed, xStride, 0, 1);
      return this.#own;
    }
    for (let first = this.member.index * TILE_TOKENS; first < step.rows; first += this.member.workers * TILE_TOKENS) {
      const rows = Math.min(TILE_TOKENS, step.rows - first);
      for (let row = first; row < first + rows; row++) {
        kernels.rmsNorm(x + row * xStride, norm.address, normed + row * xStride, h.dim, h.normEpsilon);
      }
      this.#encodeTile(this.#shared, readers, normed, xStride, first, rows);
    }
    this.barrier();
    return this.#shared;
  }

  /** x += norm(branch), for rows as wide as x. Ends with a barrier. */
  addNormalised(norm: PlacedWeight, branch: number): void {
    const { h, kernels, step } = this;
    const { x, xStride } = this.layout.buffers;
    for (let row = this.member.index; row < step.rows; row += this.member.workers) {
      const from = branch + row * xStride;
      kernels.rmsNorm(from, norm.address, from, h.dim, h.normEpsilon);
      kernels.addBias(x + row * xStride, from, xStride / 4);
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
      this.#encodeTile(this.#own, readers, source, stride, 0, 1);
      return this.#own;
    }
    for (let first = this.member.index * TILE_TOKENS; first < step.rows; first += this.member.workers * TILE_TOKENS) {
      this.#encodeTile(this.#shared, readers, source, stride, first, Math.min(TILE_TOKENS, step.rows - first));
    }
    this.barrier();
    return this.#shared;
  }

  #encodeTile(
    to: Encoded,
    readers: readonly PlacedWeight[],
    source: number,
    stride: number,
    first: number,
    rows: number,
  ): void {
    const { kernels } = this;
    let done = 0;
    for (const reader of readers) {
      const kind = kernels.formatActivation(reader.type);
      if ((done & (1 << kind)) !== 0) continue;
      done |= 1 << kind;
      const address = to.base + to.slots[kind]! + first * kernels.activationBytes(kind, reader.columns);
      kernels.encodeActivations(kind, source + first * stride, stride, rows, reader.columns, address);
    }
  }

  /** y = w . x, or y += w . x, for several weights that read the same activations. */
  matmul(x: Encoded, products: readonly Product[], accumulate = false, rows = this.step.rows): void {
    let pieces = 0;
    for (const { weight } of products) pieces += Math.ceil(groupsOf(weight) / this.#pieceGroups(weight));
    const cell = this.member.openTickets();
    for (let piece = this.kernels.ticket(cell); piece < pieces; piece = this.kernels.ticket(cell)) {
      let within = piece;
      for (const product of products) {
        const groups = this.#pieceGroups(product.weight);
        const count = Math.ceil(groupsOf(product.weight) / groups);
        if (within < count) {
          const last = Math.min(groupsOf(product.weight), (within + 1) * groups);
          this.#multiply(x, product, within * groups, last, rows, accumulate);
          break;
        }
        within -= count;
      }
    }
  }

  /**
   * gate = activation(wGate . x) * (wUp . x): the pieces of both matrices go together, so that nobody waits in between.
   */
  gatedMatmul(x: Encoded, gate: Product, up: Product, activation: "silu" | "gelu" = "silu"): void {
    const gated = activation === "silu" ? this.kernels.swiGlu : this.kernels.geGlu;
    const groups = this.#pieceGroups(gate.weight);
    const all = groupsOf(gate.weight);
    const cell = this.member.openTickets();
    for (let first = this.kernels.ticket(cell) * groups; first < all; first = this.kernels.ticket(cell) * groups) {
      const last = Math.min(all, first + groups);
      this.#multiply(x, gate, first, last, this.step.rows, false);
      this.#multiply(x, up, first, last, this.step.rows, false);
      const offset = first * GROUP_ROWS * 4;
      for (let row = 0; row < this.step.rows; row++) {
        const skip = row * gate.stride + offset;
        gated(gate.y + skip, up.y + skip, (last - first) * GROUP_ROWS, this.#scratch);
      }
    }
  }

  #multiply(x: Encoded, product: Product, first: number, last: number, rows: number, accumulate: boolean): void {
    const { kernels } = this;
    const { weight, bias, activation, y, stride } = product;
    const kind = kernels.formatActivation(weight.type);
    const encoded = x.base + x.slots[kind]!;
    kernels.matmul(
      weight.type,
      weight.address,
      first,
      last,
      weight.columns,
      encoded,
      rows,
      y,
      stride,
      accumulate ? 1 : 0,
      this.#scratch,
    );
    if (bias === undefined && activation === undefined) return;
    const offset = first * GROUP_ROWS * 4;
    const count = Math.min(last * GROUP_ROWS, weight.rows) - first * GROUP_ROWS;
    for (let row = 0; row < rows; row++) {
      const at = y + row * stride + offset;
      if (bias !== undefined) kernels.addBias(at, bias.address + offset, count);
      if (activation === "gelu") kernels.gelu(at, count, this.#scratch);
    }
  }

  #pieceGroups(weight: PlacedWeight): number {
    return Math.ceil(groupsOf(weight) / (this.member.workers * PIECES));
  }

  /** Normalises every head of q and k, if there are norms for that, rotates them, and puts k and v into the cache. */
  rotateAndStore(layer: number, norms?: { readonly q: PlacedWeight; readonly k: PlacedWeight }): void {
    const { h, kernels, step, pool } = this;
    const { q, qStride, k, v, kvStride } = this.layout.buffers;
    const { rope } = h.attention[layer]!;
    const group = h.heads / h.kvHeads;
    const headBytes = h.headDim * 4;
    const rotate = (at: number, heads: number, table: number, norm: PlacedWeight | undefined) => {
      if (norm !== undefined) {
        for (let head = at; head < at + heads * headBytes; head += headBytes) {
          kernels.rmsNorm(head, norm.address, head, h.headDim, h.normEpsilon);
        }
      }
      if (h.ropePairs === "neighbours") kernels.rope(at, heads, h.headDim, table);
      else if (h.ropePairs === "halves") {
        kernels.ropeHalves(at, heads, h.headDim, h.ropes[rope]!.dimensions / 2, table);
      }
    };
    const items = step.items * h.kvHeads;
    for (let item = this.member.index; item < items; item += this.member.workers) {
      const run = Math.floor(item / h.kvHeads);
      const head = item % h.kvHeads;
      const first = step.item(run, 0);
      const rows = step.item(run, 1);
      const position = step.item(run, 2);
      const pageTable = step.item(run, 3);
      for (let i = 0; i < rows; i++) {
        const row = first + i;
        const table = this.#ropeTable(rope, row);
        const key = k + row * kvStride + head * headBytes;
        rotate(q + row * qStride + head * group * headBytes, group, table, norms?.q);
        rotate(key, 1, table, norms?.k);
        const tile = this.#kvTile(pageTable, Math.floor((position + i) / PAGE), layer, head);
        const value = v + row * kvStride + head * headBytes;
        kernels.storeKv(pool.kind, key, value, h.headDim, tile, tile + pool.tileBytes, (position + i) % PAGE);
      }
    }
  }

  #kvTile(pageTable: number, page: number, layer: number, head: number): number {
    const number = this.#words[(pageTable >> 2) + page]!;
    return this.#kvHead(layer, head) + number * this.pool.pageBytes;
  }

  #kvHead(layer: number, head: number): number {
    return this.layout.kv + ((layer % this.pool.layers) * this.h.kvHeads + head) * 2 * this.pool.tileBytes;
  }

  /** attended = softmax(q . k) . v, over all positions that each row may see. */
  attend(layer: number): void {
    const { h, kernels, step, pool } = this;
    const { q, qStride, attended } = this.layout.buffers;
    const group = h.heads / h.kvHeads;
    const items = step.items * h.kvHeads;
    const scale = 1 / Math.sqrt(h.headDim);
    const { window, ahead } = h.attention[layer]!;
    const cell = this.member.openTickets();
    for (let item = kernels.ticket(cell); item < items; item = kernels.ticket(cell)) {
      // The last items look back farthest: they go first, so that no worker begins a long one at the end.
      const run = step.items - 1 - Math.floor(item / h.kvHeads);
      const head = item % h.kvHeads;
      const first = step.item(run, 0);
      const offset = first * qStride + head * group * h.headDim * 4;
      kernels.attention(
        pool.kind,
        q + offset,
        qStride,
        step.item(run, 1),
        step.item(run, 2),
        group,
        h.headDim,
        scale,
        step.item(run, 3),
        this.#kvHead(layer, head),
        pool.pageBytes,
        window,
        ahead,
        step.item(run, 4),
        attended + offset,
        qStride,
        this.#scratch,
      );
    }
  }

  /**
   * The last norm and the output matrix, as far as the model has them, for the rows that want hidden states or logits. Ends with a
   * barrier.
   */
  output(norm?: PlacedWeight, output?: PlacedWeight): void {
    const { h, kernels, step, member } = this;
    const { x, xStride, normed, hidden, logits, logitStride } = this.layout.buffers;
    const { index, workers } = member;
    for (let i = index; i < step.hiddenRows; i += workers) {
      const from = x + step.hiddenRow(i) * xStride;
      const to = hidden + i * xStride;
      if (norm === undefined) this.#bytes.copyWithin(to, from, from + xStride);
      else kernels.rmsNorm(from, norm.address, to, h.dim, h.normEpsilon);
    }
    if (norm !== undefined && output !== undefined && step.logitRows > 0) {
      for (let first = index * TILE_TOKENS; first < step.logitRows; first += workers * TILE_TOKENS) {
        const rows = Math.min(TILE_TOKENS, step.logitRows - first);
        for (let i = first; i < first + rows; i++) {
          kernels.rmsNorm(x + step.logitRow(i) * xStride, norm.address, normed + i * xStride, h.dim, h.normEpsilon);
        }
        this.#encodeTile(this.#shared, [output], normed, xStride, first, rows);
      }
      this.barrier();
      this.matmul(this.#shared, [{ weight: output, y: logits, stride: logitStride }], false, step.logitRows);
    }
    this.barrier();
  }
}

function groupsOf(weight: PlacedWeight): number {
  return Math.ceil(weight.rows / GROUP_ROWS);
}
