// The kernels' results in float64, straight from their definitions: what errors are measured against.

import type { AttentionShape } from "../kernels/attention.js";

/** |a - b| / |b|, as vectors: how far `a` is from the exact `b`. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

/** Products of one row of weights (columns) with every row of x (tokens, columns). */
export function exactRow(weights: Float32Array, x: Float32Array): number[] {
  const columns = weights.length;
  return Array.from({ length: x.length / columns }, (_, token) => {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += weights[k]! * x[token * columns + k]!;
    return sum;
  });
}

/** What query row `row` gets in all heads, (heads * headDim). */
export function exactAttention(
  shape: Required<AttentionShape>,
  k: Float32Array,
  v: Float32Array,
  q: Float32Array,
  row: number,
): Float64Array {
  const { heads, kvHeads, headDim, positions, rows, window } = shape;
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
      return dot / Math.sqrt(headDim);
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
