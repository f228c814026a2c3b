// softmax(q . k / sqrt(headDim)) . v over a paged KV cache: assembly/kernels/attention.ts.

import { PAGE, QUERY_ROWS } from "#abi";
import { checkInteger, checkNumber } from "../../options.js";
import { checkLength, checkMultiple, f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { checkKvCache, type KvCacheName, kvCaches, kvKinds } from "./kv-cache.js";
import { noise, relativeError, sampled, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of an attention: `rows` queries at the last positions of a sequence. */
export interface AttentionShape {
  /** Element type of the KV cache. */
  readonly kvCache: KvCacheName;
  /** Query heads. */
  readonly heads: number;
  /** Heads of keys and values; each serves heads / kvHeads query heads. Default: heads. */
  readonly kvHeads?: number;
  /** A multiple of 4; of 32 with q8_0. */
  readonly headDim: number;
  /** Positions in the cache, the queries' own included. */
  readonly positions: number;
  /** Query rows, at the positions from `positions` - `rows` on: 1 is decode. Default 1. */
  readonly rows?: number;
  /** Positions that a row may look back, its own included; 0: all. Default 0. */
  readonly window?: number;
  /** The soft limit of scores: cap * tanh(score / cap); 0: none. Default 0. */
  readonly softcap?: number;
}

/** An attention with its buffers. From `KernelLab.attention`. */
export interface AttentionKernel extends ShapedKernel<AttentionShape> {
  /** The cache's bytes of the positions that are seen, read once. */
  readonly bytes: number;
  /** 4 * headDim for each row, head, and position that the row sees. */
  readonly operations: number;
  /**
   * Fills the cache.
   *
   * @param k (positions, kvHeads * headDim) f32, rotated already
   * @param v the same shape
   * @throws CriaError INVALID_SHAPE when the number of values is another
   */
  setCache(k: Float32Array, v: Float32Array): this;
  /** @param q (rows, heads * headDim) f32, rotated already @throws CriaError INVALID_SHAPE when the number of values is another */
  setQueries(q: Float32Array): this;
  /** (rows, heads * headDim) f32. */
  readonly result: Float32Array;
}

type Buffers = "kv" | "pages" | "k" | "v" | "q" | "out" | "scratch";

export const attention = declareKernel<AttentionShape, AttentionKernel, Buffers>({
  plan(given, { sizes }) {
    const heads = checkInteger("heads", given.heads, 1, 1024);
    const kvHeads = checkInteger("kvHeads", given.kvHeads ?? heads, 1, heads);
    const headDim = checkInteger("headDim", given.headDim, 4, 1024);
    const positions = checkInteger("positions", given.positions, 1, 2 ** 20);
    const rows = checkInteger("rows", given.rows ?? 1, 1, positions);
    const window = checkInteger("window", given.window ?? 0, 0, 2 ** 20);
    const softcap = checkNumber("softcap", given.softcap ?? 0, 0, 1e6);
    const kvCache = checkKvCache(given.kvCache, headDim);
    checkMultiple("heads", heads, kvHeads, ", the number of kvHeads");

    const kind = kvKinds[kvCache];
    const tileBytes = sizes.kvTileBytes(kind, headDim);
    const pageBytes = 2 * kvHeads * tileBytes;
    const pages = Math.ceil(positions / PAGE);
    const group = heads / kvHeads;
    const stride = heads * headDim * 4;
    const seen = (position: number) => (window > 0 ? Math.min(window, position + 1) : position + 1);
    let products = 0;
    for (let row = positions - rows; row < positions; row++) products += seen(row);
    const oldest = positions - rows + 1 - seen(positions - rows);
    /** Where the keys of a head begin, in page 0. */
    const headAt = (kv: number, head: number) => kv + head * 2 * tileBytes;
    return {
      shape: { kvCache, heads, kvHeads, headDim, positions, rows, window, softcap },
      bytes: ((positions - oldest) / PAGE) * pageBytes,
      operations: 4 * headDim * heads * products,
      buffers: {
        kv: u8(pages * pageBytes),
        pages: u8(pages * 4),
        k: f32(1, headDim),
        v: f32(1, headDim),
        q: f32(rows, heads * headDim),
        out: f32(rows, heads * headDim),
        scratch: u8(sizes.attentionScratchBytes(headDim, QUERY_ROWS * group)),
      },
      set: {
        setCache({ at, kernels, memory }, k, v) {
          checkLength("k", k, positions * kvHeads * headDim);
          checkLength("v", v, positions * kvHeads * headDim);
          const oneK = new Float32Array(memory.buffer, at.k, headDim);
          const oneV = new Float32Array(memory.buffer, at.v, headDim);
          for (let position = 0; position < positions; position++) {
            for (let head = 0; head < kvHeads; head++) {
              const from = (position * kvHeads + head) * headDim;
              oneK.set(k.subarray(from, from + headDim));
              oneV.set(v.subarray(from, from + headDim));
              const tile = headAt(at.kv, head) + Math.floor(position / PAGE) * pageBytes;
              kernels.storeKv(kind, at.k, at.v, headDim, tile, tile + tileBytes, position % PAGE);
            }
          }
        },
        setQueries: ["q"],
      },
      begin({ at, memory }) {
        new Int32Array(memory.buffer, at.pages, pages).set(Array.from({ length: pages }, (_, page) => page));
      },
      run({ at, kernels }) {
        const scale = 1 / Math.sqrt(headDim);
        for (let first = 0; first < rows; first += QUERY_ROWS) {
          const count = Math.min(QUERY_ROWS, rows - first);
          for (let head = 0; head < kvHeads; head++) {
            const offset = first * stride + head * group * headDim * 4;
            kernels.attention(
              kind,
              at.q + offset,
              stride,
              count,
              positions - rows + first,
              group,
              headDim,
              scale,
              softcap,
              at.pages,
              headAt(at.kv, head),
              pageBytes,
              window,
              0,
              positions,
              0,
              0,
              -1,
              at.out + offset,
              stride,
              at.scratch,
            );
          }
        }
      },
      result: "out",
    };
  },
  dimensions: ["positions", "rows", "heads", "kvHeads", "headDim"],
  formatOption: "kvCache",
  formats: () => kvCaches,
  // One row, and the last chunk of a prompt, over 1024 positions, with Llama-3.2-1B's heads; and one row farther from the beginning.
  shapes: () => [
    [1024, 1, 32, 8, 64],
    [1024, 128, 32, 8, 64],
    [4096, 1, 32, 8, 64],
  ],
  share: shareOf(3, 1, [2]),
  peak: () => "f32",
  fill(kernel) {
    const { positions, rows, heads, kvHeads, headDim } = kernel.shape;
    const k = noise(positions * kvHeads * headDim, 1);
    const v = noise(positions * kvHeads * headDim, 2);
    // Large enough for the softmax to prefer some positions to others.
    const q = noise(rows * heads * headDim, 3).map((value) => 4 * value);
    kernel.setCache(k, v).setQueries(q);
    return () => {
      const { result } = kernel;
      const width = heads * headDim;
      const chosen = sampled(rows);
      const ours = chosen.flatMap((row) => [...result.subarray(row * width, (row + 1) * width)]);
      const exact = chosen.flatMap((row) => [...exactAttention(kernel.shape, k, v, q, row)]);
      return relativeError(ours, exact);
    };
  },
});

/** What query row `row` gets in all heads, (heads * headDim), in float64. */
function exactAttention(
  shape: Required<AttentionShape>,
  k: Float32Array,
  v: Float32Array,
  q: Float32Array,
  row: number,
): Float64Array {
  const { heads, kvHeads, headDim, positions, rows, window, softcap } = shape;
  const here = positions - rows + row;
  const first = window > 0 ? Math.max(0, here - window + 1) : 0;
  const out = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const query = (row * heads + head) * headDim;
    const kvHead = Math.floor(head / (heads / kvHeads));
    const at = (i: number) => ((first + i) * kvHeads + kvHead) * headDim;
    const scores = Float64Array.from({ length: here - first + 1 }, (_, i) => {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += q[query + d]! * k[at(i) + d]!;
      const score = dot / Math.sqrt(headDim);
      return softcap === 0 ? score : softcap * Math.tanh(score / softcap);
    });
    const most = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - most));
    const sum = weights.reduce((a, b) => a + b);
    for (let i = 0; i < weights.length; i++) {
      for (let d = 0; d < headDim; d++) out[head * headDim + d]! += (weights[i]! / sum) * v[at(i) + d]!;
    }
  }
  return out;
}
