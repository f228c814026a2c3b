// A mixture of experts by a team. Which experts a row has is data: every worker computes the choice of all rows from the router's logits,
// which a barrier has made the same for all, so that all workers take the same way through the step.
//
// A row has a place for each expert that it chooses. The places of one expert lie side by side, so that its matrices multiply all its rows
// at once, and are read once. Nothing of a row depends on what lies beside it, and its results are added in the order of its own choice:
// so the bits of a row do not depend on the rest of the step.

import { GROUP_ROWS, TILE_TOKENS } from "#abi";
import type { Kernels } from "../machine/kernels.js";
import type { Member } from "../machine/member.js";
import { type ExpertParameters, termsOf } from "./expert-parameters.js";
import { type Encoded, PIECE_BYTES, PIECES } from "./matmul.js";
import type { ExpertBuffers, PlacedWeight, Rows } from "./plan/memory-plan.js";
import type { Scratch } from "./plan/scratch.js";
import type { WorkerShard } from "./plan/shard.js";
import { endOfPiece, firstOfPiece, piecesIn } from "./ranges.js";
import type { Step } from "./step.js";

/** The matrices of all experts in one tensor, and their biases. */
export interface ExpertMatrices {
  readonly weight: PlacedWeight; // (experts, rows, columns)
  readonly bias?: PlacedWeight | undefined; // (experts, rows)
}

/** The activation of an expert's gate: silu(gate) * up, or gpt-oss's with limits. */
export type ExpertGate = "silu" | "clamped";

/** What is done to a part of a row of `gate`, `count` elements at `gate` and at `up`, when both are multiplied. */
type Activate = (gate: number, up: number, count: number) => void;

export class Experts {
  readonly buffers: ExpertBuffers;
  readonly #member: Member;
  readonly #kernels: Kernels;
  readonly #experts: ExpertParameters;
  readonly #step: Step;
  readonly #x: Rows;
  readonly #bytes: Uint8Array;
  readonly #scratch: Scratch;
  readonly #terms: number;

  /** (rows, terms) int32 in scratch: the experts of each row, in the order of the choice, then the places of their results. */
  readonly #places: Int32Array;
  /** (rows, terms) f32 in scratch, behind them. */
  readonly #weightsAt: number;
  /** For each expert: its rows, its first place, and its first row in `encoded`. */
  readonly #counts: Int32Array;
  readonly #firsts: Int32Array;
  readonly #tiles: Int32Array;
  /** The row of each place. */
  readonly #rowOf: Int32Array;

  constructor(member: Member, shard: WorkerShard, experts: ExpertParameters, step: Step) {
    const { rows, buffers } = shard.layout;
    this.buffers = buffers.experts!;
    this.#member = member;
    this.#kernels = shard.kernels;
    this.#experts = experts;
    this.#step = step;
    this.#x = buffers.x;
    this.#bytes = shard.bytes;
    this.#scratch = shard.scratch;
    this.#terms = termsOf(experts);
    this.#places = shard.wordsAt(this.#scratch.choice, rows * this.#terms);
    this.#weightsAt = this.#scratch.choice + rows * this.#terms * 4;
    this.#counts = new Int32Array(experts.count);
    this.#firsts = new Int32Array(experts.count);
    this.#tiles = new Int32Array(experts.count);
    this.#rowOf = new Int32Array(rows * experts.used);
  }

