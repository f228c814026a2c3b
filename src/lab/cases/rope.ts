// The rotary embedding as it is measured: the tables of a prefill chunk of Llama-3.2-1B, and its queries, rotated in either of the two
// ways.

import type { RopeShape } from "../kernels/index.js";
import { type KernelRow, noise, shareOf } from "./case.js";
import { relativeError } from "./exact.js";

const BASE = 10000;

export const rope = rotation("neighbours");
export const ropeHalves = rotation("halves");

export const ropeTable: KernelRow = {
  dimensions: ["rows", "headDim"],
  formats: () => ["f32"],
  shapes: () => [[128, 64]],
  check: (lab, _, [rows, headDim = 0]) => void lab.ropeTable({ rows, headDim }),
  share: shareOf(0),
  peak: () => undefined,
  prepare: (lab, _, [rows = 1, headDim = 64]) => {
    const frequencies = Float64Array.from({ length: headDim / 2 }, (_, i) => BASE ** ((-2 * i) / headDim));
    const kernel = lab.ropeTable({ rows, headDim }).setFrequencies(frequencies);
    const error = () => {
      const exact = new Float64Array(rows * 2 * headDim);
      for (let position = 0; position < rows; position++) {
        for (const [i, frequency] of frequencies.entries()) {
          const at = position * 2 * headDim + 2 * i;
          const sine = Math.sin(position * frequency);
          exact.fill(Math.cos(position * frequency), at, at + 2);
          exact.set([-sine, sine], at + headDim);
        }
      }
      return relativeError(kernel.result, exact);
    };
    return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
  },
};

function rotation(pairs: Required<RopeShape>["pairs"]): KernelRow {
  return {
    dimensions: ["rows", "heads", "headDim"],
    formats: () => ["f32"],
    shapes: () => [[128, 32, 64]],
    check: (lab, _, [rows, heads = 0, headDim = 0]) => void lab.rope({ rows, heads, headDim, pairs }),
    share: shareOf(0),
    peak: () => undefined,
    prepare: (lab, _, [rows = 1, heads = 1, headDim = 64]) => {
      const x = noise(rows * heads * headDim, 1);
      const kernel = lab.rope({ rows, heads, headDim, pairs, base: BASE }).setInput(x);
      const half = headDim / 2;
      const error = () => {
        const exact = new Float64Array(x.length);
        for (let head = 0; head < rows * heads; head++) {
          const position = Math.floor(head / heads);
          for (let i = 0; i < half; i++) {
            const first = head * headDim + (pairs === "halves" ? i : 2 * i);
            const second = first + (pairs === "halves" ? half : 1);
            const angle = position * BASE ** ((-2 * i) / headDim);
            exact[first] = x[first]! * Math.cos(angle) - x[second]! * Math.sin(angle);
            exact[second] = x[first]! * Math.sin(angle) + x[second]! * Math.cos(angle);
          }
        }
        return relativeError(kernel.result, exact);
      };
      return { run: () => kernel.run(), bytes: kernel.bytes, operations: 0, error };
    },
  };
}
