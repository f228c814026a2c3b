// Attention as it is measured: one row, and the last chunk of a prompt, over 1024 positions, with Llama-3.2-1B's heads.

import { checkChoice } from "../../options.js";
import { kvCaches } from "../kernels/kv-cache.js";
import { type KernelRow, noise, sampled, shareOf } from "./case.js";
import { exactAttention, relativeError } from "./exact.js";

export const attention: KernelRow = {
  dimensions: ["positions", "rows", "heads", "kvHeads", "headDim"],
  formats: () => kvCaches,
  shapes: () => [
    [1024, 1, 32, 8, 64],
    [1024, 128, 32, 8, 64],
  ],
  check: (lab, format, [positions = 0, rows, heads = 0, kvHeads, headDim = 0]) => {
    const kvCache = checkChoice("format", format, kvCaches);
    lab.attention({ kvCache, positions, rows, heads, kvHeads, headDim });
  },
  share: shareOf(3, 1, [2]),
  peak: () => "f32",
  prepare: (lab, format, [positions = 0, rows = 1, heads = 1, kvHeads = 1, headDim = 64]) => {
    const kvCache = checkChoice("format", format, kvCaches);
    const kernel = lab.attention({ kvCache, positions, rows, heads, kvHeads, headDim });
    const k = noise(positions * kvHeads * headDim, 1);
    const v = noise(positions * kvHeads * headDim, 2);
    // Large enough for the softmax to prefer some positions to others.
    const q = noise(rows * heads * headDim, 3).map((value) => 4 * value);
    kernel.setCache(k, v).setQueries(q);
    const error = () => {
      const { result } = kernel;
      const width = heads * headDim;
      const chosen = sampled(rows);
      const ours = chosen.flatMap((row) => [...result.subarray(row * width, (row + 1) * width)]);
      return relativeError(
        ours,
        chosen.flatMap((row) => [...exactAttention(kernel.shape, k, v, q, row)]),
      );
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: kernel.operations, error };
  },
};
