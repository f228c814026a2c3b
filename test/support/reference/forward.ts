// The whole forward pass of every architecture in scalar TypeScript and float64: slow, and as plain as it gets. Everything fast is
// held against it, and it is itself held against results that this project did not compute.

import type { Gguf } from "../../../dist/gguf/index.js";
import { dequantize } from "../dequantize.js";
import { mixture } from "./experts.js";
import { type Angles, ropeTable } from "./rope.js";

interface Matrix {
  /** Of all matrices, where the tensor has several. */
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array; // (rows, columns)
}

/** Hyperparameters by their GGUF keys, and all tensors as 32-bit floats. */
export interface ReferenceModel {
  readonly architecture: string;
  readonly key: (name: string) => number | undefined;
  readonly text: (name: string) => string | undefined;
  readonly flag: (name: string) => boolean | undefined;
  readonly tensor: (name: string) => Matrix | undefined;
  /** Told how far the last logit that a router chooses is above the first that it does not. */
  readonly onChoice?: (distance: number) => void;
}

/** Reads and dequantises the whole model. */
export async function readReferenceModel(gguf: Gguf): Promise<ReferenceModel> {
  const tensors = new Map<string, Matrix>();
  for (const tensor of gguf.tensors) {
    const [columns = 1, ...others] = tensor.shape;
    const rows = others.reduce((product, n) => product * n, 1);
    const values = dequantize(tensor.type, await gguf.readTensor(tensor), rows * columns);
    tensors.set(tensor.name, { rows, columns, values });
  }
  const architecture = gguf.metadata.getString("general.architecture")!;
  return {
    architecture,
    key: (name) => gguf.metadata.getNumber(`${architecture}.${name}`),
    text: (name) => gguf.metadata.getString(`${architecture}.${name}`),
    flag: (name) => gguf.metadata.getBoolean(`${architecture}.${name}`),
    tensor: (name) => tensors.get(name),
  };
}

/**
 * Evaluates tokens at positions 0, 1, 2, ...
 *
 * @returns hidden (n, dim): the output of the last norm and of what may follow it; logits (n, vocab), none of an encoder
 */
export function forward(
  model: ReferenceModel,
  tokens: ArrayLike<number>,
): { logits: Float32Array; hidden: Float32Array } {
  const { tensor } = model;
  if (/^(?:jina-|nomic-)?bert/.test(model.architecture)) {
    return { logits: new Float32Array(0), hidden: flatten(encode(model, tokens)) };
  }
  const states = decode(model, tokens).map((state) => norm(model, "output_norm", state));
  if (model.architecture === "gemma-embedding") {
    const dense = (name: string, x: Float64Array) =>
      tensor(`${name}.weight`) === undefined ? x : linear(model, name, x);
    const hidden = states.map((state) => dense("dense_3", dense("dense_2", state)));
    return { logits: new Float32Array(0), hidden: flatten(hidden) };
  }
  if (/^(?:modern-|euro)bert/.test(model.architecture)) {
    return { logits: new Float32Array(0), hidden: flatten(states) };
  }
  const output = tensor("output.weight") === undefined ? "token_embd" : "output"; // tied if absent
  const cap = softcap(model, "final_logit_softcapping", 30);
  const logits = states.map((state) => linear(model, output, state).map(cap));
  return { logits: flatten(logits), hidden: flatten(states) };
}

