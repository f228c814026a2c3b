// Tables that stay in the file: embeddings of tokens that are too large to pay for. A step reads one row of them for each of its tokens,
// a few KB, and the operating system keeps in its cache what is read often. In memory a table is
//
//   rows      (rows of a step, rowBytes)      as in the file: of the tokens of the step under way
//   cache     (cachedRows, rowBytes)          the leader's: row `token` lies at token % cachedRows, if it is the last of those that was read
//   samples   SAMPLES slices of the table     which tell this model from another
//
// The leader fills it, before the step begins: what a forward pass does never depends on what has been read before.

import { aligned } from "./scratch.js";
import type { Weight } from "./weights.js";

/** The most bytes of a table's cache. */
const CACHE_BYTES = 4 * 2 ** 20;

/** Embeddings of tokens of more than `mostBytes` become tables, encoded as in the file. `stepRows`: the most rows of a step. */
export function keepInFile(weights: readonly Weight[], mostBytes: number, stepRows: number): readonly Weight[] {
  return weights.map((weight): Weight => {
    if (weight.role !== "embedding" || weight.byToken !== true || weight.bytes <= mostBytes) return weight;
    const table: Weight = { ...weight, ...weight.encodedFrom, encodedFrom: undefined, role: "table" };
    return { ...table, bytes: tableParts(table, stepRows).bytes };
  });
}

/** Where the parts of a table lie, from its address on, and how many bytes they take. */
export function tableParts({ rows, rowBytes }: Weight, stepRows: number) {
  const cachedRows = Math.min(rows, Math.max(1, Math.floor(CACHE_BYTES / rowBytes)));
  const cache = aligned(stepRows * rowBytes);
  const samples = cache + aligned(cachedRows * rowBytes);
  const sampleBytes = samplesOf(rows * rowBytes).reduce((sum, { bytes }) => sum + bytes, 0);
  return { cache, cachedRows, samples, bytes: samples + sampleBytes };
}

/** Slices of a weight by which models are told apart. */
const SAMPLES = 16;
const SAMPLE_BYTES = 1024;

/** The slices of a weight of `bytes` bytes that are its samples: all of a small one, else some that are spread evenly. */
export function samplesOf(bytes: number): readonly { readonly at: number; readonly bytes: number }[] {
  if (bytes <= SAMPLES * SAMPLE_BYTES) return [{ at: 0, bytes }];
  const last = bytes - SAMPLE_BYTES;
  return Array.from({ length: SAMPLES }, (_, i) => ({
    at: Math.floor((i * last) / (SAMPLES - 1)),
    bytes: SAMPLE_BYTES,
  }));
}
