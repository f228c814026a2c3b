// Attention as a team does it: each worker takes some runs of rows and heads.

import { PAGE } from "#abi";
import type { Kernels } from "../machine/kernels.js";
import type { Member } from "../machine/member.js";
import type { Blueprint } from "./blueprint.js";
import type { Hyperparameters } from "./hyperparameters.js";
import { type KvPool, type Layout, type PlacedWeight, ropeBytes } from "./memory-plan.js";
import type { Step } from "./step.js";

/** Norms of the heads of q and of k, the same for all heads. */
export interface HeadNorms {
  readonly q: PlacedWeight;
  readonly k: PlacedWeight;
}

export class Attention {
  readonly #member: Member;
  readonly #kernels: Kernels;
  readonly #h: Hyperparameters;
  readonly #layout: Layout;
  readonly #pool: KvPool;
  readonly #magnitudes: readonly number[];
  readonly #step: Step;
  readonly #words: Int32Array;
  readonly #scratch: number;

  constructor(member: Member, blueprint: Blueprint, step: Step) {
    this.#member = member;
    this.#kernels = member.kernels;
    this.#h = blueprint.hyperparameters;
    this.#layout = blueprint.layout;
    this.#pool = blueprint.pool;
    this.#magnitudes = blueprint.ropeMagnitudes;
    this.#step = step;
    this.#words = new Int32Array(member.memory.buffer);
    this.#scratch = this.#layout.scratch + member.index * this.#layout.scratchBytes;
  }

  /** Makes RoPE's tables of a row. */
  makeTables(row: number): void {
    const h = this.#h;
    for (let rope = 0; rope < h.ropes.length; rope++) {
      this.#kernels.ropeTable(
        this.#layout.frequencies + rope * ropeBytes(h),
        h.ropes[rope]!.dimensions / 2,
        h.headDim,
        this.#step.position(row),
        this.#magnitudes[rope]!,
        this.#table(rope, row),
        this.#scratch,
      );
    }
  }

  /** Where the cosines and sines of a row lie. */
  #table(rope: number, row: number): number {
    return this.#layout.buffers.rope + (rope * this.#layout.rows + row) * this.#h.headDim * 8;
  }

  /** Normalises every head of q and k, if there are norms for that, rotates them, and puts k and v into the cache. */
  rotateAndStore(layer: number, norms?: HeadNorms): void {
    const [h, kernels, step, pool] = [this.#h, this.#kernels, this.#step, this.#pool];
    const { q, qStride, k, v, kvStride } = this.#layout.buffers;
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
    for (let item = this.#member.index; item < items; item += this.#member.workers) {
      const run = Math.floor(item / h.kvHeads);
      const head = item % h.kvHeads;
      const first = step.item(run, 0);
      const rows = step.item(run, 1);
      const position = step.item(run, 2);
      const pageTable = step.item(run, 3);
      for (let i = 0; i < rows; i++) {
        const row = first + i;
        const table = this.#table(rope, row);
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
    return this.#kvHead(layer, head) + number * this.#pool.pageBytes;
  }

  #kvHead(layer: number, head: number): number {
    return this.#layout.kv + ((layer % this.#pool.layers) * this.#h.kvHeads + head) * 2 * this.#pool.tileBytes;
  }

  /** attended = softmax(q . k) . v, over all positions that each row may see. */
  attend(layer: number): void {
    const [h, kernels, step, pool] = [this.#h, this.#kernels, this.#step, this.#pool];
    const { q, qStride, attended } = this.#layout.buffers;
    const group = h.heads / h.kvHeads;
    const items = step.items * h.kvHeads;
    const scale = 1 / Math.sqrt(h.headDim);
    const { window, ahead } = h.attention[layer]!;
    const attendItem = (run: number, head: number) => {
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
    };
    if (!h.causal) {
      // The same as in rotateAndStore: what this worker has stored is in its own cache, and short texts need no other sharing.
      for (let item = this.#member.index; item < items; item += this.#member.workers) {
        attendItem(Math.floor(item / h.kvHeads), item % h.kvHeads);
      }
      return;
    }
    const cell = this.#member.openTickets();
    for (let item = this.#member.ticket(cell); item < items; item = this.#member.ticket(cell)) {
      // The last items look back farthest: they go first, so that no worker begins a long one at the end.
      attendItem(step.items - 1 - Math.floor(item / h.kvHeads), item % h.kvHeads);
    }
  }
}
