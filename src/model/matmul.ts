// Matmuls by a team: each worker encodes some rows of the activations, and multiplies by some rows of the weights. Every operation ends
// with its own barrier, or needs none: the caller of the next one may read what any worker wrote.

import { ACTIVATION_F32, GROUP_ROWS, TILE_TOKENS } from "#abi";
import type { Kernels } from "../machine/kernels.js";
import type { Member } from "../machine/member.js";
import type { LowRank } from "./plan/low-rank.js";
import type { LoraBuffers, PlacedWeight, Rows } from "./plan/memory-plan.js";
import type { WorkerShard } from "./plan/shard.js";
import { endOfPiece, firstOfPiece, piecesIn } from "./ranges.js";
import type { Step } from "./step.js";

/** Activations encoded in up to five ways: the way `kind` (1 .. 5) lies at base + slots[kind]. */
export interface Encoded {
  readonly base: number;
  readonly slots: readonly number[];
}

/** One matrix of a matmul, and where its product goes. */
export interface Product {
  readonly weight: PlacedWeight;
  readonly bias?: PlacedWeight | undefined;
  /** Applied to the product after the bias. */
  readonly activation?: "gelu";
  /** The soft limit of the product, cap * tanh(product / cap); 0: none. */
  readonly softcap?: number;
  /** gelu(product) is multiplied by these rows, last. */
  readonly gates?: Rows;
  /** (rows, the weight's rows) */
  readonly to: Rows;
}

/** A . x of LoRA adapters, encoded for B: (capacity, rank) of each matrix from its column on. */
interface LowRankSums {
  readonly base: number;
  readonly capacity: number;
}

/** The activation of a gate. */
export type Gate = "silu" | "gelu";

// Each worker's share of a matmul comes in about this many pieces, so that a worker that is held up leaves the rest to others.
export const PIECES = 6;
// But a piece has at least this many bytes of weights for one row (fewer for more rows), as long as each worker still gets one: beginning
// another stream of weights takes a microsecond, in which about 20 KB could be read.
export const PIECE_BYTES = 128 * 1024;

export class Matmul {
  /** Encodings of the step's rows, which all workers read. */
  readonly #shared: Encoded;
  /** Encodings of a single row, for this worker alone. */
  readonly #own: Encoded;
  /** (dim) f32: a single row that this worker alone has normalised. */
  readonly #ownRow: number;
  /** Of a model with LoRA adapters: A . x of the step's rows, and of a single row, for this worker alone. */
  readonly #lora: LoraBuffers | undefined;
  readonly #ownLora: LowRankSums;
  readonly #capacity: number;
  readonly #member: Member;
  readonly #kernels: Kernels;
  readonly #step: Step;
  readonly #scratch: number;

  /** @param shard the weights that it multiplies by, and the activations, lie there */
  constructor(member: Member, shard: WorkerShard, step: Step) {
    const { buffers, rows } = shard.layout;
    const { kernel, encodedRow, row, lora } = shard.scratch;
    this.#member = member;
    this.#kernels = shard.kernels;
    this.#step = step;
    this.#scratch = kernel;
    this.#shared = { base: buffers.encoded, slots: buffers.encodedSlots };
    this.#own = { base: encodedRow, slots: buffers.encodedRowSlots };
    this.#ownRow = row;
    this.#lora = buffers.lora;
    this.#ownLora = { base: lora, capacity: 1 };
    this.#capacity = rows;
  }

