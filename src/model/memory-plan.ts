// The memory plan: everything that a model needs in shared memory, laid out before anything is allocated. What it says is what is
// then allocated, byte for byte.
//
//   0 | control, step | weights | KV cache | activations | one scratch for each worker |

import { GROUP_ROWS, PAGE, QUERY_ROWS, TEAM_BYTES } from "#abi";
import { MemoryError } from "../errors.js";
import type { Kernels } from "../machine/kernels.js";
import type { Hyperparameters } from "./hyperparameters.js";
import { stepBytes } from "./step.js";
import type { Weight } from "./weights.js";

/** Rows (tokens) of one step at most: a prefill chunk. GEMM is as fast with 128 as with 512, and aborts come sooner. */
export const STEP_ROWS = 128;
/** Rows of one step that may have logits. */
export const LOGIT_ROWS = 32;
/** Abort flags: one int32 for each request under way. */
export const ABORT_FLAGS = 256;
/** `progress` counts what is loaded in units of so many bytes, so that 4 GiB fit an int32. */
export const PROGRESS_UNIT = 256;
/** What a worker reads from a file at once, at most, and at least one row. */
export const STAGING_BYTES = 2 * 2 ** 20;
/** What a wasm32 memory can have, in pages of 64 KiB. */
const LARGEST_MEMORY = 65536 * 65536;

const WASM_PAGE = 65536;

/** Where things lie: byte offsets in the shared memory. */
export interface Layout {
  readonly control: number;
  readonly aborts: number;
  readonly progress: number;
  readonly step: number;
  readonly pageTables: number;
  /** Of each of the hyperparameters' `ropes`, `ropeBytes` apart. */
  readonly frequencies: number;
  readonly weights: readonly PlacedWeight[];
  readonly kv: number;
  readonly buffers: Buffers;
  /** Scratch of worker 0; the next worker's lies `scratchBytes` later. */
  readonly scratch: number;
  readonly scratchBytes: number;
}

export interface PlacedWeight extends Weight {
  readonly address: number;
}

/** The wave of activations. Rows of f32 are `...Stride` bytes apart, padded to groups of 8. */
export interface Buffers {
  readonly x: number; // (rows, dim) the residual stream
  readonly xStride: number;
  readonly normed: number; // (rows, dim)
  readonly q: number; // (rows, heads * headDim)
  readonly qStride: number;
  readonly k: number; // (rows, kvHeads * headDim)
  readonly v: number;
  readonly kvStride: number;
  readonly attended: number; // (rows, heads * headDim)
  readonly gate: number; // (rows, ffn)
  readonly up: number;
  readonly ffnStride: number;
  readonly hidden: number; // (rows, dim) after the last norm, of rows that want it
  readonly logits: number; // (LOGIT_ROWS, vocab)
  readonly logitStride: number;
  readonly rope: number; // (ropes, rows, 2 * headDim) cosines and sines
  readonly encoded: number; // activations, encoded in up to 4 ways
  readonly encodedBytes: number; // of one way
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
}

/** What follows from the options: the size of the pool. */
export interface KvPool {
  readonly kind: number;
  readonly tileBytes: number;
  /** One page: k and v of 64 positions, of all layers and KV heads. */
  readonly pageBytes: number;
  readonly pages: number;
  /** Entries of one sequence's page table. */
  readonly pagesPerSequence: number;
  /** Page tables: sequences that may exist at once. */
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
  const pool = poolOf(h, options, kernels);

  const control = arena.take(TEAM_BYTES);
  const aborts = arena.take(ABORT_FLAGS * 4);
  const progress = arena.take(64);
  const step = arena.take(stepBytes(STEP_ROWS));
  const pageTables = arena.take(pool.tables * pool.pagesPerSequence * 4);
  const frequencies = arena.take(h.ropes.length * ropeBytes(h));
  const controlBytes = arena.end;

  const placed = weights.map((weight) => ({ ...weight, address: arena.take(weight.bytes) }));
  const weightBytes = arena.end - controlBytes;

