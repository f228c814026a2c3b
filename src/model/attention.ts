// Attention by a team: each worker takes some heads of some texts, or of some items of a text.

import { PAGE } from "#abi";
import type { Kernels } from "../machine/kernels.js";
import type { Member } from "../machine/member.js";
import type { Blueprint } from "./blueprint.js";
import type { Hyperparameters, Temperature } from "./hyperparameters.js";
import { normalise } from "./norm.js";
import {
  type KvPool,
  type Layout,
  layerParts,
  type PlacedWeight,
  type Rows,
  ropeBytes,
  type ShardLayout,
} from "./plan/memory-plan.js";
import { naturalLog } from "./plan/rope.js";
import { tallestItem } from "./plan/scratch.js";
import type { WorkerShard } from "./plan/shard.js";
import type { Step } from "./step.js";

/** Norms of the heads of q and of k: the same for all heads, (headDim), or one for each, (heads, headDim). */
export interface HeadNorms {
  readonly q: PlacedWeight | undefined;
  readonly k: PlacedWeight | undefined;
}

/** How a layer attends. */
interface Attending {
  readonly layer: number;
  readonly norms: HeadNorms | undefined;
  /** (heads) */
  readonly sinks: PlacedWeight | undefined;
  /** (rows, heads, 2, headDim): q of each head, and the gate of what it attends to. Without it, q lies in the buffer of that name. */
  readonly gated: Rows | undefined;
}

export class Attention {
  readonly #member: Member;
  readonly #kernels: Kernels;
  readonly #h: Hyperparameters;
  readonly #layout: Layout;
  readonly #own: ShardLayout;
  readonly #pool: KvPool;
  readonly #magnitudes: readonly number[];
  readonly #step: Step;
  readonly #words: Int32Array;
  readonly #scratch: number;
  /** Where each layer's part of page 0 lies, of the layers of this shard. */
  readonly #layers: readonly number[];
  /** Dimensions of the heads that each RoPE rotates. */
  readonly #ropeDims: readonly number[];

  /** @param shard attends in those layers whose keys and values lie there */
  constructor(member: Member, shard: WorkerShard, blueprint: Blueprint, step: Step) {
    this.#member = member;
    this.#kernels = shard.kernels;
    this.#h = blueprint.hyperparameters;
    this.#layout = shard.layout;
    this.#own = shard.layout.shards[shard.index]!;
    this.#pool = blueprint.pool;
    this.#magnitudes = blueprint.ropeMagnitudes;
    this.#step = step;
    this.#words = shard.words;
    this.#scratch = shard.scratch.kernel;
    const { layerPageBytes, keepsAll } = this.#pool;
    this.#layers = layerParts(this.#own, this.#own.kv, keepsAll ? layerPageBytes : layerPageBytes.map(() => 0));
    const { ropes, attention, headDim } = this.#h;
    this.#ropeDims = ropes.map((_, i) => attention.find(({ rope }) => rope === i)?.headDim ?? headDim);
  }

