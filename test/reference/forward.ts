// The whole forward pass of a decoder in scalar TypeScript and float64: slow, and as plain as it gets. Everything fast is
// held against it, and it is itself held against results that this project did not compute.

import type { Gguf } from "../../dist/gguf/index.js";
import { dequantize } from "../dequantize.js";
import { ropeTable } from "./rope.js";

interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array; // (rows, columns)
}

/** Hyperparameters by their GGUF keys, and all tensors as 32-bit floats. */
export interface ReferenceModel {
  readonly architecture: string;
  readonly key: (name: string) => number | undefined;
  readonly text: (name: string) => string | undefined;
  readonly tensor: (name: string) => Matrix | undefined;
}

/** Reads and dequantises the whole model. */
export async function readReferenceModel(gguf: Gguf): Promise<ReferenceModel> {
  const tensors = new Map<string, Matrix>();
  for (const tensor of gguf.tensors) {
    const [columns, rows = 1] = tensor.shape;
    const values = dequantize(tensor.type, await gguf.readTensor(tensor), rows * columns);
    tensors.set(tensor.name, { rows, columns, values });
  }
  const architecture = gguf.metadata.getString("general.architecture")!;
  return {
    architecture,
    key: (name) => gguf.metadata.getNumber(`${architecture}.${name}`),
    text: (name) => gguf.metadata.getString(`${architecture}.${name}`),
    tensor: (name) => tensors.get(name),
  };
}

/**
 * Evaluates tokens at positions 0, 1, 2, ...
 *
 * @returns logits (n, vocab), and hidden (n, dim): the output of the last norm
 */
export function forward(
  model: ReferenceModel,
  tokens: ArrayLike<number>,
): { logits: Float32Array; hidden: Float32Array } {
  const { key, tensor } = model;
  const n = tokens.length;
  const dim = key("embedding_length")!;
  const heads = key("attention.head_count")!;
  const kvHeads = key("attention.head_count_kv") ?? heads;
  const headDim = key("attention.key_length") ?? dim / heads;
  const window = key("attention.sliding_window") || Number.POSITIVE_INFINITY;
  const epsilon = key("attention.layer_norm_rms_epsilon")!;
  const rope = ropeTable(model, n, headDim);

  const embedding = tensor("token_embd.weight")!; // (vocab, dim)
  const x = Array.from(tokens, (token) => row(embedding, token)); // (n, dim): the residual stream
  for (let layer = 0; layer < key("block_count")!; layer++) {
    const block = (name: string): string => `blk.${layer}.${name}`;
    const q: Float64Array[] = []; // (n, heads * headDim)
    const k: Float64Array[] = []; // (n, kvHeads * headDim): the KV cache
    const v: Float64Array[] = [];
    for (let position = 0; position < n; position++) {
      const normed = rmsNorm(x[position], tensor(block("attn_norm.weight"))!, epsilon);
      for (const [name, vectors] of [
        ["attn_q", q],
        ["attn_k", k],
      ] as const) {
        const projected = linear(model, block(name), normed);
        const norm = tensor(block(`${name}_norm.weight`)); // of each head, in Qwen3
        const heads = norm === undefined ? projected : rmsNormHeads(projected, norm, epsilon);
        vectors.push(rotate(heads, rope[position], headDim, model.architecture === "llama"));
      }
      v.push(linear(model, block("attn_v"), normed));
    }
    for (let position = 0; position < n; position++) {
      const attended = new Float64Array(heads * headDim);
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor((head * kvHeads) / heads); // GQA: neighbouring query heads share a kv head
        const first = Math.max(0, position - window + 1); // a window of w: itself and the w - 1 before
        const scores = [];
        for (let past = first; past <= position; past++) {
          let score = 0;
          for (let i = 0; i < headDim; i++) score += q[position][head * headDim + i] * k[past][kvHead * headDim + i];
          scores.push(score / Math.sqrt(headDim));
        }
        for (const [index, weight] of softmax(scores).entries()) {
          for (let i = 0; i < headDim; i++) {
            attended[head * headDim + i] += weight * v[first + index][kvHead * headDim + i];
          }
        }
      }
      add(x[position], linear(model, block("attn_output"), attended));

      const normed = rmsNorm(x[position], tensor(block("ffn_norm.weight"))!, epsilon);
      const gate = linear(model, block("ffn_gate"), normed); // (ffn)
      const up = linear(model, block("ffn_up"), normed);
      const activated = gate.map((value, i) => (value / (1 + Math.exp(-value))) * up[i]); // SwiGLU
      add(x[position], linear(model, block("ffn_down"), activated));
    }
  }

  const output = tensor("output.weight") === undefined ? "token_embd" : "output"; // tied if absent
  const hidden = x.map((state) => rmsNorm(state, tensor("output_norm.weight")!, epsilon));
  return {
    logits: flatten(hidden.map((state) => linear(model, output, state))),
    hidden: flatten(hidden),
  };
}

function row({ columns, values }: Matrix, index: number): Float64Array {
  return Float64Array.from(values.subarray(index * columns, (index + 1) * columns));
}

/** W x, plus the bias if the file has one. */
function linear(model: ReferenceModel, name: string, x: Float64Array): Float64Array {
  const { rows, columns, values } = model.tensor(`${name}.weight`)!;
  const bias = model.tensor(`${name}.bias`);
  const y = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = bias === undefined ? 0 : bias.values[r];
    for (let c = 0; c < columns; c++) sum += values[r * columns + c] * x[c];
    y[r] = sum;
  }
  return y;
}

function rmsNorm(x: Float64Array, weight: Matrix, epsilon: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, i) => (value / Math.sqrt(meanSquare + epsilon)) * weight.values[i]);
}

/** The norm of every head, each with the same weight. */
function rmsNormHeads(x: Float64Array, weight: Matrix, epsilon: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let head = 0; head < x.length; head += weight.columns) {
    y.set(rmsNorm(x.slice(head, head + weight.columns), weight, epsilon), head);
  }
  return y;
}

/**
 * Turns pairs of every head by angle i: the neighbours (2i, 2i + 1), or (i, i + the number of pairs). What is beyond the table stays.
 */
function rotate(
  x: Float64Array,
  angles: readonly { cos: number; sin: number }[],
  headDim: number,
  neighbours: boolean,
): Float64Array {
  const y = x.slice();
  for (let head = 0; head < x.length; head += headDim) {
    for (const [i, { cos, sin }] of angles.entries()) {
      const first = head + (neighbours ? 2 * i : i);
      const second = first + (neighbours ? 1 : angles.length);
      y[first] = x[first] * cos - x[second] * sin;
      y[second] = x[first] * sin + x[second] * cos;
    }
  }
  return y;
}

function softmax(scores: readonly number[]): readonly number[] {
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

function add(x: Float64Array, y: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}

function flatten(rows: readonly Float64Array[]): Float32Array {
  const columns = rows.length === 0 ? 0 : rows[0].length;
  const flat = new Float32Array(rows.length * columns);
  for (const [index, values] of rows.entries()) flat.set(values, index * columns);
  return flat;
}
