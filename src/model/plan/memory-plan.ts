// The memory plan: everything that a model needs in shared memory, laid out before anything is allocated. Exactly what it says
// is then allocated, byte for byte.
//
//   shard 0   0 | control, step | activations | one scratch for each worker | weights | KV cache | recurrent state |
//   shard 1   0 | control, step | activations | one scratch for each worker | weights | KV cache | recurrent state |
//   ...           the same in all shards                                      of some layers, in order
//
// A model has as many shards as its layers need (shards.ts). Most have one.

import { PAGE, QUERY_ROWS, SEGMENT_PAGES, TILE_TOKENS } from "#abi";
import type { Kernels } from "../../machine/kernels.js";
import { teamBytes } from "../../machine/member.js";
import { WASM_PAGE } from "../../machine/shared-memory.js";
import type { ExpertParameters } from "../expert-parameters.js";
import type { Hyperparameters, RecurrenceParameters } from "../hyperparameters.js";
import { stepBytes } from "../step.js";
import { type LowRank, mostColumns } from "./low-rank.js";
import { aligned, planScratch, type Scratch } from "./scratch.js";
import { type Division, divide, layerGroups } from "./shards.js";
import { keepInFile } from "./tables.js";
import type { Weight } from "./weights.js";

/**
 * Rows (tokens) of one step at most, unless the caller says otherwise: a prefill chunk. GEMM is as fast with 128 as with 512, and aborts
 * come sooner. A step of an encoder has room for a whole text, whose tokens see each other.
 */
export const STEP_ROWS = 128;
/** Texts that a step of an encoder has pages for, besides those of a text of full length. */
const ENCODER_TEXTS = 32;
/** How many rows of one step may have logits. */
export const LOGIT_ROWS = 32;
/** Abort flags: one int32 for each request under way. */
export const ABORT_FLAGS = 256;
/** `progress` counts what is loaded in units of so many bytes, so that 512 GiB fit an int32. */
export const PROGRESS_UNIT = 256;
const CACHE_LINE = 64;
/** Snapshots of recurrent state: at least so many, and so many for each sequence of full length; and at most so many for each. */
const LEAST_SNAPSHOTS = 6;
const SEQUENCE_SNAPSHOTS = { least: 2, most: 30 };

/** Where things lie: byte offsets in a shard. */
export interface Layout {
  /** Rows of one step at most. */
  readonly rows: number;
  readonly control: number;
  readonly aborts: number;
  readonly progress: number;
  readonly tableReads: number;
  readonly step: number;
  readonly pageTables: number;
  /** The frequencies of each of the hyperparameters' `ropes`, `ropeBytes` apart. */
  readonly frequencies: number;
  /** (headDim) f32, all 1: the weights of norms without weights. */
  readonly ones: number;
  /** ALiBi's slopes: (heads) f32, where the model has them. */
  readonly slopes: number;
  /** In the order in which a forward pass reads them, however they are divided. */
  readonly weights: readonly PlacedWeight[];
  readonly shards: readonly ShardLayout[];
  /** Where a step ends: its logits, its hidden states, and the model's head. */
  readonly outputShard: number;
  readonly buffers: Buffers;
  /** Scratch of worker 0; the next worker's lies `scratchBytes` later. `scratchParts` lie in it at these offsets. */
  readonly scratch: number;
  readonly scratchBytes: number;
  readonly scratchParts: Scratch;
}

/** What differs from shard to shard. */
export interface ShardLayout {
  /** The shard has layers `firstLayer` .. `endLayer` - 1. */
  readonly firstLayer: number;
  readonly endLayer: number;
  /** Where the KV cache begins. */
  readonly kv: number;
  /** Bytes of this shard's part of a page. */
  readonly pageBytes: number;
  /** Where the recurrent state begins. */
  readonly state: number;
  /** Bytes of this shard's part of a slot. */
  readonly slotBytes: number;
}

