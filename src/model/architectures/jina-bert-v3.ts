// Jina's third BERT (Sturua et al. 2024), the model jina-embeddings-v3: BERT with RoPE in place of learned positions, and one matrix for q, k
// and v. Its task adapters are files of their own (LoRA), or are merged into the matrices.

import { attention, attentionSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { Pass } from "../pass.js";
import type { Architecture } from "./architecture.js";
import { bertEmbedding, bertWeights, feedForward, feedForwardSpecs, postNormSpecs } from "./bert.js";

function forward(pass: Pass): void {
  bertEmbedding(pass); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(rope(wq . x), rope(wk . x), wv . x)
    pass.layerNorm(w.attn_output_norm, w.attn_output_norm_bias);
    feedForward(pass, w); // x += w_down . gelu(w_up . x)
    pass.layerNorm(w.layer_output_norm, w.layer_output_norm_bias);
  }
  pass.output(); // hidden states (rows, dim): x as it is
}

function layerSpecs(h: Hyperparameters, layer: number) {
  const attention = attentionSpecs(h, layer, { fused: true, biases: true });
  return postNormSpecs(h, layer, attention, feedForwardSpecs(h, layer));
}

export const jinaBertV3: Architecture = {
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "halves", norm: "layer", encoder: true }),
  weights: (h) => bertWeights(h, layerSpecs),
  forward,
};
