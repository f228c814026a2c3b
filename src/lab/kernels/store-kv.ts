// Keys and values into the pages of a KV cache: assembly/kernels/kv_page.ts.

import { PAGE } from "#abi";
import { checkInteger } from "../../options.js";
import { f32, u8 } from "./buffers.js";
import { declareKernel, type KernelHost } from "./declaration.js";
import { dequantize } from "./dequantize.js";
import { checkKvCache, type KvCacheName, kvCaches, kvKinds, Q8_0_BLOCK } from "./kv-cache.js";
import { noise, relativeError, sampled, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of what is put into the cache. */
export interface StoreKvShape {
  /** Element type of the KV cache. */
  readonly kvCache: KvCacheName;
  /** Heads of keys and values. */
  readonly kvHeads: number;
  /** A multiple of 4; of 32 with q8_0. */
  readonly headDim: number;
  /** Rows at consecutive positions. Default 1. */
  readonly rows?: number;
  /** Where in its page of 64 positions the first row goes. Default 0. */
  readonly slot?: number;
}

/** Puts keys and values into pages of a cache, row by row. From `KernelLab.storeKv`. */
export interface StoreKvKernel extends ShapedKernel<StoreKvShape> {
  /** Bytes of one head's keys (or values) in one page. */
  readonly tileBytes: number;
  /** k and v read, and written as the cache has them. */
  readonly bytes: number;
  /** @param k (rows, kvHeads * headDim) f32 @param v the same shape @throws CriaError INVALID_SHAPE */
  setInput(k: Float32Array, v: Float32Array): this;
  /** (pages, kvHeads, 2, tileBytes): the tile of the keys, then that of the values, as assembly/kernels/kv_page.ts draws them. */
  readonly result: Uint8Array;
}

export const storeKv = declareKernel<StoreKvShape, StoreKvKernel, "k" | "v" | "pages">({
  plan(given, { sizes }) {
    const kvHeads = checkInteger("kvHeads", given.kvHeads, 1, 1024);
    const headDim = checkInteger("headDim", given.headDim, 4, 1024);
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 20);
    const slot = checkInteger("slot", given.slot ?? 0, 0, PAGE - 1);
    const kvCache = checkKvCache(given.kvCache, headDim);
    const kind = kvKinds[kvCache];
    const tileBytes = sizes.kvTileBytes(kind, headDim);
    const pageBytes = 2 * kvHeads * tileBytes;
    return {
      shape: { kvCache, kvHeads, headDim, rows, slot },
      tileBytes,
      bytes: 2 * rows * kvHeads * (headDim * 4 + tileBytes / PAGE),
      buffers: {
        k: f32(1, rows * kvHeads * headDim),
        v: f32(1, rows * kvHeads * headDim),
        pages: u8(Math.ceil((slot + rows) / PAGE) * pageBytes),
      },
      set: { setInput: ["k", "v"] },
      run({ at, kernels }) {
        for (let row = 0, offset = 0; row < rows; row++) {
          const position = slot + row;
          let tile = at.pages + Math.floor(position / PAGE) * pageBytes;
          for (let head = 0; head < kvHeads; head++, offset += headDim * 4, tile += 2 * tileBytes) {
            kernels.storeKv(kind, at.k + offset, at.v + offset, headDim, tile, tile + tileBytes, position % PAGE);
          }
        }
      },
      result: "pages",
    };
  },
  dimensions: ["rows", "kvHeads", "headDim"],
  formatOption: "kvCache",
  formats: () => kvCaches,
  // A prefill chunk with Llama-3.2-1B's heads.
  shapes: () => [[128, 8, 64]],
  share: shareOf(1),
  // The error is what the cache loses: nothing as f32, the rounding to 11 bits as f16, that to a 127th of the largest of 32 as q8_0.
  fill(kernel, lab) {
    const { rows, kvHeads, headDim } = kernel.shape;
    const k = noise(rows * kvHeads * headDim, 1);
    const v = noise(rows * kvHeads * headDim, 2);
    kernel.setInput(k, v);
    return () => {
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
  },
});

/** What the pages say, (pages, kvHeads, 2, 64 * headDim): of every head the keys, (headDim, 64), then the values, (64, headDim). */
function decoded(lab: KernelHost, { shape, result, tileBytes }: StoreKvKernel): Float32Array {
  if (shape.kvCache === "f32") return new Float32Array(result.buffer);
  const tiles = result.length / tileBytes;
  const count = PAGE * shape.headDim;
  if (shape.kvCache === "f16") {
    const halves = dequantize.make(lab, { format: "F16", rows: tiles, columns: count }).setWeights(result);
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