export interface PlacedWeight extends Omit<Weight, "lora"> {
  readonly shard: number;
  readonly address: number;
  readonly lora?: LowRank<PlacedWeight>;
}

/** f32 rows in shared memory, `stride` bytes apart: whole cache lines, an odd number of them. */
export interface Rows {
  readonly address: number;
  readonly stride: number;
}

/** The activations of a step. */
export interface Buffers {
  readonly x: Rows; // (rows, dim) the residual stream
  readonly normed: Rows; // (rows, dim)
  readonly q: Rows; // (rows, heads * headDim)
  readonly k: Rows; // (rows, kvHeads * headDim)
  readonly v: Rows; // (rows, kvHeads * headDim), of k's stride
  readonly attended: Rows; // (rows, heads * headDim), of q's stride
  readonly parts: number; // what attention makes of segments, before they are merged
  readonly partBytes: number; // room for one row that sees every page of the pool
  readonly gate: Rows; // (rows, ffn)
  readonly up: Rows; // (rows, ffn), of gate's stride
  readonly perLayer?: Rows | undefined; // (rows, layers * perLayer) a vector of its own for every layer
  readonly recurrent?: Rows | undefined; // (rows, recurrence.columns) of layers that do not attend
  readonly hidden: Rows; // (rows, dim) after the last norm: of rows that want it, or the mean of some
  readonly logits: Rows; // (LOGIT_ROWS, vocab)
  readonly rope: number; // (ropes, rows, 2 * headDim) cosines and sines
  readonly encoded: number; // activations, encoded in the ways that the matrices' formats ask for
  readonly encodedSlots: readonly number[]; // where way 1 .. 5 lies in `encoded`
  readonly encodedRowSlots: readonly number[]; // and where in the encodings of a single row
  readonly encodedRowBytes: number; // of a single row, all ways
  readonly experts?: ExpertBuffers | undefined; // of a mixture of experts
  readonly lora?: LoraBuffers | undefined; // of a model with LoRA adapters
}

/** What LoRA adapters need besides. Those of the matrices of a layer stand side by side, each from its column on. */
export interface LoraBuffers {
  readonly columns: number; // of all matrices of a layer
  readonly sums: Rows; // (rows, columns): A . x
  readonly encoded: number; // the same as F32 activations: (rows, rank) of each matrix, one matrix after another
}

/**
 * What a mixture of experts needs besides. Each row has a place in the arrays below for each expert that it chooses: places of one expert
 * lie side by side, in the order of the rows.
 */
export interface ExpertBuffers {
  readonly logits: Rows; // (rows, experts) the router's
  readonly sharedLogits: Rows; // (rows, 1) of the gate of what all rows take besides
  readonly gate: Rows; // (rows * used, ffn)
  readonly up: Rows; // (rows * used, ffn), of gate's stride
  readonly down: Rows; // (rows * used, dim), and behind them (rows, dim) of what all rows take besides
  readonly encoded: number; // x or gate of all places, in the ways that the experts' formats ask for; whole tiles for each expert
  readonly encodedSlots: readonly number[];
}

/** Bytes by purpose, as `cria inspect` shows them. */
export interface MemoryPlan {
  readonly weights: number;
  readonly kvCache: number;
  /** What layers that do not attend keep of texts; 0 where all layers attend. */
  readonly recurrentState: number;
  readonly activations: number;
  readonly scratch: number;
  readonly control: number;
  /** All shared memory: the sum, in WebAssembly pages of 64 KiB. */
  readonly total: number;
  /** Bytes of embeddings that stay in the file, from which a step reads the rows of its tokens. The sum is without them. */
  readonly inFile: number;
  /** The memories that it is divided among, in order. */
  readonly shards: readonly ShardPlan[];
  /** Of a model with a draft model: all that this one takes, in memories of its own. The sum is with it. */
  readonly draft?: number;
}