  /** Makes RoPE's tables for a row. */
  makeTables(row: number): void {
    const h = this.#h;
    for (let rope = 0; rope < h.ropes.length; rope++) {
      this.#kernels.ropeTable(
        this.#layout.frequencies + rope * ropeBytes(h),
        h.ropes[rope]!.dimensions / 2,
        this.#ropeDims[rope]!,
        this.#step.position(row),
        this.#magnitudes[rope]!,
        this.#table(rope, row),
        this.#scratch,
      );
    }
  }

  /** Visits the tables of a row: their addresses and bytes. */
  forTables(row: number, visit: (address: number, bytes: number) => void): void {
    for (let rope = 0; rope < this.#h.ropes.length; rope++) visit(this.#table(rope, row), this.#h.headDim * 8);
  }

  /** Where the cosines and sines of a row lie. */
  #table(rope: number, row: number): number {
    return this.#layout.buffers.rope + (rope * this.#layout.rows + row) * this.#h.headDim * 8;
  }

  /**
   * attended = softmax(scale * q . k) . v, over all positions that each row may see. Before that, every head of q and k is normalised (if
   * there are norms for it) and rotated (if the layer has a RoPE), q multiplied by the factor of its position (if the layer has a
   * temperature), and k and v go into the cache, unless the layer reads another's. `sinks`, (heads), are scores that take weight from the
   * positions'.
   * Ends with a barrier.
   */
  attend(layer: number, norms?: HeadNorms, sinks?: PlacedWeight): void {
    this.#attend({ layer, norms, sinks, gated: undefined });
  }

  /** attended = sigmoid(gate) * what `attend` makes of q; `gated`: (rows, heads, 2, headDim), q of each head beside its gate. */
  attendGated(layer: number, gated: Rows, norms: HeadNorms): void {
    this.#attend({ layer, norms, sinks: undefined, gated });
  }

  #attend(how: Attending): void {
    const texts = this.#texts();
    if (this.#isShared(texts.length - 1, how.layer)) this.#attendTogether(how);
    else this.#attendText(texts, how);
    this.#member.barrier();
  }

  /** Several workers attend to one head of one text, so they wait until it is in the cache. */
  #attendTogether(how: Attending): void {
    const { kvHeads } = this.#h.attention[how.layer]!;
    const { items } = this.#step;
    const { index, workers } = this.#member;
    for (let turn = index; turn < items * kvHeads; turn += workers) {
      this.#store(Math.floor(turn / kvHeads), turn % kvHeads, how);
    }
    this.#member.barrier();
    this.#member.takeTurns(items * kvHeads, (turn) => {
      // The last items look back farthest. They go first, so that no worker begins a long one at the end.
      const item = items - 1 - Math.floor(turn / kvHeads);
      this.#attendRows(item, this.#step.itemRows(item), turn % kvHeads, how);
    });
  }

  /** One worker stores and attends to a head of a text. */
  #attendText(texts: readonly number[], how: Attending): void {
    const { kvHeads } = this.#h.attention[how.layer]!;
    const mostRows = tallestItem(this.#h.heads / kvHeads);
    this.#member.takeTurns((texts.length - 1) * kvHeads, (turn) => {
      const text = Math.floor(turn / kvHeads);
      const head = turn % kvHeads;
      const [first, end] = [texts[text]!, texts[text + 1]!];
      for (let item = first; item < end; item++) this.#store(item, head, how);
      for (let item = first; item < end; ) {
        let rows = 0;
        let next = item;
        while (next < end && rows + this.#step.itemRows(next) <= mostRows) rows += this.#step.itemRows(next++);
        this.#attendRows(item, rows, head, how);
        item = next;
      }
    });
  }

  /** Where the texts of the step begin, as indices of items, and where the last one ends. */
  #texts(): readonly number[] {
    const { items } = this.#step;
    const begins: number[] = [];
    for (let item = 0; item < items; item++) {
      if (item === 0 || this.#step.itemPageTable(item) !== this.#step.itemPageTable(item - 1)) begins.push(item);
    }
    return [...begins, items];
  }

  /**
   * Whether several workers attend to one head of one text, and so must wait until it is in the KV cache. Otherwise the worker that
   * attends to a head stores it just before: nobody waits, and the data are in that worker's processor cache. This needs texts of a
   * single item, or enough texts to keep all workers busy.
   */
  #isShared(texts: number, layer: number): boolean {
    if (texts === this.#step.items) return false;
    return this.#h.causal || texts * this.#h.attention[layer]!.kvHeads < 4 * this.#member.workers;
  }

  /** Normalises and rotates an item's rows of a KV head and of the heads of q that share it, and stores k and v, if they are the layer's own. */
  #store(item: number, head: number, { layer, norms, gated }: Attending): void {
    const [h, kernels, step] = [this.#h, this.#kernels, this.#step];
    const { q, k, v } = this.#layout.buffers;
    const { kvHeads, headDim, keysOf, valueNorm, rope, normsAfterRope = false, temperature } = h.attention[layer]!;
    const pairs = rope === undefined ? 0 : h.ropes[rope]!.dimensions / 2;
    const group = h.heads / kvHeads;
    const headBytes = headDim * 4;
    const normaliseHeads = (
      row: number,
      first: number,
      heads: number,
      norm: PlacedWeight | undefined,
      source: number,
      apart: number,
    ) => {
      for (let i = first; norm !== undefined && i < first + heads; i++) {
        const weight = norm.address + (norm.rows === 1 ? 0 : i * headBytes);
        normalise(kernels, h, source + i * apart, row + i * headBytes, headDim, weight);
      }
    };
    const rotate = (at: number, heads: number, row: number) => {
      if (rope === undefined) return;
      const table = this.#table(rope, row);
      if (h.ropePairs === "neighbours") kernels.rope(at, heads, headDim, table);
      else kernels.ropeHalves(at, heads, headDim, pairs, table);
    };
    // `heads` heads of a row, from head `first` on; they come from `from`, where they lie `apart` bytes from one to the next
    const prepare = (
      rows: Rows,
      row: number,
      first: number,
      heads: number,
      norm: PlacedWeight | undefined,
      from = rows,
      apart = headBytes,
    ) => {
      const at = rows.address + row * rows.stride;
      const source = from.address + row * from.stride;
      if (!normsAfterRope) normaliseHeads(at, first, heads, norm, source, apart);
      rotate(at + first * headBytes, heads, row);
      if (normsAfterRope) normaliseHeads(at, first, heads, norm, source, apart);
    };
    const first = step.itemFirstRow(item);
    const rows = step.itemRows(item);
    const position = step.itemPosition(item);
    const pageTable = step.itemPageTable(item);
    for (let i = 0; i < rows; i++) {
      const row = first + i;
      const query = q.address + row * q.stride + head * group * headBytes;
      const key = k.address + row * k.stride + head * headBytes;
      prepare(q, row, head * group, group, norms?.q, gated, gated && 2 * headBytes);
      const factor = temperature === undefined ? 1 : queryFactor(temperature, position + i);
      if (factor !== 1) kernels.scale(query, factor, group * headDim);
      if (keysOf !== undefined) continue;
      prepare(k, row, head, 1, norms?.k);
      const page = this.#words[(pageTable >> 2) + Math.floor((position + i) / PAGE)]!;
      const tile = this.#kvHead(layer, head) + page * this.#own.pageBytes;
      const value = v.address + row * v.stride + head * headBytes;
      if (valueNorm) kernels.rmsNorm(value, this.#layout.ones, value, headDim, h.normEpsilon);
      const values = tile + this.#tileBytes(layer);
      kernels.storeKv(this.#pool.kind, key, value, headDim, tile, values, (position + i) % PAGE);
    }
  }

  /** `rows` rows of one sequence, beginning with those of item `item`, attend to a KV head. */
  #attendRows(item: number, rows: number, head: number, { layer, sinks, gated }: Attending): void {
    const [step, pool] = [this.#step, this.#pool];
    const { q, attended } = this.#layout.buffers;
    const { window, ahead, kvHeads, headDim, scale } = this.#h.attention[layer]!;
    const group = this.#h.heads / kvHeads;
    const offset = step.itemFirstRow(item) * q.stride + head * group * headDim * 4;
    this.#kernels.attention(
      pool.kind,
      q.address + offset,
      q.stride,
      rows,
      step.itemPosition(item),
      group,
      headDim,
      scale,
      this.#h.softcaps.scores,
      step.itemPageTable(item),
      this.#kvHead(layer, head),
      this.#own.pageBytes,
      window,
      ahead,
      step.itemSequenceLength(item),
      sinks === undefined ? 0 : sinks.address + head * group * 4,
      this.#h.alibi ? this.#layout.slopes + head * group * 4 : 0,
      attended.address + offset,
      attended.stride,
      this.#scratch,
    );
    if (gated === undefined) return;
    const headBytes = headDim * 4;
    const first = step.itemFirstRow(item);
    for (let row = first; row < first + rows; row++) {
      for (let one = head * group; one < (head + 1) * group; one++) {
        const gate = gated.address + row * gated.stride + (2 * one + 1) * headBytes;
        const result = attended.address + row * attended.stride + one * headBytes;
        this.#kernels.sigmoidGate(result, gate, headDim, this.#scratch);
      }
    }
  }

  /** Where the part of page 0 lies of the KV head that a layer reads. */
  #kvHead(layer: number, head: number): number {
    const { keysOf = layer } = this.#h.attention[layer]!;
    return this.#layers[keysOf - this.#own.firstLayer]! + head * 2 * this.#tileBytes(keysOf);
  }

  /** Bytes of the keys, or of the values, of a page and a KV head. */
  #tileBytes(layer: number): number {
    return this.#pool.layerPageBytes[layer]! / 2 / this.#h.attention[layer]!.kvHeads;
  }
}

/** By what q is multiplied at a position: exactly 1 before `length`. */
function queryFactor({ length, growth }: Temperature, position: number): number {
  return 1 + growth * naturalLog(1 + Math.floor(position / length));
}