  /** Places of all rows of the step. */
  get #all(): number {
    return this.#step.rows * this.#experts.used;
  }

  /** Where the result of what all rows take besides belongs: (rows, dim). */
  get shared(): Rows {
    const { address, stride } = this.buffers.down;
    return { address: address + this.#all * stride, stride };
  }

  /**
   * Chooses the experts of every row, from the router's logits, and gives their results places and weights. Each worker does it all for
   * itself: the outcome is the same.
   */
  choose(): void {
    const { used } = this.#experts;
    this.#counts.fill(0);
    for (let row = 0; row < this.#step.rows; row++) {
      this.#chooseOf(row);
      for (let term = row * this.#terms; term < row * this.#terms + used; term++) this.#counts[this.#places[term]!]!++;
    }
    let place = 0;
    let tile = 0;
    for (const [expert, count] of this.#counts.entries()) {
      this.#firsts[expert] = place;
      this.#tiles[expert] = tile;
      place += count;
      tile += Math.ceil(count / TILE_TOKENS) * TILE_TOKENS;
    }
    this.#counts.fill(0);
    for (let row = 0; row < this.#step.rows; row++) {
      for (let term = row * this.#terms; term < row * this.#terms + used; term++) {
        const expert = this.#places[term]!;
        const place = this.#firsts[expert]! + this.#counts[expert]!++;
        this.#rowOf[place] = row;
        this.#places[term] = place;
      }
    }
  }

  /** The numbers and weights of a row's experts; and the place and weight of what all rows take besides. */
  #chooseOf(row: number): void {
    const { logits, sharedLogits } = this.buffers;
    const { count, used, shared, normalised } = this.#experts;
    const offset = row * this.#terms * 4;
    this.#kernels.chooseExperts(
      logits.address + row * logits.stride,
      count,
      used,
      normalised ? 1 : 0,
      this.#scratch.choice + offset,
      this.#weightsAt + offset,
      this.#scratch.kernel,
    );
    if (shared === 0) return;
    this.#places[row * this.#terms + used] = this.#all + row;
    const weight = this.#weightsAt + offset + used * 4;
    this.#kernels.sigmoid(sharedLogits.address + row * sharedLogits.stride, weight, 1, this.#scratch.kernel);
  }

  /**
   * Encodes the rows of each expert for its matrices: `x` has them all in their own order, and of a single row that is enough. Several
   * are gathered from `source`, of which `x` was made.
   */
  gather(x: Encoded, source: Rows, readers: readonly PlacedWeight[]): Encoded {
    if (this.#step.rows === 1) return x;
    const { gathered } = this.#scratch;
    const rowBytes = readers[0]!.columns * 4;
    this.#forTiles((first, count, tile) => {
      for (let i = 0; i < count; i++) {
        const from = source.address + this.#rowOf[first + i]! * source.stride;
        this.#bytes.copyWithin(gathered + i * rowBytes, from, from + rowBytes);
      }
      this.#encodeTile(gathered, rowBytes, count, tile, readers);
    });
    this.#member.barrier();
    return this.#encoded;
  }

  /** Encodes what the gates have let through, for the matrix that reads it. */
  encode(reader: PlacedWeight): Encoded {
    const { address, stride } = this.buffers.gate;
    this.#forTiles((first, count, tile) => {
      this.#encodeTile(address + first * stride, stride, count, tile, [reader]);
    });
    this.#member.barrier();
    return this.#encoded;
  }

  get #encoded(): Encoded {
    return { base: this.buffers.encoded, slots: this.buffers.encodedSlots };
  }

  /** This worker's tiles: the first place of each, how many places it has, and its first row in `encoded`. */
  #forTiles(visit: (first: number, count: number, tile: number) => void): void {
    const { index, workers } = this.#member;
    let turn = 0;
    for (const [expert, count] of this.#counts.entries()) {
      for (let i = 0; i < count; i += TILE_TOKENS) {
        if (turn++ % workers !== index) continue;
        visit(this.#firsts[expert]! + i, Math.min(TILE_TOKENS, count - i), this.#tiles[expert]! + i);
      }
    }
  }

  #encodeTile(from: number, stride: number, rows: number, tile: number, readers: readonly PlacedWeight[]): void {
    const kernels = this.#kernels;
    const { encoded, encodedSlots } = this.buffers;
    let done = 0;
    for (const { type, columns } of readers) {
      const kind = kernels.formatActivation(type);
      if ((done & (1 << kind)) !== 0) continue;
      done |= 1 << kind;
      const to = encoded + encodedSlots[kind]! + tile * kernels.activationBytes(kind, columns);
      kernels.encodeActivations(kind, from, stride, rows, columns, to);
    }
  }

  /** gate = activation(wGate . x, wUp . x) for each place, by the matrices of its expert. */
  multiplyGated(x: Encoded, gate: ExpertMatrices, up: ExpertMatrices, activation: ExpertGate): void {
    const gated = activation === "silu" ? this.#kernels.swiGlu : this.#kernels.clampedSwiGlu;
    const scratch = this.#scratch.kernel;
    this.#multiply(x, gate, up, (at, upAt, count) => gated(at, upAt, count, scratch));
  }

  /** gate = gelu(weight . x) for each place, by the matrix of its expert. */
  multiplyActivated(x: Encoded, matrices: ExpertMatrices): void {
    const scratch = this.#scratch.kernel;
    this.#multiply(x, matrices, undefined, (at, _, count) => this.#kernels.gelu(at, count, scratch));
  }

  /** The products of the matrices of all chosen experts, which are one list of pieces: to `gate` and `up`, and then activated. */
  #multiply(x: Encoded, gate: ExpertMatrices, up: ExpertMatrices | undefined, activate: Activate): void {
    const { buffers } = this;
    const member = this.#member;
    const { workers } = member;
    const groups = this.#groupsOf(gate.weight);
    const cell = member.openTickets();
    for (let turn = 0; turn < workers; turn++) {
      const range = member.rangeInTurn(turn);
      let pieces = 0;
      for (let one = 0; one < this.#experts.count; one++) pieces += this.#pieces(one, gate.weight, range);
      let expert = 0;
      let begun = 0; // pieces of the experts before this one
      let taken = 0;
      for (let piece = member.ticket(cell, range, pieces); piece < pieces; piece = member.ticket(cell, range, pieces)) {
        taken++;
        for (; piece >= begun + this.#pieces(expert, gate.weight, range); expert++) {
          begun += this.#pieces(expert, gate.weight, range);
        }
        const size = this.#pieceGroups(expert, gate.weight);
        const first = firstOfPiece(groups, range, workers, piece - begun, size);
        const end = endOfPiece(groups, range, workers, first, size);
        this.#multiplyPiece(x, gate, expert, first, end, buffers.gate);
        if (up !== undefined) this.#multiplyPiece(x, up, expert, first, end, buffers.up);
        const { stride } = buffers.gate;
        const from = this.#firsts[expert]! * stride + first * GROUP_ROWS * 4;
        for (let at = from; at < from + this.#counts[expert]! * stride; at += stride) {
          activate(buffers.gate.address + at, buffers.up.address + at, (end - first) * GROUP_ROWS);
        }
      }
      if (taken > 0) member.countPieces(range, taken);
    }
    this.#member.barrier();
  }

  /**
   * x += the sum of weight * (wDown . gated) over the experts of each row, and over what all rows take besides. A piece is the same rows of
   * the matrices of all chosen experts, so that who multiplies them adds them, too.
   */
  addProducts(gated: Encoded, down: ExpertMatrices): void {
    const kernels = this.#kernels;
    const x = this.#x;
    const to = this.buffers.down;
    const groups = this.#groupsOf(down.weight);
    const member = this.#member;
    const { workers } = member;
    const least = Math.ceil(PIECE_BYTES / (down.weight.rowBytes * GROUP_ROWS * this.#all));
    const size = Math.max(Math.ceil(groups / (workers * PIECES)), Math.min(least, Math.ceil(groups / workers)));
    const cell = member.openTickets();
    for (let turn = 0; turn < workers; turn++) {
      const range = member.rangeInTurn(turn);
      const pieces = piecesIn(groups, range, workers, size);
      let taken = 0;
      for (let piece = member.ticket(cell, range, pieces); piece < pieces; piece = member.ticket(cell, range, pieces)) {
        taken++;
        const first = firstOfPiece(groups, range, workers, piece, size);
        const end = endOfPiece(groups, range, workers, first, size);
        for (let expert = 0; expert < this.#experts.count; expert++) {
          if (this.#counts[expert]! > 0) this.#multiplyPiece(gated, down, expert, first, end, to);
        }
        const offset = first * GROUP_ROWS * 4;
        for (let row = 0; row < this.#step.rows; row++) {
          const terms = row * this.#terms * 4;
          kernels.addWeightedRows(
            x.address + row * x.stride + offset,
            to.address + offset,
            to.stride,
            this.#scratch.choice + terms,
            this.#weightsAt + terms,
            this.#terms,
            (end - first) * GROUP_ROWS,
          );
        }
      }
      if (taken > 0) member.countPieces(range, taken);
    }
    this.#member.barrier();
  }

  /** Groups [first, last) of an expert's matrix by all its rows, to their places in `to`. */
  #multiplyPiece(x: Encoded, matrices: ExpertMatrices, expert: number, first: number, last: number, to: Rows): void {
    const kernels = this.#kernels;
    const { weight, bias } = matrices;
    const kind = kernels.formatActivation(weight.type);
    // The encodings of a single row before it has gone through a gate serve all its experts.
    const tile = x.base === this.buffers.encoded ? this.#tiles[expert]! : 0;
    const rows = this.#counts[expert]!;
    const address = to.address + this.#firsts[expert]! * to.stride;
    const matrixBytes = this.#groupsOf(weight) * GROUP_ROWS * weight.rowBytes;
    kernels.matmul(
      weight.type,
      weight.address + expert * matrixBytes,
      first,
      last,
      weight.columns,
      x.base + x.slots[kind]! + tile * kernels.activationBytes(kind, weight.columns),
      rows,
      address,
      to.stride,
      0,
      this.#scratch.kernel,
    );
    if (bias === undefined) return;
    const offset = first * GROUP_ROWS * 4;
    for (let at = address; at < address + rows * to.stride; at += to.stride) {
      kernels.addBias(at + offset, bias.address + expert * bias.rowBytes + offset, (last - first) * GROUP_ROWS);
    }
  }

  /** Groups of rows of one expert's matrix. */
  #groupsOf(weight: PlacedWeight): number {
    return weight.rows / this.#experts.count / GROUP_ROWS;
  }

  /** How many pieces a range of the matrix of an expert has. */
  #pieces(expert: number, weight: PlacedWeight, range: number): number {
    if (this.#counts[expert] === 0) return 0;
    return piecesIn(this.#groupsOf(weight), range, this.#member.workers, this.#pieceGroups(expert, weight));
  }

  /**
   * How many groups a piece of the matrix of a chosen expert has: the fewer, the greater its share of the rows, unless a piece were too
   * small.
   */
  #pieceGroups(expert: number, weight: PlacedWeight): number {
    const rows = this.#counts[expert]!;
    const { workers } = this.#member;
    const groups = this.#groupsOf(weight);
    const wanted = Math.ceil((rows / this.#all) * workers * PIECES);
    const least = Math.ceil(PIECE_BYTES / (weight.rowBytes * GROUP_ROWS * rows));
    return Math.max(Math.ceil(groups / wanted), Math.min(least, Math.ceil(groups / workers)));
  }
}
