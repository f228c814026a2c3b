// The memory plan: everything that a model needs in shared memory, laid out before anything is allocated. Exactly what it says
// is then allocated, byte for byte.
//
//   0 | control, step | weights | KV cache | activations | one scratch for each worker |

import { PAGE, QUERY_ROWS, TEAM_BYTES } from "#abi";
import { MemoryError } from "../../errors.js";
import type { Kernels } from "../../machine/kernels.js";
import { LARGEST_MEMORY, WASM_PAGE } from "../../machine/shared-memory.js";
import type { Hyperparameters } from "../hyperparameters.js";
import { stepBytes } from "../step.js";
import { aligned, planScratch, type Scratch } from "./scratch.js";
import type { Weight } from "./weights.js";

/**
 * Rows (tokens) of one step at most: a prefill chunk. GEMM is as fast with 128 as with 512, and aborts come sooner. A step of an encoder
 * has room for a whole text, whose tokens see each other.
 */
export const STEP_ROWS = 128;
/** Texts that a step of an encoder has pages for, besides those of a text of full length. */
const ENCODER_TEXTS = 32;
/** How many rows of one step may have logits. */
export const LOGIT_ROWS = 32;
/** Abort flags: one int32 for each request under way. */
export const ABORT_FLAGS = 256;
/** `progress` counts what is loaded in units of so many bytes, so that 4 GiB fit an int32. */
export const PROGRESS_UNIT = 256;
const CACHE_LINE = 64;

/** Where things lie: byte offsets in the shared memory. */
export interface Layout {
  /** Rows of one step at most. */
  readonly rows: number;
  readonly control: number;
  readonly aborts: number;
  readonly progress: number;
  readonly step: number;
  readonly pageTables: number;
  /** The frequencies of each of the hyperparameters' `ropes`, `ropeBytes` apart. */
  readonly frequencies: number;
  readonly weights: readonly PlacedWeight[];
  readonly kv: number;
  readonly buffers: Buffers;
  /** Scratch of worker 0; the next worker's lies `scratchBytes` later. `scratchParts` lie in it at these offsets. */
  readonly scratch: number;
  readonly scratchBytes: number;
  readonly scratchParts: Scratch;
}

export interface PlacedWeight extends Weight {
  readonly address: number;
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
  readonly gate: Rows; // (rows, ffn)
  readonly up: Rows; // (rows, ffn), of gate's stride
  readonly hidden: Rows; // (rows, dim) after the last norm: of rows that want it, or the mean of some
  readonly logits: Rows; // (LOGIT_ROWS, vocab)
  readonly rope: number; // (ropes, rows, 2 * headDim) cosines and sines
  readonly encoded: number; // activations, encoded in the ways that the matrices' formats ask for
  readonly encodedSlots: readonly number[]; // where way 1 .. 5 lies in `encoded`
  readonly encodedRowSlots: readonly number[]; // and where in the encodings of a single row
  readonly encodedRowBytes: number; // of a single row, all ways
}

/** Bytes by purpose, as `cria inspect` shows them. */
export interface MemoryPlan {
  readonly weights: number;
  readonly kvCache: number;
  readonly activations: number;
  readonly scratch: number;
  readonly control: number;
  /** The whole shared memory: the sum, in WebAssembly pages of 64 KiB. */
  readonly total: number;
}

export interface PlanOptions {
  readonly workers: number;
  /** Positions of one sequence at most. */
  readonly contextSize: number;
  /** Sequences of full length that the KV pool has pages for. */
  readonly sequences: number;
  /** KV_F32, KV_F16 or KV_Q8_0. */
  readonly kvKind: number;
  /** Elements of the widest vector in the model's head. */
  readonly headWidth: number;
}

/** What follows from the options: the size of the pool. */
export interface KvPool {
  readonly kind: number;
  readonly tileBytes: number;
  /** Layers whose k and v are kept: all; or 1 in an encoder, where each layer overwrites those of the one before it. */
  readonly layers: number;
  /** Bytes of one page: k and v of 64 positions, for those layers and all KV heads. */
  readonly pageBytes: number;
  readonly pages: number;
  /** Entries of one sequence's page table. */
  readonly pagesPerSequence: number;
  /** Number of page tables: sequences that may be worked on at once, one for each row of a step. */
  readonly tables: number;
}

