// Nomic's BERT (Nussbaum et al. 2024), the model nomic-embed-text: BERT with RoPE in place of learned positions, a SiLU gate, one matrix
// for q, k and v, and no biases except those of the norms.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { Pass } from "../pass.js";
import type { Architecture } from "./architecture.js";
import { bertEmbedding, bertWeights, postNormSpecs } from "./bert.js";

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
  return postNormSpecs(h, layer, attentionSpecs(h, layer, { fused: true }), gatedFeedForwardSpecs(h, layer, {}));
}

export const nomicBert: Architecture = {
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "halves", norm: "layer", encoder: true }),
  weights: (h) => bertWeights(h, layerSpecs),
  forward,
};
