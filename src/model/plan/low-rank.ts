// What LoRA adapters add to a matrix, as the forward pass knows it: y += b . (a . x).

import { GROUP_ROWS } from "#abi";

/** The part of weights that come from adapters, not from the model's file: their data lie in a buffer of their own. */
export const LORA_PART = -1;

/** One matrix's. */
export interface LowRank<One> {
  /** (rank, columns) */
  readonly a: One;
  /** (rows, rank) */
  readonly b: One;
  /** Where a . x stands in the rows that have it for all matrices of a layer. */
  readonly column: number;
}

/** The columns that a . x takes: a matmul writes rows in groups. */
export function columnsOf(rank: number): number {
  return Math.ceil(rank / GROUP_ROWS) * GROUP_ROWS;
}

/** The columns that a . x of all matrices of a layer takes, in the layer with the most. */
export function mostColumns(weights: readonly { readonly lora?: LowRank<{ readonly rows: number }> }[]): number {
  return weights.reduce((most, { lora }) => (lora ? Math.max(most, lora.column + columnsOf(lora.a.rows)) : most), 0);
}
