// The plain version of storeKv and attention: what the cache holds of a vector, and softmax(q . k * scale) . v in f64, position by position.

import { KV_F16, KV_F32 } from "../../../dist/abi.js";
import { halfToEven } from "./matmul-twin.js";

const f = Math.fround;

/** What is read back of a vector (headDim) from a cache of this kind. */
export function stored(kind: number, vector: Float32Array): Float32Array {
  if (kind === KV_F32) return vector;
  if (kind === KV_F16) return vector.map(half);
  const out = new Float32Array(vector.length);
  for (let at = 0; at < vector.length; at += 32) {
    const block = vector.subarray(at, at + 32);
    const top = block.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    const inverse = top === 0 ? 0 : f(127 / top);
    out.set(
      block.map((value) => halfToEven(f(value * inverse)) * f(top / 127)),
      at,
    );
  }
  return out;
}

/** The nearest f16, ties to even; beyond the largest, the largest. */
function half(value: number): number {
  const magnitude = Math.min(Math.abs(value), 65504);
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(magnitude))) - 10);
  return Math.sign(value) * halfToEven(magnitude / step) * step;
}

/**
 * One query (headDim) against the keys and values, (positions, headDim), that it sees, a score without a value, what each score loses, and
 * the soft limit of scores before that.
 */
export function attend(
  q: Float32Array,
  k: readonly Float32Array[],
  v: readonly Float32Array[],
  scale: number,
  sink = Number.NEGATIVE_INFINITY,
  loss = (_: number) => 0,
  softcap = 0,
): Float64Array {
  const scores = k.map((key, p) => {
    let sum = 0;
    for (let d = 0; d < key.length; d++) sum += key[d]! * q[d]!;
    const score = sum * scale;
    return (softcap === 0 ? score : softcap * Math.tanh(score / softcap)) - loss(p);
  });
  const top = scores.reduce((a, b) => Math.max(a, b), sink);
  const weights = scores.map((score) => Math.exp(score - top));
  const sum = weights.reduce((a, b) => a + b, Math.exp(sink - top));
  const out = new Float64Array(q.length);
  for (const [p, weight] of weights.entries()) {
    const value = v[p]!;
    for (let d = 0; d < out.length; d++) out[d]! += (weight / sum) * value[d]!;
  }
  return out;
}
