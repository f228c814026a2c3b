// Jina's second BERT (Guenther et al. 2023), the models jina-embeddings-v2: BERT without positions, whose scores fall with the distance
// (ALiBi), and with a GELU gate. The model for code normalises q and k, and adds a layer's input a second time.

import { UnsupportedError } from "../../errors.js";
import { addProduct, attention, attentionSpecs, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { LayerWeights, Pass } from "../pass.js";
import { optional, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";
import { bertEmbedding, bertWeights, feedForward, feedForwardSpecs, postNormSpecs } from "./bert.js";

function forward(pass: Pass): void {
  bertEmbedding(pass); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    if (pass.h.gateMatrix === undefined) plainLayer(pass, layer);
    else gatedLayer(pass, layer);
  }
  pass.output(); // hidden states (rows, dim): x as it is
}

function gatedLayer(pass: Pass, layer: number): void {
  const w = pass.layer(layer, gatedSpecs);
  const { gate, up } = pass.buffers;
  attentionAndNorms(pass, layer, w);
  const x = pass.read(undefined, [w.ffn_gate, w.ffn_up]); // (rows, dim)
  pass.matmul.multiplyGated(x, { weight: w.ffn_gate, to: gate }, { weight: w.ffn_up, to: up }, "gelu"); // (rows, ffn)
  addProduct(pass, gate, w.ffn_down, w.ffn_down_bias); // x += w_down . (gelu(w_gate . x) * (w_up . x))
  pass.layerNorm(w.layer_output_norm, w.layer_output_norm_bias);
}

function gatedSpecs(h: Hyperparameters, layer: number) {
  const feedForward = {
    ...gatedFeedForwardSpecs(h, layer, { fused: h.gateMatrix === "fused" }),
    ffn_down_bias: vector(`blk.${layer}.ffn_down.bias`, h.dim),
  };
  return layerSpecs(h, layer, feedForward);
}

function plainLayer(pass: Pass, layer: number): void {
  const w = pass.layer(layer, plainSpecs);
  attentionAndNorms(pass, layer, w);
  feedForward(pass, w); // x += w_down . gelu(w_up . x)
  pass.layerNorm(w.layer_output_norm, w.layer_output_norm_bias);
}

function plainSpecs(h: Hyperparameters, layer: number) {
  return layerSpecs(h, layer, feedForwardSpecs(h, layer));
}

/** x = norm(x + wo . attention([norm] (wq . x), [norm] (wk . x), wv . x)), and x = norm(x + what x was before), where the file has that norm */
function attentionAndNorms(pass: Pass, layer: number, w: LayerWeights<ReturnType<typeof layerSpecs<object>>>): void {
  const input = w.attn_norm_2 && pass.keep();
  attention(pass, layer, w);
  pass.layerNorm(w.attn_output_norm, w.attn_output_norm_bias);
  if (w.attn_norm_2 !== undefined) pass.layerNorm(w.attn_norm_2, w.attn_norm_2_bias, input);
}

function layerSpecs<FeedForward>(h: Hyperparameters, layer: number, feedForward: FeedForward) {
  const blk = `blk.${layer}.`;
  const norm = (name: string, columns: number) => optional(vector(`${blk}${name}`, columns));
  const attention = {
    ...attentionSpecs(h, layer, { biases: true }),
    attn_q_whole_norm: norm("attn_q_norm.weight", h.heads * h.headDim),
    attn_q_whole_norm_bias: norm("attn_q_norm.bias", h.heads * h.headDim),
    attn_k_whole_norm: norm("attn_k_norm.weight", h.kvHeads * h.headDim),
    attn_k_whole_norm_bias: norm("attn_k_norm.bias", h.kvHeads * h.headDim),
  };
  return {
    ...postNormSpecs(h, layer, attention, feedForward),
    attn_norm_2: norm("attn_norm_2.weight", h.dim),
    attn_norm_2_bias: norm("attn_norm_2.bias", h.dim),
  };
}

/** The common keys; and where the gate's matrix is, which no key says. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "none", norm: "layer", encoder: true, alibi: true });
  const bias = reader.number("attention.max_alibi_bias", 8, -1, 1000);
  if (bias !== 8) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `${reader.architecture}.attention.max_alibi_bias is ${bias}; supported: 8`,
    );
  }
  const rows = reader.gguf.tensor("blk.0.ffn_up.weight")?.shape[1];
  const has = reader.gguf.tensor("blk.0.ffn_gate.weight") !== undefined;
  return { ...h, gateMatrix: has ? "own" : rows === 2 * h.ffn ? "fused" : undefined };
}

export const jinaBertV2: Architecture = {
  hyperparameters,
  weights: (h) => bertWeights(h, h.gateMatrix === undefined ? plainSpecs : gatedSpecs),
  forward,
};