  /**
   * Encodes rows for the matrices that read them. One row is so little work that every worker encodes it for itself, which saves the
   * wait.
   */
  encode(source: Rows, readers: readonly PlacedWeight[]): Encoded {
    const { rows } = this.#step;
    if (rows === 1) {
      this.#encodeTile(this.#own, readers, source.address, source.stride, 0, 1);
      return this.#own;
    }
    this.#forTiles(rows, (first, count) => {
      this.#encodeTile(this.#shared, readers, source.address, source.stride, first, count);
    });
    this.#member.barrier();
    return this.#shared;
  }

  /**
   * Normalises rows and encodes them for the matrices that read them. `normalise` writes the norm of a row to an address; several rows
   * are normalised into `normed`.
   */
  normaliseAndEncode(
    normed: Rows,
    rows: number,
    normalise: (row: number, to: number) => void,
    readers: readonly PlacedWeight[],
  ): Encoded {
    if (this.#step.rows === 1) {
      normalise(0, this.#ownRow);
      this.#encodeTile(this.#own, readers, this.#ownRow, normed.stride, 0, 1);
      return this.#own;
    }
    this.#forTiles(rows, (first, count) => {
      for (let row = first; row < first + count; row++) normalise(row, normed.address + row * normed.stride);
      this.#encodeTile(this.#shared, readers, normed.address, normed.stride, first, count);
    });
    this.#member.barrier();
    return this.#shared;
  }

  /** This worker's tiles of `rows` rows. */
  #forTiles(rows: number, tile: (first: number, count: number) => void): void {
    const { index, workers } = this.#member;
    for (let first = index * TILE_TOKENS; first < rows; first += workers * TILE_TOKENS) {
      tile(first, Math.min(TILE_TOKENS, rows - first));
    }
  }

  /** Encodes a tile of rows, from row `first` on, in each of the ways that its readers need. */
  #encodeTile(
    to: Encoded,
    readers: readonly PlacedWeight[],
    source: number,
    stride: number,
    first: number,
    rows: number,
  ): void {
    const kernels = this.#kernels;
    const { columns } = readers[0]!;
    let kinds = 0;
    for (const { type, lora } of readers) {
      kinds |= 1 << kernels.formatActivation(type);
      if (lora !== undefined) kinds |= 1 << kernels.formatActivation(lora.a.type);
    }
    for (let kind = 1; kinds >> kind !== 0; kind++) {
      if ((kinds & (1 << kind)) === 0) continue;
      const address = to.base + to.slots[kind]! + first * kernels.activationBytes(kind, columns);
      kernels.encodeActivations(kind, source + first * stride, stride, rows, columns, address);
    }
  }

  /** y = w . x, or y += w . x, for several weights that read the same activations. */
  multiply(x: Encoded, products: readonly Product[], accumulate = false, rows = this.#step.rows): void {
    this.#multiplyAll(x, products, this.#lowRankSums(x, products, rows), rows, accumulate);
  }

  #multiplyAll(
    x: Encoded,
    products: readonly Product[],
    sums: LowRankSums | undefined,
    rows: number,
    accumulate: boolean,
  ): void {
    const member = this.#member;
    const { workers } = member;
    const cell = member.openTickets();
    for (let turn = 0; turn < workers; turn++) {
      const range = member.rangeInTurn(turn);
      let pieces = 0;
      for (const { weight } of products) pieces += this.#pieces(weight, range, rows);
      let taken = 0;
      for (let piece = member.ticket(cell, range, pieces); piece < pieces; piece = member.ticket(cell, range, pieces)) {
        taken++;
        let within = piece;
        for (const product of products) {
          const count = this.#pieces(product.weight, range, rows);
          if (within < count) {
            const groups = groupsOf(product.weight);
            const size = this.#pieceGroups(product.weight, rows);
            const first = firstOfPiece(groups, range, workers, within, size);
            const end = endOfPiece(groups, range, workers, first, size);
            this.#multiplyPiece(x, product, sums, first, end, rows, accumulate);
            break;
          }
          within -= count;
        }
      }
      if (taken > 0) member.countPieces(range, taken);
    }
    this.#member.barrier();
  }

  /**
   * gate = activation(wGate . x) * (wUp . x): the pieces of both matrices go together, so that nobody waits in between.
   */
  multiplyGated(x: Encoded, gate: Product, up: Product, activation: Gate): void {
    const gated = activation === "silu" ? this.#kernels.swiGlu : this.#kernels.geGlu;
    const member = this.#member;
    const { workers } = member;
    const { rows } = this.#step;
    const sums = this.#lowRankSums(x, [gate, up], rows);
    const groups = groupsOf(gate.weight);
    const size = this.#pieceGroups(gate.weight, rows);
    const cell = member.openTickets();
    for (let turn = 0; turn < workers; turn++) {
      const range = member.rangeInTurn(turn);
      const pieces = piecesIn(groups, range, workers, size);
      let taken = 0;
      for (let piece = member.ticket(cell, range, pieces); piece < pieces; piece = member.ticket(cell, range, pieces)) {
        taken++;
        const first = firstOfPiece(groups, range, workers, piece, size);
        const end = endOfPiece(groups, range, workers, first, size);
        this.#multiplyPiece(x, gate, sums, first, end, rows, false);
        this.#multiplyPiece(x, up, sums, first, end, rows, false);
        const offset = first * GROUP_ROWS * 4;
        for (let row = 0; row < rows; row++) {
          const skip = row * gate.to.stride + offset;
          gated(gate.to.address + skip, up.to.address + skip, (end - first) * GROUP_ROWS, this.#scratch);
        }
      }
      if (taken > 0) member.countPieces(range, taken);
    }
    this.#member.barrier();
  }

  /** A . x of the LoRA adapters of some weights, which all workers then read. undefined: none of them has one. */
  #lowRankSums(x: Encoded, products: readonly Product[], rows: number): LowRankSums | undefined {
    if (this.#lora === undefined) return undefined;
    const adapters = new Map<number, LowRank<PlacedWeight>>(); // by their columns: slices of a matrix have the same one
    for (const { lora } of products.map(({ weight }) => weight))
      if (lora !== undefined) adapters.set(lora.column, lora);
    if (adapters.size === 0) return undefined;
    const { address, stride } = this.#lora.sums;
    const at = (column: number) => address + column * 4;
    const low = [...adapters.values()].map(({ a, column }) => ({ weight: a, to: { address: at(column), stride } }));
    this.#multiplyAll(x, low, undefined, rows, false); // (rows, rank) each
    const sums = rows === 1 ? this.#ownLora : { base: this.#lora.encoded, capacity: this.#capacity };
    const encode = (first: number, count: number) => {
      for (const { b, column } of adapters.values()) {
        const to = lowRankAddress(sums, column) + first * this.#kernels.activationBytes(ACTIVATION_F32, b.columns);
        this.#kernels.encodeActivations(ACTIVATION_F32, at(column) + first * stride, stride, count, b.columns, to);
      }
    };
    if (rows === 1) {
      encode(0, 1);
      return sums;
    }
    this.#forTiles(rows, encode);
    this.#member.barrier();
    return sums;
  }

  #multiplyPiece(
    x: Encoded,
    product: Product,
    sums: LowRankSums | undefined,
    first: number,
    last: number,
    rows: number,
    accumulate: boolean,
  ): void {
    const kernels = this.#kernels;
    const { weight, bias, activation, softcap = 0, gates, to } = product;
    const { lora } = weight;
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
      to.address,
      to.stride,
      accumulate ? 1 : 0,
      this.#scratch,
    );
    if (lora !== undefined) {
      const { b, column } = lora;
      const low = lowRankAddress(sums!, column);
      kernels.matmul(b.type, b.address, first, last, b.columns, low, rows, to.address, to.stride, 1, this.#scratch);
    }
    if (bias === undefined && activation === undefined && softcap === 0 && gates === undefined) return;
    const offset = first * GROUP_ROWS * 4;
    const count = Math.min(last * GROUP_ROWS, weight.rows) - first * GROUP_ROWS;
    const from = to.address + offset;
    const biasAt = bias === undefined ? 0 : bias.address + offset;
    if (activation === "gelu") kernels.geluRows(from, to.stride, rows, biasAt, count, this.#scratch);
    else if (biasAt !== 0) kernels.addBiasRows(from, to.stride, rows, biasAt, count);
    if (softcap === 0 && gates === undefined) return;
    for (let row = 0; row < rows; row++) {
      const at = from + row * to.stride;
      if (softcap !== 0) kernels.softcap(at, softcap, count, this.#scratch);
      if (gates !== undefined) kernels.geGlu(at, gates.address + row * gates.stride + offset, count, this.#scratch);
    }
  }

  /** How many pieces a range of a weight has. */
  #pieces(weight: PlacedWeight, range: number, rows: number): number {
    return piecesIn(groupsOf(weight), range, this.#member.workers, this.#pieceGroups(weight, rows));
  }

  #pieceGroups(weight: PlacedWeight, rows: number): number {
    const groups = groupsOf(weight);
    const { workers } = this.#member;
    const least = Math.ceil(PIECE_BYTES / (weight.rowBytes * GROUP_ROWS * rows));
    return Math.max(Math.ceil(groups / (workers * PIECES)), Math.min(least, Math.ceil(groups / workers)));
  }
}

function groupsOf(weight: PlacedWeight): number {
  return Math.ceil(weight.rows / GROUP_ROWS);
}

/** Where the F32 activations of the matrix with this column begin: the columns before it take as many elements of every row. */
function lowRankAddress({ base, capacity }: LowRankSums, column: number): number {
  return base + column * capacity * 4;
}
