// Keys and values on their way into the cache as they are measured: a prefill chunk with Llama-3.2-1B's heads. The error is what the cache
// loses: nothing as f32, the rounding to 11 bits as f16, that to a 127th of the largest of 32 as q8_0.

import { PAGE } from "#abi";
import { checkChoice } from "../../options.js";
import type { KernelLab, StoreKvKernel } from "../kernels/index.js";
import { kvCaches } from "../kernels/kv-cache.js";
import { type KernelRow, noise, sampled, shareOf } from "./case.js";
import { relativeError } from "./exact.js";

const Q8_0_BLOCK = 32;

export const storeKv: KernelRow = {
  dimensions: ["rows", "kvHeads", "headDim"],
  formats: () => kvCaches,
  shapes: () => [[128, 8, 64]],
  check: (lab, format, [rows, kvHeads = 0, headDim = 0]) => {
    lab.storeKv({ kvCache: checkChoice("format", format, kvCaches), rows, kvHeads, headDim });
  },
  share: shareOf(1),
  peak: () => undefined,
  prepare: (lab, format, [rows = 1, kvHeads = 1, headDim = 64]) => {
    const kvCache = checkChoice("format", format, kvCaches);
    const k = noise(rows * kvHeads * headDim, 1);
    const v = noise(rows * kvHeads * headDim, 2);
    const kernel = lab.storeKv({ kvCache, rows, kvHeads, headDim }).setInput(k, v);
    const error = () => {
      const stored = decoded(lab, kernel);
      const ours: number[] = [];
      const exact: number[] = [];
      for (const row of sampled(rows)) {
        const slot = row % PAGE;
        for (let head = 0; head < kvHeads; head++) {
          const keys = (Math.floor(row / PAGE) * kvHeads + head) * 2 * PAGE * headDim;
          const values = keys + PAGE * headDim;
          for (let d = 0; d < headDim; d++) {
            const from = (row * kvHeads + head) * headDim + d;
            ours.push(stored[keys + d * PAGE + slot]!, stored[values + slot * headDim + d]!);
            exact.push(k[from]!, v[from]!);
          }
        }
      }
      return relativeError(ours, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

/** What the pages say, (pages, kvHeads, 2, 64 * headDim): of every head the keys, (headDim, 64), then the values, (64, headDim). */
function decoded(lab: KernelLab, { shape, result, tileBytes }: StoreKvKernel): Float32Array {
  if (shape.kvCache === "f32") return new Float32Array(result.buffer);
  const tiles = result.length / tileBytes;
  const count = PAGE * shape.headDim;
  if (shape.kvCache === "f16") {
    const halves = lab.dequantize({ format: "F16", rows: tiles, columns: count }).setWeights(result);
    halves.run();
    return halves.result;
  }
  const floats = new Float32Array(tiles * count);
  for (let tile = 0; tile < tiles; tile++) {
    const bytes = result.slice(tile * tileBytes, (tile + 1) * tileBytes).buffer;
    const quants = new Int8Array(bytes, 0, count);
    const scales = new Float32Array(bytes, count);
    // Blocks lie along a position: in the keys down the columns, in the values along the rows.
    const block = (i: number) =>
      tile % 2 === 0 ? Math.floor(i / (PAGE * Q8_0_BLOCK)) * PAGE + (i % PAGE) : Math.floor(i / Q8_0_BLOCK);
    for (let i = 0; i < count; i++) floats[tile * count + i] = quants[i]! * scales[block(i)]!;
  }
  return floats;
}
