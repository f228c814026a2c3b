// EuroBERT (Boizard et al. 2025), and jina-embeddings-v5-text-nano: Llama's layers, in which a token sees the whole text, and no output
// matrix.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { Pass } from "../pass.js";
import { layerWeights, tokenEmbedding, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  pass.embed(pass.weight("token_embd.weight")); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x))
    gatedFeedForward(pass, w, "silu"); // x += w_down . (silu(w_gate . norm(x)) * (w_up . norm(x)))
  }
  pass.output(pass.weight("output_norm.weight")); // hidden states (rows, dim)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true }),
  };
}

export const euroBert: Architecture = {
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "halves", norm: "rms", encoder: true }),
  weights: (h) => [
    tokenEmbedding("token_embd.weight", h.vocab, h.dim),
    ...layerWeights(h, layerSpecs),
    vector("output_norm.weight", h.dim),
  ],
  forward,
};
