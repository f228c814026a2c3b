// Gemma 4's forward pass in scalar TypeScript and float64, whose layers have little in common with those of forward.ts.

import { add, gelu, linear, norm, type ReferenceModel, rmsNorm, row, softmax } from "./forward.js";

/** The lists that its files have, one element for each layer. */
export interface LayerLists {
  readonly isLocal: readonly boolean[];
  readonly kvHeads: readonly number[];
}

type Rows = readonly Float64Array[];

/** The keys and values that a layer stores, each (n, kvHeads * headDim). */
interface Stored {
  readonly k: Rows;
  readonly v: Rows;
}

/** Logits (n, vocab) of tokens at positions 0, 1, 2, ... */
export function gemma4Logits(model: ReferenceModel, lists: LayerLists, tokens: readonly number[]): Float64Array[] {
  const { key, tensor } = model;
  const layers = lists.isLocal.length;
  const dim = key("embedding_length")!;
  const embedded = tokens.map((token) => row(tensor("token_embd.weight")!, token).map((one) => one * Math.sqrt(dim)));
  const vectors = embedded.map((x, i) => vectorsOf(model, x, tokens[i]!)); // (n, layers * width)
  const firstShared = layers - (key("attention.shared_kv_layers") ?? 0);
  const stored: Stored[] = [];
  let x: Rows = embedded;
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}`;
    const source = layer < firstShared ? layer : lists.isLocal.lastIndexOf(lists.isLocal[layer]!, firstShared - 1);
    const normed = x.map((one) => norm(model, name("attn_norm"), one));
    if (source === layer) stored[layer] = storedOf(model, lists, layer, normed);
    const attended = attend(model, lists, layer, source, normed, stored[source]!);
    x = x.map((one, position) => {
      let y = sum(one, norm(model, name("post_attention_norm"), attended[position]!));
      const inner = norm(model, name("ffn_norm"), y);
      const up = linear(model, name("ffn_up"), inner);
      const gated = linear(model, name("ffn_gate"), inner).map((value, i) => gelu(value) * up[i]!);
      y = sum(y, norm(model, name("post_ffw_norm"), linear(model, name("ffn_down"), gated)));
      const gate = tensor(name("inp_gate.weight"));
      if (gate !== undefined) {
        const own = vectors[position]!.subarray(layer * gate.rows, (layer + 1) * gate.rows);
        const chosen = linear(model, name("inp_gate"), y).map((value, i) => gelu(value) * own[i]!);
        y = sum(y, norm(model, name("post_norm"), linear(model, name("proj"), chosen)));
      }
      const factor = tensor(name("layer_output_scale.weight"))?.values[0] ?? 1;
      return y.map((value) => value * factor);
    });
  }
  const cap = key("final_logit_softcapping") ?? 30;
  return x.map((one) =>
    linear(model, "token_embd", norm(model, "output_norm", one)).map((y) => cap * Math.tanh(y / cap)),
  );
}

/** What all layers get of a token besides x, one part after another; nothing in files without. */
function vectorsOf(model: ReferenceModel, x: Float64Array, token: number): Float64Array {
  const weight = model.tensor("per_layer_proj_norm.weight");
  if (weight === undefined) return new Float64Array(0);
  const { columns: width } = weight;
  const looked = row(model.tensor("per_layer_token_embd.weight")!, token);
  const projected = linear(model, "per_layer_model_proj", x).map((value) => value / Math.sqrt(x.length));
  const vectors = new Float64Array(projected.length);
  for (let first = 0; first < vectors.length; first += width) {
    const part = rmsNorm(model, projected.slice(first, first + width), weight);
    for (let i = 0; i < width; i++) {
      vectors[first + i] = (part[i]! + Math.sqrt(width) * looked[first + i]!) / Math.SQRT2;
    }
  }
  return vectors;
}

function storedOf(model: ReferenceModel, lists: LayerLists, layer: number, inputs: Rows): Stored {
  const name = (part: string) => `blk.${layer}.${part}`;
  const values = model.tensor(name("attn_v.weight")) === undefined ? "attn_k" : "attn_v";
  const ones = new Float32Array(headDimOf(model, lists, layer)).fill(1);
  const plain = { rows: 1, columns: ones.length, values: ones };
  return {
    k: inputs.map((input, position) => turned(model, lists, layer, "attn_k", input, position)),
    v: inputs.map((input) =>
      eachHead(linear(model, name(values), input), ones.length, (one) => rmsNorm(model, one, plain)),
    ),
  };
}

/** The heads of q or k, normalised and rotated. */
function turned(
  model: ReferenceModel,
  lists: LayerLists,
  layer: number,
  part: string,
  x: Float64Array,
  position: number,
) {
  const { key, tensor } = model;
  const headDim = headDimOf(model, lists, layer);
  const weight = tensor(`blk.${layer}.${part}_norm.weight`)!;
  const isLocal = lists.isLocal[layer]!;
  const base = key(isLocal ? "rope.freq_base_swa" : "rope.freq_base")!;
  return eachHead(linear(model, `blk.${layer}.${part}`, x), headDim, (head) => {
    const y = rmsNorm(model, head, weight);
    const half = headDim / 2;
    const rotated = y.slice();
    for (let i = 0; i < half; i++) {
      const factor = isLocal ? 1 : tensor("rope_freqs.weight")!.values[i]!;
      const angle = (position * base ** (-i / half)) / factor;
      rotated[i] = y[i]! * Math.cos(angle) - y[i + half]! * Math.sin(angle);
      rotated[i + half] = y[i]! * Math.sin(angle) + y[i + half]! * Math.cos(angle);
    }
    return rotated;
  });
}

/** wo . softmax(q . k) . v, over the positions that each may see. */
function attend(
  model: ReferenceModel,
  lists: LayerLists,
  layer: number,
  source: number,
  inputs: Rows,
  { k, v }: Stored,
): Rows {
  const heads = model.key("attention.head_count")!;
  const headDim = headDimOf(model, lists, layer);
  const window = lists.isLocal[layer] ? model.key("attention.sliding_window")! : Number.POSITIVE_INFINITY;
  return inputs.map((input, position) => {
    const q = turned(model, lists, layer, "attn_q", input, position);
    const first = Math.max(0, position - window + 1);
    const attended = new Float64Array(heads * headDim);
    for (let head = 0; head < heads; head++) {
      const at = Math.floor((head * lists.kvHeads[source]!) / heads) * headDim;
      const query = q.subarray(head * headDim, (head + 1) * headDim);
      const seen = Array.from({ length: position - first + 1 }, (_, i) => first + i);
      const scores = seen.map((other) => query.reduce((total, value, i) => total + value * k[other]![at + i]!, 0));
      for (const [i, weight] of softmax(scores).entries()) {
        for (let d = 0; d < headDim; d++) attended[head * headDim + d]! += weight * v[seen[i]!]![at + d]!;
      }
    }
    return linear(model, `blk.${layer}.attn_output`, attended);
  });
}

function headDimOf({ key }: ReferenceModel, { isLocal }: LayerLists, layer: number): number {
  return key(isLocal[layer] ? "attention.key_length_swa" : "attention.key_length")!;
}

function eachHead(x: Float64Array, headDim: number, change: (head: Float64Array) => Float64Array): Float64Array {
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += headDim) y.set(change(x.slice(at, at + headDim)), at);
  return y;
}

function sum(a: Float64Array, b: Float64Array): Float64Array {
  const total = a.slice();
  add(total, b);
  return total;
}
