// Gemma 4's models in the shape of real ones: layers of two kinds, the last of which read the keys and values of others, and vectors of
// their own for all layers.

import type { GgufWriter } from "cria/gguf";
import type { Shape } from "./shapes.js";

/** What a shape has besides the common numbers, which are those of the layers that see everything. */
export interface Gemma4Shape {
  /** Dimensions of a head in layers with a window; of every `period` layers, the last has none. */
  readonly localHeadDim: number;
  readonly period: number;
  /** So many layers, the last, read the keys and values of others. They are twice as wide. */
  readonly sharedLayers: number;
  /** Elements of the vector of its own that every layer gets of a token. */
  readonly perLayer: number;
}

type AddMatrix = (name: string, columns: number, rows: number) => void;

const isLocal = (layer: number, { period }: Gemma4Shape) => layer % period !== period - 1;

export function setGemma4Keys(writer: GgufWriter, { layers, ffn }: Shape, shape: Gemma4Shape): void {
  const number = (key: string, value: number) => writer.set(`gemma4.${key}`, "uint32", value);
  const widths = Int32Array.from({ length: layers }, (_, i) => (i < layers - shape.sharedLayers ? ffn : 2 * ffn));
  writer.set("gemma4.feed_forward_length", "int32[]", widths);
  writer.set(
    "gemma4.attention.sliding_window_pattern",
    "bool[]",
    Array.from(widths, (_, layer) => isLocal(layer, shape)),
  );
  number("attention.key_length_swa", shape.localHeadDim);
  number("attention.value_length_swa", shape.localHeadDim);
  number("rope.dimension_count_swa", shape.localHeadDim);
  number("attention.shared_kv_layers", shape.sharedLayers);
  number("embedding_length_per_layer_input", shape.perLayer);
  writer.set("gemma4.rope.freq_base_swa", "float32", 10000);
  writer.set("gemma4.final_logit_softcapping", "float32", 30);
}

export function addGemma4Tensors(writer: GgufWriter, shape: Shape, gemma4: Gemma4Shape, matrix: AddMatrix): void {
  const { dim, layers, heads, kvHeads, headDim = dim / heads, ffn, vocab } = shape;
  const { localHeadDim, sharedLayers, perLayer } = gemma4;
  const vector = (name: string, columns: number) => writer.addTensor(`${name}.weight`, "F32", [columns]);
  matrix("token_embd", dim, vocab);
  matrix("per_layer_token_embd", layers * perLayer, vocab);
  writer.addTensor("per_layer_model_proj.weight", "BF16", [dim, layers * perLayer]);
  vector("per_layer_proj_norm", perLayer);
  vector("rope_freqs", headDim / 2);
  for (let layer = 0; layer < layers; layer++) {
    const blk = `blk.${layer}.`;
    const isShared = layer >= layers - sharedLayers;
    const size = isLocal(layer, gemma4) ? localHeadDim : headDim;
    const width = isShared ? 2 * ffn : ffn;
    for (const name of ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_norm"]) {
      vector(blk + name, dim);
    }
    vector(`${blk}attn_q_norm`, size);
    matrix(`${blk}attn_q`, dim, heads * size);
    if (!isShared) {
      vector(`${blk}attn_k_norm`, size);
      matrix(`${blk}attn_k`, dim, kvHeads * size);
      matrix(`${blk}attn_v`, dim, kvHeads * size);
    }
    matrix(`${blk}attn_output`, heads * size, dim);
    matrix(`${blk}ffn_gate`, dim, width);
    matrix(`${blk}ffn_up`, dim, width);
    matrix(`${blk}ffn_down`, width, dim);
    matrix(`${blk}inp_gate`, dim, perLayer);
    matrix(`${blk}proj`, perLayer, dim);
    vector(`${blk}layer_output_scale`, 1);
  }
  vector("output_norm", dim);
}

/** rope_freqs.weight: a quarter of the pairs are rotated. */
export function proportionalFactors(pairs: number): Uint8Array {
  return new Uint8Array(Float32Array.from({ length: pairs }, (_, pair) => (pair < pairs / 4 ? 1 : 1e30)).buffer);
}