/** Models whose norms come before what they normalise: x after the last layer. */
function decode(model: ReferenceModel, tokens: ArrayLike<number>): Float64Array[] {
  const gemma = model.architecture.startsWith("gemma");
  const scale = gemma ? Math.sqrt(model.key("embedding_length")!) : 1;
  const embedding = model.tensor("token_embd.weight")!; // (vocab, dim)
  const modernBert = model.architecture === "modern-bert";
  const x = Array.from(tokens, (token) => {
    const state = row(embedding, token).map((value) => value * scale);
    return modernBert ? norm(model, "token_embd_norm", state) : state;
  }); // (n, dim): the residual stream
  // Gemma and GLM-4 normalise what is added, too.
  const hasPost = gemma || model.architecture === "glm4";
  const post = (name: string, y: Float64Array) => (hasPost ? norm(model, name, y) : y);
  for (let layer = 0; layer < model.key("block_count")!; layer++) {
    const block = (name: string): string => `blk.${layer}.${name}`;
    const normed = x.map((state) => (modernBert && layer === 0 ? state : norm(model, block("attn_norm"), state)));
    for (const [position, attended] of attention(model, layer, normed).entries()) {
      add(x[position]!, post(block("post_attention_norm"), attended));
    }
    for (const state of x) {
      if (model.tensor(block("ffn_gate_inp.weight")) !== undefined) {
        const name = model.architecture === "gpt-oss" ? "post_attention_norm" : "ffn_norm";
        add(state, mixture(model, layer, norm(model, block(name), state)));
        continue;
      }
      const isGelu = gemma || (modernBert && model.text("hidden_activation") !== "silu");
      const gated = gatedUp(model, layer, norm(model, block("ffn_norm"), state), isGelu ? gelu : silu);
      add(state, post(block("post_ffw_norm"), linear(model, block("ffn_down"), gated)));
    }
  }
  return x;
}

/** activation(gate) * up, (ffn): of two matrices, or of one that has the rows of gate and then those of up. */
function gatedUp(
  model: ReferenceModel,
  layer: number,
  x: Float64Array,
  activation: (x: number) => number,
): Float64Array {
  const up = linear(model, `blk.${layer}.ffn_up`, x);
  if (model.tensor(`blk.${layer}.ffn_gate.weight`) !== undefined) {
    return linear(model, `blk.${layer}.ffn_gate`, x).map((value, i) => activation(value) * up[i]!);
  }
  const ffn = up.length / 2;
  return up.slice(0, ffn).map((value, i) => activation(value) * up[ffn + i]!);
}

/** BERT and what comes of it, whose norms come after what they normalise. */
function encode(model: ReferenceModel, tokens: ArrayLike<number>): Float64Array[] {
  const { tensor } = model;
  let x = Array.from(tokens, (token, position) => {
    const state = row(tensor("token_embd.weight")!, token);
    for (const [name, index] of [
      ["token_types", 0],
      ["position_embd", position],
    ] as const) {
      const table = tensor(`${name}.weight`);
      if (table !== undefined) add(state, row(table, index));
    }
    return norm(model, "token_embd_norm", state);
  });
  for (let layer = 0; layer < model.key("block_count")!; layer++) {
    const block = (name: string): string => `blk.${layer}.${name}`;
    const attended = attention(model, layer, x);
    x = x.map((state, position) => {
      const sum = state.slice();
      add(sum, attended[position]!);
      let y = norm(model, block("attn_output_norm"), sum);
      if (tensor(block("attn_norm_2.weight")) !== undefined) {
        add(y, state); // the layer's input, once more
        y = norm(model, block("attn_norm_2"), y);
      }
      if (tensor(block("ffn_gate_inp.weight")) !== undefined) {
        add(y, mixture(model, layer, y, gelu));
        return norm(model, block("layer_output_norm"), y);
      }
      const ffn = model.key("feed_forward_length")!;
      const isGated = tensor(block("ffn_gate.weight")) !== undefined || tensor(block("ffn_up.weight"))!.rows > ffn;
      const gate = model.architecture === "nomic-bert" ? silu : gelu;
      const activated = isGated ? gatedUp(model, layer, y, gate) : linear(model, block("ffn_up"), y).map(gelu);
      add(y, linear(model, block("ffn_down"), activated));
      return norm(model, block("layer_output_norm"), y);
    });
  }
  return x;
}