/** Lays out the memory of a model. @throws MemoryError when it does not fit into one WebAssembly memory */
export function planMemory(
  h: Hyperparameters,
  weights: readonly Weight[],
  options: PlanOptions,
  kernels: Kernels,
): { layout: Layout; pool: KvPool; plan: MemoryPlan } {
  const arena = new Arena(1024); // address 0 stays unused
  const rows = stepRows(h, options.contextSize);
  const pool = poolOf(h, options, rows, kernels);

  const control = arena.take(TEAM_BYTES);
  const aborts = arena.take(ABORT_FLAGS * 4);
  const progress = arena.take(64);
  const step = arena.take(stepBytes(rows));
  const pageTables = arena.take(pool.tables * pool.pagesPerSequence * 4);
  const frequencies = arena.take(h.ropes.length * ropeBytes(h));
  const controlBytes = arena.end;

  const placed = weights.map((weight) => ({ ...weight, address: arena.take(weight.bytes) }));
  const weightBytes = arena.end - controlBytes;

  const kv = arena.take(pool.pages * pool.pageBytes);
  const kvBytes = arena.end - controlBytes - weightBytes;

  const buffers = takeBuffers(h, weights, rows, arena, kernels);
  const activationBytes = arena.end - controlBytes - weightBytes - kvBytes;

  const { encodedRowBytes } = buffers;
  const { headWidth } = options;
  const { parts: scratchParts, bytes: scratchBytes } = planScratch(
    h,
    weights,
    { rows, encodedRowBytes, headWidth },
    kernels,
  );
  const scratch = arena.take(scratchBytes * options.workers);
  const total = Math.ceil(arena.end / WASM_PAGE) * WASM_PAGE;

  const plan: MemoryPlan = {
    weights: weightBytes,
    kvCache: kvBytes,
    activations: activationBytes,
    scratch: scratchBytes * options.workers,
    control: total - weightBytes - kvBytes - activationBytes - scratchBytes * options.workers,
    total,
  };
  if (total > LARGEST_MEMORY) {
    throw new MemoryError(
      "MEMORY_PLAN",
      `weights ${megabytes(plan.weights)} + KV cache ${megabytes(plan.kvCache)} (${options.contextSize} positions x ` +
        `${options.sequences}) + activations ${megabytes(plan.activations)} + scratch ${megabytes(plan.scratch)} = ` +
        `${megabytes(total)}; one WebAssembly memory holds ${megabytes(LARGEST_MEMORY)}`,
    );
  }
  return {
    layout: {
      rows,
      control,
      aborts,
      progress,
      step,
      pageTables,
      frequencies,
      weights: placed,
      kv,
      buffers,
      scratch,
      scratchBytes,
      scratchParts,
    },
    pool,
    plan,
  };
}

function stepRows(h: Hyperparameters, contextSize: number): number {
  return h.causal ? STEP_ROWS : Math.max(STEP_ROWS, Math.ceil(contextSize / QUERY_ROWS) * QUERY_ROWS);
}

function poolOf(h: Hyperparameters, options: PlanOptions, rows: number, kernels: Kernels): KvPool {
  const tileBytes = kernels.kvTileBytes(options.kvKind, h.headDim);
  const pagesPerSequence = Math.ceil(options.contextSize / PAGE);
  const layers = h.causal ? h.layers : 1;
  const pages = pagesPerSequence * options.sequences + (h.causal ? 0 : ENCODER_TEXTS);
  return {
    kind: options.kvKind,
    tileBytes,
    layers,
    pageBytes: layers * h.kvHeads * 2 * tileBytes,
    pages,
    pagesPerSequence,
    tables: rows,
  };
}

function takeBuffers(
  h: Hyperparameters,
  weights: readonly Weight[],
  stepRows: number,
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
  const kvColumns = h.kvHeads * h.headDim;
  const widest = Math.max(h.dim, qColumns, h.ffn);
  const encoded = encodedSlots(weights, widest, stepRows, kernels);
  const encodedRow = encodedSlots(weights, widest, 1, kernels);
  return {
    x: rows(h.dim),
    normed: rows(h.dim),
    q: rows(qColumns),
    k: rows(kvColumns),
    v: rows(kvColumns),
    attended: rows(qColumns),
    gate: rows(h.ffn),
    up: rows(h.ffn),
    hidden: rows(h.dim),
    logits: rows(h.vocab, h.causal ? LOGIT_ROWS : 0),
    rope: arena.take(stepRows * h.ropes.length * 2 * h.headDim * 4),
    encoded: arena.take(encoded.bytes),
    encodedSlots: encoded.slots,
    encodedRowSlots: encodedRow.slots,
    encodedRowBytes: encodedRow.bytes,
  };
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

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