/** Bytes of one shard. What is not weights, KV cache or recurrent state, every shard has. */
export interface ShardPlan {
  /** How many layers it has, and the first of them. */
  readonly layers: number;
  readonly firstLayer: number;
  readonly weights: number;
  readonly kvCache: number;
  readonly recurrentState: number;
  readonly total: number;
}

export interface PlanOptions {
  readonly workers: number;
  /** Rows of one step at most, of a model that generates: at least LOGIT_ROWS. */
  readonly stepRows: number;
  /** Positions of one sequence at most. */
  readonly contextSize: number;
  /** Sequences of full length that the KV pool has pages for. */
  readonly sequences: number;
  /** KV_F32, KV_F16 or KV_Q8_0. */
  readonly kvKind: number;
  /** Elements of the widest vector in the model's head. */
  readonly headWidth: number;
  /** The most bytes of a shard. */
  readonly shardBytes: number;
  /** Embeddings of tokens of more bytes stay in the file. */
  readonly mostEmbeddingBytes: number;
}

/** What follows from the options: the size of the pool. */
export interface KvPool {
  readonly kind: number;
  /** For each layer, bytes of k and v of 64 positions and all KV heads; 0 if it has none of its own. */
  readonly layerPageBytes: readonly number[];
  /** Whether every layer keeps its own k and v. In an encoder, each layer overwrites those of the one before it. */
  readonly keepsAll: boolean;
  /** Bytes of one page: k and v of 64 positions, for all layers that keep them. With several shards, of its parts in all of them. */
  readonly pageBytes: number;
  readonly pages: number;
  /** Entries of one sequence's page table. */
  readonly pagesPerSequence: number;
  /** Number of page tables: sequences that may be worked on at once, one for each row of a step. */
  readonly tables: number;
}

/** The slots for recurrent state: each holds what all layers keep of a text after one of its positions. */
export interface StatePool {
  readonly slots: number;
  /** For each layer, bytes of its part of a slot, in whole cache lines. */
  readonly layerBytes: readonly number[];
  /** Bytes of a slot. With several shards, of its parts in all of them. */
  readonly slotBytes: number;
}

/** Where the parts of the layers of a shard begin, one after another from `start` on. `bytes`: those of every layer of the model. */
export function layerParts(
  { firstLayer, endLayer }: Pick<ShardLayout, "firstLayer" | "endLayer">,
  start: number,
  bytes: readonly number[],
): readonly number[] {
  let end = start;
  return bytes.slice(firstLayer, endLayer).map((size) => {
    const begin = end;
    end += size;
    return begin;
  });
}