/** wo . attention over `inputs` (n, dim), which are normalised already where they must be: (n, dim). */
function attention(model: ReferenceModel, layer: number, inputs: readonly Float64Array[]): Float64Array[] {
  const { key, tensor, architecture } = model;
  const dim = key("embedding_length")!;
  const heads = key("attention.head_count")!;
  const kvHeads = key("attention.head_count_kv") ?? heads;
  const headDim = key("attention.key_length") ?? dim / heads;
  const block = (name: string): string => `blk.${layer}.${name}`;
  const { window, symmetric, local } = visibility(model, layer);
  const cap = softcap(model, "attn_logit_softcapping", 50);
  // Gemma 2 and 3 of 27B, which have so many layers, scale by what the heads would be wide if they divided x.
  const is27B = key("block_count") === { gemma2: 46, gemma3: 62 }[architecture];
  const scale = 1 / Math.sqrt(is27B ? Math.floor(dim / heads) : headDim);
  const alibi = architecture === "jina-bert-v2";
  const rotates = tensor("position_embd.weight") === undefined && !alibi;
  const angles = rotates && ropeTable(model, inputs.length, headDim, local);

  const turned = (name: string, projected: Float64Array, position: number) => {
    const weight = tensor(block(`${name}_norm.weight`)); // of each head, or of all together
    if (weight !== undefined && alibi) return norm(model, block(`${name}_norm`), projected);
    const normed = weight === undefined ? projected : rmsNormHeads(model, projected, weight);
    return angles ? rotate(normed, angles[position]!, headDim, /llama|glm4/.test(architecture)) : normed;
  };
  const projections = inputs.map((input, position) => {
    const [q, k, v] = project(model, layer, input, heads * headDim, kvHeads * headDim);
    return { q: turned("attn_q", q!, position), k: turned("attn_k", k!, position), v };
  });
  return projections.map(({ q }, position) => {
    const attended = new Float64Array(heads * headDim);
    const seen = projections.flatMap(({ k, v }, other) => {
      const back = position - other; // a window of w: itself and the w - 1 before, or w / 2 on either side
      const visible = symmetric ? Math.abs(back) <= window / 2 : back >= 0 && back < window;
      return visible ? [{ k, v, distance: Math.abs(back) }] : [];
    });
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads); // GQA: neighbouring query heads share a kv head
      const slope = alibi ? alibiSlope(head, heads) : 0;
      const scores = seen.map(({ k, distance }) => {
        let score = 0;
        for (let i = 0; i < headDim; i++) score += q[head * headDim + i]! * k[kvHead * headDim + i]!;
        return cap(score * scale) - slope * distance;
      });
      const sink = tensor(block("attn_sinks.weight"))?.values[head]; // a score of a position that has no v
      const weights = softmax(sink === undefined ? scores : [...scores, sink]);
      for (const [index, weight] of weights.slice(0, seen.length).entries()) {
        for (let i = 0; i < headDim; i++)
          attended[head * headDim + i]! += weight * seen[index]!.v![kvHead * headDim + i]!;
      }
    }
    return linear(model, block("attn_output"), attended);
  });
}

/** ALiBi's slope of a head (Press et al. 2021, and their code for other numbers of heads than powers of two). */
function alibiSlope(head: number, heads: number): number {
  const whole = 2 ** Math.floor(Math.log2(heads));
  return head < whole ? 2 ** ((-8 * (head + 1)) / whole) : 2 ** ((-4 * (2 * (head - whole) + 1)) / whole);
}

/** How far a token of a layer sees, whether on both sides, and whether with the RoPE of local layers. */
function visibility({ key, architecture }: ReferenceModel, layer: number) {
  const window = key("attention.sliding_window") || Number.POSITIVE_INFINITY;
  if (architecture === "gpt-oss" || architecture === "gemma2") {
    const everywhere = layer % (key("attention.sliding_window_pattern") ?? 2) === 1;
    return { window: everywhere ? Number.POSITIVE_INFINITY : window, symmetric: false, local: false };
  }
  if (architecture === "modern-bert") {
    const local = layer % (key("attention.sliding_window_pattern") ?? 3) !== 0;
    return { window: local ? window : Number.POSITIVE_INFINITY, symmetric: true, local };
  }
  if (!architecture.startsWith("gemma")) {
    return {
      window: /llama|phi3/.test(architecture) ? window : Number.POSITIVE_INFINITY,
      symmetric: architecture.includes("bert"),
      local: false,
    };
  }
  const pattern = key("attention.sliding_window_pattern") ?? 6;
  const local = layer % pattern !== pattern - 1;
  return { window: local ? window : Number.POSITIVE_INFINITY, symmetric: architecture === "gemma-embedding", local };
}

