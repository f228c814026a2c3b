// What attention makes of the segments of a text, merged (assembly/kernels/attention.ts).

import { checkInteger } from "../../options.js";
import { f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

/** The shape of what is merged: the segments that one row has seen. */
export interface MergeAttentionShape {
  readonly segments: number;
  /** Query heads that share a KV head. */
  readonly heads: number;
  /** A multiple of 4. */
  readonly headDim: number;
}

/** The parts of segments, merged in their order. From `KernelLab.mergeAttention`. */
export interface MergeAttentionKernel extends ShapedKernel<MergeAttentionShape> {
  /** The parts read, the results written. */
  readonly bytes: number;
  /**
   * @param parts (segments, heads * (headDim + 2)) f32: of each segment the sums of weights times v, (heads, headDim); then the largest scores,
   * divided by ln 2, (heads); then the sums of weights, (heads), 2^64 times what they are, as the others are
   * @throws CriaError INVALID_SHAPE when the number of values is another
   */
  setParts(parts: Float32Array): this;
  /** (heads, headDim) f32. */
  readonly result: Float32Array;
}

export const mergeAttention = declareKernel<MergeAttentionShape, MergeAttentionKernel, "parts" | "out" | "scratch">({
  plan(given, { sizes }) {
    const segments = checkInteger("segments", given.segments, 1, 2 ** 16);
    const heads = checkInteger("heads", given.heads, 1, 1024);
    const headDim = checkInteger("headDim", given.headDim, 4, 1024);
    const width = heads * headDim;
    const partBytes = sizes.attentionPartBytes(headDim, heads);
    return {
      shape: { segments, heads, headDim },
      bytes: 4 * (segments * heads * (headDim + 2) + width),
      buffers: {
        parts: f32(segments, heads * (headDim + 2), partBytes),
        out: f32(1, width),
        scratch: u8(sizes.attentionScratchBytes(headDim, heads)),
      },
      set: { setParts: ["parts"] },
      run: ({ at, kernels }) =>
        kernels.mergeAttention(at.parts, segments, 1, heads, headDim, 0, at.out, width * 4, at.scratch),
      result: "out",
    };
  },
  dimensions: ["segments", "heads", "headDim"],
  // 4096 positions of one of Llama-3.2-1B's KV heads.
  shapes: () => [[16, 4, 64]],
  share: shareOf(1),
  fill(kernel) {
    const { segments, heads, headDim } = kernel.shape;
    const width = heads * (headDim + 2);
    const parts = noise(segments * width, 1);
    for (let i = 0; i < parts.length; i++) {
      if (i % width >= heads * (headDim + 1)) parts[i] = 1 + Math.abs(parts[i]!);
    }
    kernel.setParts(parts);
    return () => relativeError(kernel.result, exactMerge(kernel.shape, parts));
  },
});

/** (heads, headDim) in float64. */
function exactMerge({ segments, heads, headDim }: MergeAttentionShape, parts: Float32Array): Float64Array {
  const width = heads * (headDim + 2);
  const out = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const top = (segment: number) => parts[segment * width + heads * headDim + head]!;
    const tops = Array.from({ length: segments }, (_, segment) => top(segment));
    const most = tops.reduce((a, b) => Math.max(a, b));
    let sum = 0;
    for (const [segment, one] of tops.entries()) {
      const factor = 2 ** (one - most);
      sum += factor * parts[segment * width + heads * (headDim + 1) + head]!;
      for (let d = 0; d < headDim; d++) {
        out[head * headDim + d]! += factor * parts[segment * width + head * headDim + d]!;
      }
    }
    for (let d = 0; d < headDim; d++) out[head * headDim + d]! /= sum;
  }
  return out;
}