/** Lays out the memory of a model. @throws MemoryError when a tensor or a layer does not fit into one WebAssembly memory */
export function planMemory(
  h: Hyperparameters,
  found: readonly Weight[],
  options: PlanOptions,
  kernels: Kernels,
): { layout: Layout; pool: KvPool; states: StatePool | undefined; plan: MemoryPlan } {
  const arena = new Arena(1024); // address 0 stays unused
  const rows = stepRows(h, options);
  const weights = keepInFile(found, options.mostEmbeddingBytes, rows);
  const pool = poolOf(h, options, rows, kernels);
  const states = h.recurrence && statePoolOf(h.recurrence, pool, options.sequences);

  const control = arena.take(teamBytes(options.workers));
  const aborts = arena.take(ABORT_FLAGS * 4);
  const progress = arena.take(64);
  const tableReads = arena.take(64);
  const step = arena.take(stepBytes(rows));
  const pageTables = arena.take(pool.tables * pool.pagesPerSequence * 4);
  const frequencies = arena.take(h.ropes.length * ropeBytes(h));
  const ones = arena.take(h.attention.some(({ valueNorm }) => valueNorm) ? h.headDim * 4 : 0);
  const slopes = arena.take(h.alibi ? h.heads * 4 : 0);
  const controlBytes = arena.end;

  const buffers = takeBuffers(h, weights, rows, pool, arena, kernels);
  const activationBytes = arena.end - controlBytes;

  const { encodedRowBytes } = buffers;
  const { headWidth } = options;
  const loraWidth = buffers.lora?.columns ?? 0;
  const { parts: scratchParts, bytes: scratchBytes } = planScratch(
    h,
    weights,
    { rows, encodedRowBytes, loraWidth, headWidth },
    kernels,
  );
  const scratch = arena.take(scratchBytes * options.workers);
  const common = { control: controlBytes, activations: activationBytes, scratch: scratchBytes * options.workers };

  const caches: Caches = { pool, states };
  const rooms = { groups: layerGroups(h), pages: pool.pages, commonBytes: arena.end, shardBytes: options.shardBytes };
  const division = divide(weights, (layers) => cacheBytes(caches, layers), rooms);
  const { placed, shards } = place(weights, division, caches, arena.end);
  const sum = (bytes: (shard: ShardPlan) => number) => shards.reduce((total, { plan }) => total + bytes(plan), 0);
  const total = sum((shard) => shard.total);
  const plan: MemoryPlan = {
    weights: sum((shard) => shard.weights),
    kvCache: sum((shard) => shard.kvCache),
    recurrentState: sum((shard) => shard.recurrentState),
    activations: common.activations * shards.length,
    scratch: common.scratch * shards.length,
    control: sum(
      ({ total, weights, kvCache, recurrentState }) =>
        total - weights - kvCache - recurrentState - common.activations - common.scratch,
    ),
    total,
    inFile: weights.reduce((bytes, one) => bytes + (one.role === "table" ? one.rows * one.rowBytes : 0), 0),
    shards: shards.map((shard) => shard.plan),
  };
  return {
    layout: {
      rows,
      control,
      aborts,
      progress,
      tableReads,
      step,
      pageTables,
      frequencies,
      ones,
      slopes,
      weights: placed,
      shards: shards.map((shard) => shard.layout),
      outputShard: division.output,
      buffers,
      scratch,
      scratchBytes,
      scratchParts,
    },
    pool,
    states,
    plan,
  };
}

/** What is kept of texts. */
interface Caches {
  readonly pool: KvPool;
  readonly states: StatePool | undefined;
}

