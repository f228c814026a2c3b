// Attention by a team: each worker takes some heads of some texts, or of some rows of a text, or of some segments of its positions.
//
// A step of an encoder has whole texts, whose keys and values lie beside the queries. Otherwise they go through the KV cache.

import { PAGE, SEGMENT_PAGES } from "#abi";
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
import { mostTextRows, tallestItem } from "./plan/scratch.js";
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

/** An item of which several workers attend to a head, each to some segments: numbers first .. end - 1. */
interface Division {
  readonly item: number;
  readonly first: number;
  readonly end: number;
  /** Where what they make of head 0 begins; each head has a part for each segment. */
  readonly parts: number;
  readonly partBytes: number;
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
    if (!this.#h.causal) {
      this.#attendWithinTexts(texts, how);
    } else {
      const divisions = this.#divisions(how.layer);
      if (divisions !== undefined) this.#attendDivided(divisions, how);
      else if (texts.length - 1 === this.#step.items) this.#attendItems(how);
      else this.#attendTogether(how);
    }
    this.#member.barrier();
  }

  /** Tokens of a text see each other. Every worker takes whole heads of whole texts, as long as there are enough to keep all busy. */
  #attendWithinTexts(texts: readonly number[], how: Attending): void {
    const { kvHeads } = this.#h.attention[how.layer]!;
    const heads = (texts.length - 1) * kvHeads;
    if (heads < 4 * this.#member.workers) {
      this.#attendWithinShared(texts, how);
      return;
    }
    this.#member.takeTurns(heads, (turn) => {
      const text = Math.floor(turn / kvHeads);
      const head = turn % kvHeads;
      const [first, end] = [texts[text]!, texts[text + 1]!];
      for (let item = first; item < end; item++) this.#prepare(item, head, how);
      this.#attendWithin(first, 0, this.#step.itemSequenceLength(first), head, how);
    });
  }

  /** Several workers attend to one head of one text, so they wait until all of it is prepared. */
  #attendWithinShared(texts: readonly number[], how: Attending): void {
    const { kvHeads } = this.#h.attention[how.layer]!;
    const { items } = this.#step;
    const { index, workers } = this.#member;
    for (let turn = index; turn < items * kvHeads; turn += workers) {
      this.#prepare(Math.floor(turn / kvHeads), turn % kvHeads, how);
    }
    this.#member.barrier();
    const pieceRows = tallestItem(this.#h.heads / kvHeads);
    const pieces = texts.slice(0, -1).flatMap((item) => {
      const length = this.#step.itemSequenceLength(item);
      return Array.from({ length: Math.ceil(length / pieceRows) }, (_, i) => ({ item, first: i * pieceRows, length }));
    });
    this.#member.takeTurns(pieces.length * kvHeads, (turn) => {
      const { item, first, length } = pieces[Math.floor(turn / kvHeads)]!;
      this.#attendWithin(item, first, Math.min(pieceRows, length - first), turn % kvHeads, how);
    });
  }

  /** `rows` rows of the text that begins with item `item`, from its row `from` on, attend to a KV head. */
  #attendWithin(item: number, from: number, rows: number, head: number, { layer, sinks, gated }: Attending): void {
    const { q, k, v, attended } = this.#layout.buffers;
    const { window, ahead, kvHeads, headDim, scale } = this.#h.attention[layer]!;
    const group = this.#h.heads / kvHeads;
    const length = this.#step.itemSequenceLength(item);
    const text = this.#step.itemFirstRow(item);
    for (let first = from; first < from + rows; first += mostTextRows) {
      const offset = (text + first) * q.stride + head * group * headDim * 4;
      const kvOffset = text * k.stride + head * headDim * 4;
      this.#kernels.textAttention(
        q.address + offset,
        k.address + kvOffset,
        v.address + kvOffset,
        attended.address + offset,
        q.stride,
        k.stride,
        length,
        first,
        Math.min(mostTextRows, from + rows - first),
        group,
        headDim,
        scale,
        this.#h.softcaps.scores,
        window,
        ahead,
        sinks === undefined ? 0 : sinks.address + head * group * 4,
        this.#h.alibi ? this.#layout.slopes + head * group * 4 : 0,
        this.#scratch,
      );
    }
    if (gated !== undefined) this.#gate(text + from, rows, head, group, headDim, gated);
  }

  /**
   * How the positions of all items are divided; undefined where one worker attends to all that an item's head sees: because there are
   * enough heads of enough items to keep all workers busy, or it is but one segment, or `buffers.parts` has no room.
   */
  #divisions(layer: number): readonly Division[] | undefined {
    const step = this.#step;
    const { parts, partBytes } = this.#layout.buffers;
    const { window, kvHeads, headDim } = this.#h.attention[layer]!;
    const group = this.#h.heads / kvHeads;
    const divisions: Division[] = [];
    let [most, sum, taken] = [0, 0, 0];
    for (let item = 0; item < step.items; item++) {
      const rows = step.itemRows(item);
      const position = step.itemPosition(item);
      const oldest = window > 0 ? Math.max(0, position - window + 1) : 0;
      const first = Math.floor(oldest / SEGMENT);
      const end = Math.ceil((position + rows) / SEGMENT);
      const bytes = this.#kernels.attentionPartBytes(headDim, rows * group);
      divisions.push({ item, first, end, parts: parts + taken, partBytes: bytes });
      taken += (end - first) * kvHeads * bytes;
      const work = (end - first) * rows;
      sum += work * kvHeads;
      most = Math.max(most, end - first > 1 ? work : 0);
    }
    return taken <= partBytes && most * 4 * this.#member.workers > sum ? divisions : undefined;
  }

  /** Several workers attend to one head of one item, each to some segments of its positions. */
  #attendDivided(divisions: readonly Division[], how: Attending): void {
    const { kvHeads } = this.#h.attention[how.layer]!;
    this.#storeAll(how);
    const pieces = divisions.reduce((sum, { first, end }) => sum + (end - first) * kvHeads, 0);
    this.#member.takeTurns(pieces, (turn) => {
      let piece = turn;
      for (const { item, first, end, parts, partBytes } of divisions) {
        const segments = end - first;
        if (piece < segments * kvHeads) {
          const segment = first + (piece % segments);
          const to = { segment, at: parts + piece * partBytes };
          this.#attendRows(item, this.#step.itemRows(item), Math.floor(piece / segments), how, to);
          return;
        }
        piece -= segments * kvHeads;
      }
    });
    this.#member.barrier();
    const { index, workers } = this.#member;
    for (let turn = index; turn < divisions.length * kvHeads; turn += workers) {
      this.#merge(divisions[Math.floor(turn / kvHeads)]!, turn % kvHeads, how);
    }
  }

  /** The workers store all heads of all items, and wait for each other. */
  #storeAll(how: Attending): void {
    const { kvHeads } = this.#h.attention[how.layer]!;
    const { index, workers } = this.#member;
    for (let turn = index; turn < this.#step.items * kvHeads; turn += workers) {
      this.#store(Math.floor(turn / kvHeads), turn % kvHeads, how);
    }
    this.#member.barrier();
  }

  /** Several workers attend to one head of one text, so they wait until it is in the cache. */
  #attendTogether(how: Attending): void {
    const { kvHeads } = this.#h.attention[how.layer]!;
    const { items } = this.#step;
    this.#storeAll(how);
    this.#member.takeTurns(items * kvHeads, (turn) => {
      // The last items look back farthest. They go first, so that no worker begins a long one at the end.
      const item = items - 1 - Math.floor(turn / kvHeads);
      this.#attendRows(item, this.#step.itemRows(item), turn % kvHeads, how);
    });
  }

  /**
   * Every text of the step is a single item: one worker stores a head of it and attends to it. Nobody waits, and the data are in that
   * worker's processor cache.
   */
  #attendItems(how: Attending): void {
    const { kvHeads } = this.#h.attention[how.layer]!;
    this.#member.takeTurns(this.#step.items * kvHeads, (turn) => {
      const item = Math.floor(turn / kvHeads);
      const head = turn % kvHeads;
      this.#store(item, head, how);
      this.#attendRows(item, this.#step.itemRows(item), head, how);
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

  /** Prepares an item's rows of a KV head and of the heads of q that share it, and stores k and v, if they are the layer's own. */
  #store(item: number, head: number, how: Attending): void {
    const { layer } = how;
    const { k, v } = this.#layout.buffers;
    const { headDim, keysOf } = this.#h.attention[layer]!;
    this.#prepare(item, head, how);
    if (keysOf !== undefined) return;
    const first = this.#step.itemFirstRow(item);
    const position = this.#step.itemPosition(item);
    const pageTable = this.#step.itemPageTable(item) >> 2;
    for (let i = 0; i < this.#step.itemRows(item); i++) {
      const offset = (first + i) * k.stride + head * headDim * 4;
      const page = this.#words[pageTable + Math.floor((position + i) / PAGE)]!;
      const keys = this.#kvHead(layer, head) + page * this.#own.pageBytes;
      const values = keys + this.#tileBytes(layer);
      const slot = (position + i) % PAGE;
      this.#kernels.storeKv(this.#pool.kind, k.address + offset, v.address + offset, headDim, keys, values, slot);
    }
  }

  /** Normalises and rotates an item's rows of the heads of q that share a KV head, and of the KV head, if it is the layer's own. */
  #prepare(item: number, head: number, { layer, norms, gated }: Attending): void {
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
    for (let i = 0; i < rows; i++) {
      const row = first + i;
      const query = q.address + row * q.stride + head * group * headBytes;
      prepare(q, row, head * group, group, norms?.q, gated, gated && 2 * headBytes);
      const factor = temperature === undefined ? 1 : queryFactor(temperature, position + i);
      if (factor !== 1) kernels.scale(query, factor, group * headDim);
      if (keysOf !== undefined) continue;
      prepare(k, row, head, 1, norms?.k);
      if (!valueNorm) continue;
      const value = v.address + row * v.stride + head * headBytes;
      kernels.rmsNorm(value, this.#layout.ones, value, headDim, h.normEpsilon);
    }
  }

  /** `rows` rows of one sequence, beginning with those of item `item`, attend to a KV head, or to one segment of it. */
  #attendRows(item: number, rows: number, head: number, how: Attending, to?: { segment: number; at: number }): void {
    const { layer, sinks, gated } = how;
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
      to === undefined ? -1 : to.segment,
      to === undefined ? attended.address + offset : to.at,
      attended.stride,
      this.#scratch,
    );
    if (to === undefined && gated !== undefined) this.#gate(step.itemFirstRow(item), rows, head, group, headDim, gated);
  }

  /** Merges what was made of the segments of a KV head. */
  #merge({ item, first, end, parts, partBytes }: Division, head: number, { layer, sinks, gated }: Attending): void {
    const { attended } = this.#layout.buffers;
    const { kvHeads, headDim } = this.#h.attention[layer]!;
    const group = this.#h.heads / kvHeads;
    const rows = this.#step.itemRows(item);
    const firstRow = this.#step.itemFirstRow(item);
    this.#kernels.mergeAttention(
      parts + head * (end - first) * partBytes,
      end - first,
      rows,
      group,
      headDim,
      sinks === undefined ? 0 : sinks.address + head * group * 4,
      attended.address + firstRow * attended.stride + head * group * headDim * 4,
      attended.stride,
      this.#scratch,
    );
    if (gated !== undefined) this.#gate(firstRow, rows, head, group, headDim, gated);
  }

  /** attended *= sigmoid(gate), of some rows and the heads that share a KV head. */
  #gate(first: number, rows: number, head: number, group: number, headDim: number, gated: Rows): void {
    const { attended } = this.#layout.buffers;
    const headBytes = headDim * 4;
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

/** Positions of a segment. */
const SEGMENT = SEGMENT_PAGES * PAGE;

/** By what q is multiplied at a position: exactly 1 before `length`. */
function queryFactor({ length, growth }: Temperature, position: number): number {
  return 1 + growth * naturalLog(1 + Math.floor(position / length));
}
