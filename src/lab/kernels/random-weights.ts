// Random weights of any format, to measure with: random bytes, and only the blocks are kept whose weights have the size of trained
// ones. What a format's bytes mean is asked of its own kernel, so a new format needs nothing here.

import { Random } from "../../sampling/random.js";
import type { KernelHost } from "./declaration.js";
import { dequantize } from "./dequantize.js";
import { rowBytes, type WeightFormat } from "./formats.js";

// The largest weight of a block lies between these, and the smallest between their negatives: so none of its factors is so small that the
// processor takes a detour for it. Floats, which are blocks of one, have either sign.
const LEAST = 2 ** -7;
const MOST = 2 ** -3;
// Blocks that are drawn at once, and weights that are kept: what is larger repeats them, each row from another place on.
const DRAWN_BLOCKS = 512;
const KEPT_WEIGHTS = 8192;

/**
 * Weights that are the same for the same seed.
 *
 * @returns (rows, columns) in GGUF's layout
 * @throws CriaError INVALID_SHAPE when rows of so many columns are not whole blocks
 */
export function randomWeights(
  lab: KernelHost,
  format: WeightFormat,
  rows: number,
  columns: number,
  seed: number,
): Uint8Array {
  const bytesPerRow = rowBytes(format, columns);
  const pool = randomBlocks(lab, format, Random.seeded(seed));
  const poolBlocks = pool.length / format.blockBytes;
  const weights = new Uint8Array(rows * bytesPerRow);
  for (let row = 0; row < rows; row++) {
    let from = ((row * 31) % poolBlocks) * format.blockBytes;
    for (let at = row * bytesPerRow, end = at + bytesPerRow; at < end; from = 0) {
      const count = Math.min(end - at, pool.length - from);
      weights.set(pool.subarray(from, from + count), at);
      at += count;
    }
  }
  return weights;
}

function randomBlocks(lab: KernelHost, format: WeightFormat, random: Random): Uint8Array {
  const { name, blockWeights, blockBytes } = format;
  const meaning = dequantize.make(lab, { format: name, columns: blockWeights, rows: DRAWN_BLOCKS });
  const drawn = new Uint8Array(DRAWN_BLOCKS * blockBytes);
  const pool = new Uint8Array(Math.ceil(KEPT_WEIGHTS / blockWeights) * blockBytes);
  for (let kept = 0; kept < pool.length; ) {
    for (let i = 0; i < drawn.length; i++) drawn[i] = random.nextInteger() >>> 24;
    meaning.setWeights(drawn).run();
    const weights = meaning.result;
    for (let block = 0; block < DRAWN_BLOCKS && kept < pool.length; block++) {
      let largest = Number.NEGATIVE_INFINITY;
      let smallest = Number.POSITIVE_INFINITY;
      for (const weight of weights.subarray(block * blockWeights, (block + 1) * blockWeights)) {
        largest = Math.max(largest, weight); // NaN stays NaN, and is in no interval
        smallest = Math.min(smallest, weight);
      }
      const below = blockWeights === 1 ? Math.abs(smallest) : -smallest;
      const above = blockWeights === 1 ? Math.abs(largest) : largest;
      if (!(Math.min(above, below) >= LEAST && Math.max(above, below) <= MOST)) continue;
      pool.set(drawn.subarray(block * blockBytes, (block + 1) * blockBytes), kept);
      kept += blockBytes;
    }
  }
  return pool;
}
