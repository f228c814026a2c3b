// The gated delta rule, which takes the place of attention in hybrid models: assembly/kernels/delta_rule.ts.
//
// A run takes the state on, so that the next one begins where it ended. The rule draws the state to what its input asks for, and so its
// numbers stay normal, however often it runs. The error is that of a run from a state of noise.

import { DELTA_COLUMNS } from "#abi";
import { checkInteger } from "../../options.js";
import { checkMultiple, f32, u8 } from "./buffers.js";
import { declareKernel } from "./declaration.js";
import { noise, relativeError, shareOf } from "./measuring.js";
import type { ShapedKernel } from "./prepared.js";

const EPSILON = 1e-6;

/** The shape of a gated delta rule: some heads, each with a state of its own, take in the same tokens. */
export interface DeltaRuleShape {
  /** Tokens: 1 is decode. Default 1. */
  readonly rows?: number;
  /** Default 1. */
  readonly heads?: number;
  /** Elements of a key, a query and a value: a multiple of 16. */
  readonly dims: number;
}

/**
 * S = e^g S + k (sigmoid(beta) (v - e^g S^T k))^T and y = S^T q, token by token, with g = a softplus(alpha + dt) and with k and q of length
 * 1 and 1 / sqrt(dims) (Yang et al. 2024). From `KernelLab.deltaRule`.
 */
export interface DeltaRuleKernel extends ShapedKernel<DeltaRuleShape> {
  /** The states, q, k, v and y. */
  readonly bytes: number;
  /** 7 for each element of S and token. */
  readonly operations: number;
  /** @param state (heads, dims / 16, dims, 16) f32: columns of S in blocks of 16 @throws CriaError INVALID_SHAPE */
  setState(state: Float32Array): this;
  /** @param q (rows, heads, dims) f32 @param k the same shape @param v the same shape @throws CriaError INVALID_SHAPE */
  setInput(q: Float32Array, k: Float32Array, v: Float32Array): this;
  /**
   * @param alpha (rows, heads) f32
   * @param beta (rows, heads) f32
   * @param dt (heads) f32
   * @param a (heads) f32: less than 0
   * @throws CriaError INVALID_SHAPE
   */
  setGates(alpha: Float32Array, beta: Float32Array, dt: Float32Array, a: Float32Array): this;
  /** (rows, heads, dims) f32. */
  readonly result: Float32Array;
}

type Buffers = "q" | "k" | "v" | "alpha" | "beta" | "dt" | "a" | "state" | "y" | "scratch";

export const deltaRule = declareKernel<DeltaRuleShape, DeltaRuleKernel, Buffers>({
  plan(given, { sizes }) {
    const rows = checkInteger("rows", given.rows ?? 1, 1, 2 ** 16);
    const heads = checkInteger("heads", given.heads ?? 1, 1, 1024);
    const dims = checkInteger("dims", given.dims, DELTA_COLUMNS, 1024);
    checkMultiple("dims", dims, DELTA_COLUMNS);
    const width = heads * dims;
    const stride = width * 4;
    return {
      shape: { rows, heads, dims },
      bytes: 4 * (heads * dims * dims + 4 * rows * width),
      operations: 7 * rows * heads * dims * dims,
      buffers: {
        q: f32(rows, width),
        k: f32(rows, width),
        v: f32(rows, width),
        alpha: f32(rows, heads),
        beta: f32(rows, heads),
        dt: f32(1, heads),
        a: f32(1, heads),
        state: f32(heads, dims * dims),
        y: f32(rows, width),
        scratch: u8(sizes.deltaRuleScratchBytes(dims)),
      },
      set: { setState: ["state"], setInput: ["q", "k", "v"], setGates: ["alpha", "beta", "dt", "a"] },
      run({ at, kernels }) {
        for (let head = 0; head < heads; head++) {
          const offset = head * dims * 4;
          const state = at.state + offset * dims;
          kernels.deltaRule(
            at.q + offset,
            at.k + offset,
            at.v + offset,
            stride,
            rows,
            dims,
            at.alpha + head * 4,
            at.beta + head * 4,
            heads * 4,
            at.dt + head * 4,
            at.a + head * 4,
            EPSILON,
            state,
            state,
            at.y + offset,
            stride,
            at.scratch,
          );
        }
      },
      result: "y",
    };
  },
  dimensions: ["rows", "heads", "dims"],
  // Decode, and a prefill chunk, with Qwen3.5-2B's heads.
  shapes: () => [
    [1, 16, 128],
    [128, 16, 128],
  ],
  share: shareOf(1),
  peak: () => "f32",
  fill(kernel) {
    const { rows, heads, dims } = kernel.shape;
    const q = noise(rows * heads * dims, 1);
    const k = noise(rows * heads * dims, 2);
    const v = noise(rows * heads * dims, 3);
    const alpha = noise(rows * heads, 4);
    const beta = noise(rows * heads, 5);
    const dt = noise(heads, 6);
    const a = noise(heads, 7).map((value) => value / 2 - 0.6);
    const state = noise(heads * dims * dims, 8);
    kernel.setInput(q, k, v).setGates(alpha, beta, dt, a).setState(state);
    return () => {
      kernel.setState(state).run();
      const exact = new Float64Array(rows * heads * dims);
      for (let head = 0; head < heads; head++) {
        const s = Float64Array.from(state.subarray(head * dims * dims, (head + 1) * dims * dims));
        for (let row = 0; row < rows; row++) {
          const at = (row * heads + head) * dims;
          const gate = row * heads + head;
          const fade = Math.exp(a[head]! * Math.log1p(Math.exp(alpha[gate]! + dt[head]!)));
          const learn = 1 / (1 + Math.exp(-beta[gate]!));
          const key = unit(k.subarray(at, at + dims), 1);
          const query = unit(q.subarray(at, at + dims), 1 / Math.sqrt(dims));
          takeOn(s, { key, query, value: v.subarray(at, at + dims), fade, learn }, exact.subarray(at, at + dims));
        }
      }
      return relativeError(kernel.result, exact);
    };
  },
});

interface Token {
  readonly key: Float64Array;
  readonly query: Float64Array;
  readonly value: Float32Array;
  readonly fade: number;
  readonly learn: number;
}

/** One token of one head in float64; `s` as the kernel has it. */
function takeOn(s: Float64Array, { key, query, value, fade, learn }: Token, y: Float64Array): void {
  const dims = key.length;
  for (let column = 0; column < dims; column++) {
    const first = Math.floor(column / DELTA_COLUMNS) * DELTA_COLUMNS * dims + (column % DELTA_COLUMNS);
    let known = 0;
    for (let i = 0; i < dims; i++) known += fade * s[first + i * DELTA_COLUMNS]! * key[i]!;
    const news = learn * (value[column]! - known);
    for (let i = 0; i < dims; i++) {
      const at = first + i * DELTA_COLUMNS;
      s[at] = fade * s[at]! + key[i]! * news;
      y[column]! += s[at]! * query[i]!;
    }
  }
}

/** x with the length `length`, in float64. */
function unit(x: Float32Array, length: number): Float64Array {
  const norm = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
  return Float64Array.from(x, (value) => (value / Math.max(norm, EPSILON)) * length);
}