  const kv = arena.take(pool.pages * pool.pageBytes);
  const kvBytes = arena.end - controlBytes - weightBytes;

  const buffers = takeBuffers(h, arena, kernels);
  const activationBytes = arena.end - controlBytes - weightBytes - kvBytes;

  const scratchBytes = aligned(workerScratch(h, weights, kernels));
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
    },
    pool,
    plan,
  };
}

function poolOf(h: Hyperparameters, options: PlanOptions, kernels: Kernels): KvPool {
  const tileBytes = kernels.kvTileBytes(options.kvKind, h.headDim);
  const pagesPerSequence = Math.ceil(options.contextSize / PAGE);
  return {
    kind: options.kvKind,
    tileBytes,
    pageBytes: h.layers * h.kvHeads * 2 * tileBytes,
    pages: pagesPerSequence * options.sequences,
    pagesPerSequence,
    // A step may hold a sequence for every row, beside those that wait.
    tables: options.sequences + STEP_ROWS,
  };
}

function takeBuffers(h: Hyperparameters, arena: Arena, kernels: Kernels): Buffers {
  const rowBytes = (columns: number) => Math.ceil(columns / GROUP_ROWS) * GROUP_ROWS * 4;
  const rows = (stride: number) => arena.take(STEP_ROWS * stride);
  const xStride = rowBytes(h.dim);
  const qStride = rowBytes(h.heads * h.headDim);
  const kvStride = rowBytes(h.kvHeads * h.headDim);
  const ffnStride = rowBytes(h.ffn);
  const logitStride = rowBytes(h.vocab);
  const widest = Math.max(h.dim, h.heads * h.headDim, h.ffn);
  const encodedBytes = aligned(STEP_ROWS * encodedRowBytes(widest, kernels));
  return {
    x: rows(xStride),
    xStride,
    normed: rows(xStride),
    q: rows(qStride),
    qStride,
    k: rows(kvStride),
    v: rows(kvStride),
    kvStride,
    attended: rows(qStride),
    gate: rows(ffnStride),
    up: rows(ffnStride),
    ffnStride,
    hidden: rows(xStride),
    logits: arena.take(LOGIT_ROWS * logitStride),
    logitStride,
    rope: rows(h.ropes.length * 2 * h.headDim * 4),
    encoded: arena.take(encodedBytes * ENCODINGS),
    encodedBytes,
  };
}

/** Bytes of the frequencies of one RoPE: (headDim / 2) f64, of which it has as many as it rotates pairs. */
export function ropeBytes(h: Hyperparameters): number {
  return (h.headDim / 2) * 8;
}

/** Ways of encoding activations: F32, Q8_32, Q8_256, Q16_32. */
const ENCODINGS = 4;

/** Bytes of one row of `columns` activations in its largest encoding; blocks may be cut off at the end of a row. */
function encodedRowBytes(columns: number, kernels: Kernels): number {
  const whole = Math.ceil(columns / 256) * 256;
  let most = 0;
  for (let kind = 1; kind <= ENCODINGS; kind++) most = Math.max(most, kernels.activationBytes(kind, whole));
  return most;
}

/** One worker's scratch: it loads, multiplies or attends, one at a time. */
function workerScratch(h: Hyperparameters, weights: readonly Weight[], kernels: Kernels): number {
  const longestRow = Math.max(...weights.map((weight) => weight.rowBytes));
  const widest = Math.max(h.dim, h.heads * h.headDim, h.ffn);
  const privateRow = ENCODINGS * aligned(encodedRowBytes(widest, kernels)) + aligned(widest * 4);
  return Math.max(
    aligned(Math.max(STAGING_BYTES, longestRow * GROUP_ROWS)) + 64,
    aligned(kernels.matmulScratchBytes(STEP_ROWS)) + privateRow,
    aligned(kernels.attentionScratchBytes(h.headDim, QUERY_ROWS * (h.heads / h.kvHeads))),
    longestRow + 64 + h.dim * 4,
  );
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

function aligned(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