/** q, k and v of one input: of three matrices, or of one that has their rows one after another. */
function project(model: ReferenceModel, layer: number, x: Float64Array, q: number, kv: number): Float64Array[] {
  if (model.tensor(`blk.${layer}.attn_qkv.weight`) === undefined) {
    return ["attn_q", "attn_k", "attn_v"].map((name) => linear(model, `blk.${layer}.${name}`, x));
  }
  const all = linear(model, `blk.${layer}.attn_qkv`, x);
  return [all.slice(0, q), all.slice(q, q + kv), all.slice(q + kv)];
}

export function row({ columns, values }: Matrix, index: number): Float64Array {
  return Float64Array.from(values.subarray(index * columns, (index + 1) * columns));
}

/** W x, plus the bias if the file has one. */
export function linear(model: ReferenceModel, name: string, x: Float64Array): Float64Array {
  const { rows, columns, values } = model.tensor(`${name}.weight`)!;
  const bias = model.tensor(`${name}.bias`);
  const y = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = bias === undefined ? 0 : bias.values[r]!;
    for (let c = 0; c < columns; c++) sum += values[r * columns + c]! * x[c]!;
    y[r] = sum;
  }
  return y;
}

/** The model's kind of norm: the full one (Ba et al. 2016) where there is a bias and in ModernBERT, else RMSNorm. */
export function norm(model: ReferenceModel, name: string, x: Float64Array): Float64Array {
  const weight = model.tensor(`${name}.weight`)!;
  const bias = model.tensor(`${name}.bias`);
  if (bias === undefined && model.architecture !== "modern-bert") return rmsNorm(model, x, weight);
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const deviation = Math.sqrt(variance + model.key("attention.layer_norm_epsilon")!);
  return x.map((value, i) => ((value - mean) / deviation) * weight.values[i]! + (bias?.values[i] ?? 0));
}

export function rmsNorm(model: ReferenceModel, x: Float64Array, weight: Matrix): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const epsilon = model.key("attention.layer_norm_rms_epsilon")!;
  return x.map((value, i) => (value / Math.sqrt(meanSquare + epsilon)) * weight.values[i]!);
}

/** The norm of every head, each with the same weight. */
function rmsNormHeads(model: ReferenceModel, x: Float64Array, weight: Matrix): Float64Array {
  const y = new Float64Array(x.length);
  for (let head = 0; head < x.length; head += weight.columns) {
    y.set(rmsNorm(model, x.slice(head, head + weight.columns), weight), head);
  }
  return y;
}

/** Gemma 2's soft limit of numbers, cap * tanh(x / cap); the other models have none. */
function softcap({ architecture, key }: ReferenceModel, name: string, otherwise: number): (x: number) => number {
  if (architecture !== "gemma2") return (x) => x;
  const cap = key(name) ?? otherwise;
  return (x) => cap * Math.tanh(x / cap);
}

function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

/** The form with tanh. */
export function gelu(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/**
 * Turns pairs of every head by angle i: the neighbours (2i, 2i + 1), or (i, i + the number of pairs). What is beyond the table stays.
 */
function rotate(x: Float64Array, angles: readonly Angles[], headDim: number, neighbours: boolean): Float64Array {
  const y = x.slice();
  for (let head = 0; head < x.length; head += headDim) {
    for (const [i, { cos, sin }] of angles.entries()) {
      const first = head + (neighbours ? 2 * i : i);
      const second = first + (neighbours ? 1 : angles.length);
      y[first] = x[first]! * cos - x[second]! * sin;
      y[second] = x[first]! * sin + x[second]! * cos;
    }
  }
  return y;
}

export function softmax(scores: readonly number[]): readonly number[] {
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

export function add(x: Float64Array, y: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i]! += y[i]!;
}

function flatten(rows: readonly Float64Array[]): Float32Array {
  const columns = rows.length === 0 ? 0 : rows[0]!.length;
  const flat = new Float32Array(rows.length * columns);
  for (const [index, values] of rows.entries()) flat.set(values, index * columns);
  return flat;
}
