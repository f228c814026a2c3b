// One worker's scratch: it loads, looks up rows, multiplies, attends or applies the head, one at a time.
//
//   USE         FROM ITS BEGINNING ON
//   rows        job 64 | values: rows as in the file, on their way to be packed, or a row of a table
//               | floats: one of them as f32 | encoded: the same in the format that it is loaded in | quantizer
//   matmul      kernel | encodedRow: a row of its own, in all ways | row (dim) f32 | lora f32: a row's A . x of LoRA adapters
//   experts     kernel | encodedRow | row | lora | choice: int32 and f32 (rows, terms) | gathered (TILE_TOKENS, dim) f32
//   attention   kernel
//   recurrence  kernel
//   head        kernel | headInput f32 | headOutput f32 | headEncoded

import {
  ACTIVATION_CENTRED_Q8_32,
  ACTIVATION_F32,
  ACTIVATION_Q8_32,
  ACTIVATION_Q8_256,
  ACTIVATION_Q16_32,
  GROUP_ROWS,
  QUERY_ROWS,
  TILE_TOKENS,
} from "#abi";
import type { Kernels } from "../../machine/kernels.js";
import { termsOf } from "../expert-parameters.js";
import type { Hyperparameters } from "../hyperparameters.js";
import type { Weight } from "./weights.js";

const CACHE_LINE = 64;
/** Bytes of a job's descriptor, which kernels write for their own use. */
const JOB_BYTES = 64;
/** The most bytes that a worker reads from a file at once, unless a single group of rows is larger. */
export const STAGING_BYTES = 2 * 2 ** 20;

/** Byte offsets in a worker's scratch. `Shard.scratch` returns them as addresses. */
export interface Scratch {
  readonly kernel: number;
  readonly job: number;
  readonly values: number;
  readonly floats: number;
  readonly encoded: number;
  readonly quantizer: number;
  readonly encodedRow: number;
  readonly row: number;
  readonly lora: number;
  readonly choice: number;
  readonly gathered: number;
  readonly headInput: number;
  readonly headOutput: number;
  readonly headEncoded: number;
}

/** What determines the sizes, besides the model's shape. */
export interface ScratchNeeds {
  /** The most rows of a step. */
  readonly rows: number;
  /** Bytes of a single row's encodings. */
  readonly encodedRowBytes: number;
  /** Elements of a row's A . x, of the LoRA adapters of a layer. */
  readonly loraWidth: number;
  /** Elements of the widest vector in the model's head. */
  readonly headWidth: number;
}

/** Lays out a worker's scratch: the offsets of its parts, and how many bytes they take. */
export function planScratch(
  h: Hyperparameters,
  weights: readonly Weight[],
  { rows, encodedRowBytes, loraWidth, headWidth }: ScratchNeeds,
  kernels: Kernels,
): { parts: Scratch; bytes: number } {
  const longestRow = Math.max(...weights.map(({ rowBytes, encodedFrom }) => encodedFrom?.rowBytes ?? rowBytes));
  const values = JOB_BYTES;
  const valueBytes = Math.max(STAGING_BYTES, longestRow * GROUP_ROWS, h.dim * 4, h.layers * (h.perLayer ?? 0) * 4);
  const floats = values + aligned(valueBytes);
  const quantized = weights.filter(({ encodedFrom }) => encodedFrom !== undefined);
  const encoded = floats + aligned(Math.max(0, ...quantized.map(({ columns }) => columns * 4)));
  const quantizer = encoded + aligned(Math.max(0, ...quantized.map(({ rowBytes }) => rowBytes)));
  const rowsEnd = quantizer + (quantized.length === 0 ? 0 : aligned(kernels.quantizeScratchBytes()));

  const encodedRow = aligned(kernels.matmulScratchBytes(rows));
  const row = encodedRow + encodedRowBytes;
  const lora = row + aligned(h.dim * 4);
  const choice = lora + aligned(loraWidth * 4);
  const gathered = choice + aligned(h.experts === undefined ? 0 : 2 * rows * termsOf(h.experts) * 4);
  const expertsEnd = gathered + aligned(h.experts === undefined ? 0 : TILE_TOKENS * h.dim * 4);

  const groups = h.attention.filter(({ kvHeads }) => kvHeads > 0).map(({ kvHeads }) => h.heads / kvHeads);
  const queries = Math.max(...groups.map((group) => tallestItem(group) * group));
  const attentionBytes = h.causal
    ? kernels.attentionScratchBytes(h.headDim, queries)
    : kernels.textAttentionScratchBytes(h.headDim, mostTextRows * Math.max(...groups));

  const recurrenceBytes = h.deltaNet === undefined ? 0 : kernels.deltaRuleScratchBytes(h.deltaNet.dims);

  const width = Math.ceil(headWidth / 256) * 256; // blocks may be cut off at the end of a row
  const headInput = aligned(kernels.matmulScratchBytes(1));
  const headOutput = headInput + aligned(width * 4);
  const headEncoded = headOutput + aligned(width * 4);
  const headBytes = Math.max(...activations.map((kind) => kernels.activationBytes(kind, width)));

  return {
    parts: {
      ...{ kernel: 0, job: 0, values, floats, encoded, quantizer, encodedRow, row, lora, choice, gathered },
      ...{ headInput, headOutput, headEncoded },
    },
    bytes: aligned(Math.max(rowsEnd, expertsEnd, attentionBytes, recurrenceBytes, headEncoded + headBytes)),
  };
}

const activations = [ACTIVATION_CENTRED_Q8_32, ACTIVATION_F32, ACTIVATION_Q8_32, ACTIVATION_Q8_256, ACTIVATION_Q16_32];

/**
 * The most rows that attend at once. What is decoded of a page serves them all, and all heads that share it: 64 queries or more.
 * `group`: heads that share a KV head.
 */
export function tallestItem(group: number): number {
  return QUERY_ROWS * Math.max(1, Math.floor(64 / QUERY_ROWS / group));
}

/** The most rows of an encoder's text that attend at once. */
export const mostTextRows = 256;

/** Rounded up to whole cache lines. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / CACHE_LINE) * CACHE_LINE;
}