/** Bytes of the KV cache and of the recurrent state of some layers, given by their numbers. */
function cacheBytes({ pool, states }: Caches, layers: readonly number[]): { kvCache: number; recurrentState: number } {
  const pageBytes = layers.map((layer) => pool.layerPageBytes[layer]!);
  return {
    kvCache: pool.pages * (pool.keepsAll ? sumOf(pageBytes) : Math.max(0, ...pageBytes)),
    recurrentState: states === undefined ? 0 : states.slots * sumOf(layers.map((layer) => states.layerBytes[layer]!)),
  };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/** Gives everything its address in its shard, after the `commonBytes` that all shards have. */
function place(weights: readonly Weight[], division: Division, caches: Caches, commonBytes: number) {
  const arenas = division.shards.map(() => new Arena(commonBytes));
  const places = new Map<Weight, PlacedWeight>();
  for (const [i, weight] of weights.entries()) {
    const shard = division.weights[i]!;
    const { lora: _, ...rest } = weight;
    places.set(weight, { ...rest, shard, address: arenas[shard]!.take(weight.bytes) });
  }
  const placed = weights.map((weight): PlacedWeight => {
    const { lora } = weight;
    const place = places.get(weight)!;
    return lora === undefined ? place : { ...place, lora: { ...lora, a: places.get(lora.a)!, b: places.get(lora.b)! } };
  });
  const shards = division.shards.map(({ firstLayer, endLayer }, i) => {
    const arena = arenas[i]!;
    const weightBytes = arena.end - commonBytes;
    const numbers = Array.from({ length: endLayer - firstLayer }, (_, at) => firstLayer + at);
    const { kvCache, recurrentState } = cacheBytes(caches, numbers);
    const kv = arena.take(kvCache);
    const state = arena.take(recurrentState);
    const total = Math.ceil(arena.end / WASM_PAGE) * WASM_PAGE;
    const layout: ShardLayout = {
      ...{ firstLayer, endLayer, kv, state },
      pageBytes: kvCache / caches.pool.pages,
      slotBytes: caches.states === undefined ? 0 : recurrentState / caches.states.slots,
    };
    const plan: ShardPlan = {
      layers: endLayer - firstLayer,
      firstLayer,
      weights: weightBytes,
      kvCache: state - kv,
      recurrentState,
      total,
    };
    return { layout, plan };
  });
  return { placed, shards };
}

function stepRows(h: Hyperparameters, { stepRows, contextSize }: PlanOptions): number {
  return h.causal ? stepRows : Math.max(stepRows, Math.ceil(contextSize / QUERY_ROWS) * QUERY_ROWS);
}

function poolOf(h: Hyperparameters, options: PlanOptions, rows: number, kernels: Kernels): KvPool {
  const pagesPerSequence = Math.ceil(options.contextSize / PAGE);
  return {
    kind: options.kvKind,
    layerPageBytes: layerPageBytesOf(h, options.kvKind, kernels),
    keepsAll: h.causal,
    pageBytes: pageBytesOf(h, options.kvKind, kernels),
    pages: pagesPerSequence * options.sequences + (h.causal ? 0 : ENCODER_TEXTS),
    pagesPerSequence,
    tables: rows,
  };
}

function layerPageBytesOf(h: Hyperparameters, kvKind: number, kernels: Kernels): readonly number[] {
  return h.attention.map(({ kvHeads, headDim, keysOf }) =>
    keysOf === undefined ? kvHeads * 2 * kernels.kvTileBytes(kvKind, headDim) : 0,
  );
}

/** Bytes of one page of a cache of some kind. */
export function pageBytesOf(h: Hyperparameters, kvKind: number, kernels: Kernels): number {
  const layers = layerPageBytesOf(h, kvKind, kernels);
  return h.causal ? sumOf(layers) : Math.max(...layers);
}

/**
 * The slots: for each of `sequences` one for the state before a step and one for the state after it, and snapshots. Those are 2 for each
 * of them, 6 at least, and more, up to 30 for each, while they take no more than an eighth of the KV cache.
 */
function statePoolOf({ state }: RecurrenceParameters, { pages, pageBytes }: KvPool, sequences: number): StatePool {
  const layerBytes = state.map((elements) => aligned(elements * 4));
  const slotBytes = sumOf(layerBytes);
  const cheap = Math.min(Math.floor((pages * pageBytes) / 8 / slotBytes), SEQUENCE_SNAPSHOTS.most * sequences);
  const snapshots = Math.max(LEAST_SNAPSHOTS, SEQUENCE_SNAPSHOTS.least * sequences, cheap);
  return { slots: 2 * sequences + snapshots, layerBytes, slotBytes };
}

function takeBuffers(
  h: Hyperparameters,
  weights: readonly Weight[],
  stepRows: number,
  pool: KvPool,
  arena: Arena,
  kernels: Kernels,
): Buffers {
  // Matmuls write columns of these arrays. An odd number of cache lines from row to row spreads a column over all sets of a cache. A power
  // of two would put it into one set, where its rows evict each other.
  const rowBytes = (columns: number) => (Math.ceil((columns * 4) / CACHE_LINE) | 1) * CACHE_LINE;
  const rows = (columns: number, count = stepRows): Rows => {
    const stride = rowBytes(columns);
    return { address: arena.take(count * stride), stride };
  };
  const qColumns = h.heads * h.headDim;
  const kvColumns = Math.max(...h.attention.map(({ kvHeads, headDim }) => kvHeads * headDim));
  const gateColumns = Math.max(h.ffn, h.perLayer ?? 0);
  const recurrent = h.deltaNet === undefined ? 0 : h.deltaNet.valueHeads * h.deltaNet.dims;
  const widest = Math.max(h.dim, qColumns, gateColumns, recurrent);
  const takeExperts = ({ count, used, ffn, shared }: ExpertParameters): ExpertBuffers => {
    const places = stepRows * used;
    const tiled = places + (TILE_TOKENS - 1) * Math.min(count, places);
    const slots = encodedSlots(
      weights.filter(({ matrices }) => matrices !== undefined),
      Math.max(h.dim, ffn),
      tiled,
      kernels,
    );
    return {
      logits: rows(count),
      sharedLogits: rows(1, shared > 0 ? stepRows : 0),
      gate: rows(ffn, places),
      up: rows(ffn, places),
      down: rows(h.dim, places + (shared > 0 ? stepRows : 0)),
      encoded: arena.take(slots.bytes),
      encodedSlots: slots.slots,
    };
  };
  const takeLora = (columns: number): LoraBuffers => ({
    columns,
    sums: rows(columns),
    encoded: arena.take(stepRows * columns * 4),
  });
  const partBytes = partBytesOf(h, pool, kernels);
  const encoded = encodedSlots(weights, widest, stepRows, kernels);
  const columns = mostColumns(weights);
  const encodedRow = encodedSlots(weights, widest, 1, kernels);
  return {
    x: rows(h.dim),
    normed: rows(h.dim),
    q: rows(qColumns),
    k: rows(kvColumns),
    v: rows(kvColumns),
    attended: rows(qColumns),
    parts: arena.take(partBytes),
    partBytes,
    gate: rows(gateColumns),
    up: rows(gateColumns),
    perLayer: h.perLayer === undefined ? undefined : rows(h.layers * h.perLayer),
    recurrent: h.recurrence && rows(h.recurrence.columns),
    hidden: rows(h.dim),
    logits: rows(h.vocab, h.causal ? LOGIT_ROWS : 0),
    rope: arena.take(stepRows * h.ropes.length * 2 * h.headDim * 4),
    encoded: arena.take(encoded.bytes),
    encodedSlots: encoded.slots,
    encodedRowSlots: encodedRow.slots,
    encodedRowBytes: encodedRow.bytes,
    experts: h.experts && takeExperts(h.experts),
    lora: columns === 0 ? undefined : takeLora(columns),
  };
}

/** Bytes of the parts that attention makes of all segments for one row. Of texts whose rows see each other, segments are not shared out. */
function partBytesOf({ causal, heads, attention }: Hyperparameters, pool: KvPool, kernels: Kernels): number {
  if (!causal) return 0;
  const bytes = attention.map(({ kvHeads, headDim }) =>
    kvHeads === 0 ? 0 : kvHeads * kernels.attentionPartBytes(headDim, heads / kvHeads),
  );
  return Math.ceil(pool.pages / SEGMENT_PAGES) * Math.max(...bytes);
}

/** Bytes for the frequencies of one RoPE: room for (headDim / 2) f64, one for each pair that it may rotate. */
export function ropeBytes(h: Hyperparameters): number {
  return (h.headDim / 2) * 8;
}

/** Room for `rows` rows of `columns` activations, in each of the ways that the matrices' formats need. */
function encodedSlots(
  weights: readonly Weight[],
  columns: number,
  rows: number,
  kernels: Kernels,
): { slots: number[]; bytes: number } {
  const whole = Math.ceil(columns / 256) * 256; // blocks may be cut off at the end of a row
  const slots: number[] = [];
  let bytes = 0;
  for (const { role, type } of weights) {
    const kind = kernels.formatActivation(type);
    if (role !== "matrix" || slots[kind] !== undefined) continue;
    slots[kind] = bytes;
    bytes += aligned(rows * kernels.activationBytes(kind, whole));
  }
  return { slots, bytes };
}

class Arena {
  constructor(public end: number) {}

  /** Takes bytes, aligned to a cache line. */
  take(bytes: number): number {
    const address = this.end;
    this.end = aligned(address + bytes);
    return address;
  }
}
