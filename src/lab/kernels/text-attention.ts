// softmax(q . k / sqrt(headDim)) . v within a text whose tokens see each other: assembly/kernels/text_attention.ts.

import { checkInteger, checkNumber } from "../../options.js";
import { checkMultiple, f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, sampled, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of an attention within one text. */
export interface TextAttentionShape {
  /** Tokens of the text. */
  readonly tokens: number;
  /** Query heads. */
  readonly heads: number;
  /** Heads of keys and values; each serves heads / kvHeads query heads. Default: heads. */
  readonly kvHeads?: number;
  /** A multiple of 4. */
  readonly headDim: number;
  /** Positions that a row sees on either side; 0: all. Default 0. */
  readonly window?: number;
  /** The soft limit of scores: cap * tanh(score / cap); 0: none. Default 0. */
  readonly softcap?: number;
}

/** An attention within one text, with its buffers. From `KernelLab.textAttention`. */
export interface TextAttentionKernel extends ShapedKernel<TextAttentionShape> {
  /** q, k, v and the result. */
  readonly bytes: number;
  /** 4 * headDim for each row, head, and position that the row sees. */
  readonly operations: number;
  /**
   * @param q (tokens, heads * headDim) f32, rotated already
   * @param k (tokens, kvHeads * headDim) f32, rotated already
   * @param v the same shape
   * @throws CriaError INVALID_SHAPE when the number of values is another
   */
  setInput(q: Float32Array, k: Float32Array, v: Float32Array): this;
  /** (tokens, heads * headDim) f32. */
  readonly result: Float32Array;
}

type Buffers = "q" | "k" | "v" | "out" | "scratch";

export const textAttention = declareKernel<TextAttentionShape, TextAttentionKernel, Buffers>({
  plan(given, { sizes }) {
    const tokens = checkInteger("tokens", given.tokens, 1, 2 ** 16);
    const heads = checkInteger("heads", given.heads, 1, 1024);
    const kvHeads = checkInteger("kvHeads", given.kvHeads ?? heads, 1, heads);
    const headDim = checkInteger("headDim", given.headDim, 4, 1024);
    const window = checkInteger("window", given.window ?? 0, 0, 2 ** 20);
    const softcap = checkNumber("softcap", given.softcap ?? 0, 0, 1e6);
    checkMultiple("headDim", headDim, 4);
    checkMultiple("heads", heads, kvHeads, ", the number of kvHeads");
    const group = heads / kvHeads;
    const stride = heads * headDim * 4;
    const kvStride = kvHeads * headDim * 4;
    let products = 0;
    for (let row = 0; row < tokens; row++) {
      const [first, end] = seenBy(row, tokens, window);
      products += end - first;
    }
    return {
      shape: { tokens, heads, kvHeads, headDim, window, softcap },
      bytes: 2 * tokens * (stride + kvStride),
      operations: 4 * headDim * heads * products,
      buffers: {
        q: f32(tokens, heads * headDim),
        k: f32(tokens, kvHeads * headDim),
        v: f32(tokens, kvHeads * headDim),
        out: f32(tokens, heads * headDim),
        scratch: u8(sizes.textAttentionScratchBytes(headDim, tokens * group)),
      },
      set: { setInput: ["q", "k", "v"] },
      run({ at, kernels }) {
        const scale = 1 / Math.sqrt(headDim);
        for (let head = 0; head < kvHeads; head++) {
          kernels.textAttention(
            at.q + head * group * headDim * 4,
            at.k + head * headDim * 4,
            at.v + head * headDim * 4,
            at.out + head * group * headDim * 4,
            stride,
            kvStride,
            tokens,
            0,
            tokens,
            group,
            headDim,
            scale,
            softcap,
            window === 0 ? 0 : window + 1,
            window === 0 ? tokens : window,
            0,
            0,
            at.scratch,
          );
        }
      },
      result: "out",
    };
  },
  dimensions: ["tokens", "heads", "kvHeads", "headDim"],
  // A short text and a page of MiniLM, and a page of bge-base.
  shapes: () => [
    [12, 12, 12, 32],
    [128, 12, 12, 32],
    [512, 12, 12, 64],
  ],
  share: shareOf(2, 1, [1]),
  peak: () => "f32",
  fill(kernel) {
    const { tokens, heads, kvHeads, headDim } = kernel.shape;
    // Large enough for the softmax to prefer some positions to others.
    const q = noise(tokens * heads * headDim, 3).map((value) => 4 * value);
    const k = noise(tokens * kvHeads * headDim, 1);
    const v = noise(tokens * kvHeads * headDim, 2);
    kernel.setInput(q, k, v);
    return () => {
      const { result } = kernel;
      const width = heads * headDim;
      const chosen = sampled(tokens);
      const ours = chosen.flatMap((row) => [...result.subarray(row * width, (row + 1) * width)]);
      const exact = chosen.flatMap((row) => [...exactRow(kernel.shape, q, k, v, row)]);
      return relativeError(ours, exact);
    };
  },
});

/** The positions that a row sees: from the first to before the end. */
function seenBy(row: number, tokens: number, window: number): readonly [first: number, end: number] {
  return window === 0 ? [0, tokens] : [Math.max(0, row - window), Math.min(tokens, row + window + 1)];
}

/** What a row gets in all heads, (heads * headDim), in float64. */
function exactRow(
  shape: Required<TextAttentionShape>,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  row: number,
): Float64Array {
  const { tokens, heads, kvHeads, headDim, window, softcap } = shape;
  const [first, end] = seenBy(row, tokens, window);
  const out = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const query = (row * heads + head) * headDim;
    const kvHead = Math.floor(head / (heads / kvHeads));
    const at = (position: number) => (position * kvHeads + kvHead) * headDim;
    const scores = Float64Array.from({ length: end - first }, (_, i) => {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += q[query + d]! * k[at(first + i) + d]!;
      const score = dot / Math.sqrt(headDim);
      return softcap === 0 ? score : softcap * Math.tanh(score / softcap);
    });
    const most = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - most));
    const sum = weights.reduce((a, b) => a + b);
    for (let i = 0; i < weights.length; i++) {
      for (let d = 0; d < headDim; d++) out[head * headDim + d]! += (weights[i]! / sum) * v[at(first + i) + d]!;
    }
  }
  return out;
}
