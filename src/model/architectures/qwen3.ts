// Qwen3 (Yang et al. 2025) and Qwen3-Embedding: like Qwen2, but every head of q and k is normalised before RoPE, and there are no biases.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(rope(norm(wq . norm(x))), rope(norm(wk . norm(x))), wv . norm(x))
    gatedFeedForward(pass, w, "silu"); // x += w_down . (silu(w_gate . norm(x)) * (w_up . norm(x)))
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, headNorms: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true }),
  };
}

export const qwen3: Architecture = {
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "halves", norm: "rms" }),
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
