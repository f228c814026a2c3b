// Nomic's BERT (Nussbaum et al. 2024), the model nomic-embed-text: BERT with RoPE in place of learned positions, a SiLU gate, one matrix
// for q, k and v, and no biases except those of the norms.

import { GROUP_ROWS } from "#abi";
import { UnsupportedError } from "../../errors.js";
import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { matrix, rowsOf, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";
import { bertEmbedding, bertWeights } from "./bert.js";

function forward(pass: Pass): void {
  bertEmbedding(pass); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(rope(wq . x), rope(wk . x), wv . x)
    pass.layerNorm(w.attn_output_norm, w.attn_output_norm_bias);
    gatedFeedForward(pass, w, "silu"); // x += w_down . (silu(w_gate . x) * (w_up . x))
    pass.layerNorm(w.layer_output_norm, w.layer_output_norm_bias);
  }
  pass.output(); // hidden states (rows, dim): x as it is
}

function layerSpecs(h: Hyperparameters, layer: number) {
  const q = h.heads * h.headDim;
  const kv = h.kvHeads * h.headDim;
  const blk = `blk.${layer}.`;
  const qkv = matrix(`${blk}attn_qkv.weight`, q + 2 * kv, h.dim);
  return {
    ...attentionSpecs(h, layer, {}),
    attn_q: rowsOf(qkv, 0, q),
    attn_k: rowsOf(qkv, q, kv),
    attn_v: rowsOf(qkv, q + kv, kv),
    attn_output_norm: vector(`${blk}attn_output_norm.weight`, h.dim),
    attn_output_norm_bias: vector(`${blk}attn_output_norm.bias`, h.dim),
    ...gatedFeedForwardSpecs(h, layer, {}),
    layer_output_norm: vector(`${blk}layer_output_norm.weight`, h.dim),
    layer_output_norm_bias: vector(`${blk}layer_output_norm.bias`, h.dim),
  };
}

function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "layer", encoder: true });
  if ((h.heads * h.headDim) % GROUP_ROWS !== 0 || (h.kvHeads * h.headDim) % GROUP_ROWS !== 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `${h.heads} heads and ${h.kvHeads} KV heads of ${h.headDim} dimensions; supported: multiples of ${GROUP_ROWS} in all`,
    );
  }
  return h;
}

export const nomicBert: Architecture = {
  hyperparameters,
  weights: (h) => bertWeights(h, layerSpecs),
  forward,
};
