// GLM-4-0414 and GLM-Z1 (GLM Team 2024): four norms in each layer, RoPE on neighbours in half of each head, biases of q, k and v in some, and
// one matrix for gate and up.

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
    attention(pass, layer, w); // x += norm(wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x)))
    gatedFeedForward(pass, w, "silu"); // x += norm(w_down . (silu(w_gate . norm(x)) * (w_up . norm(x))))
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, biases: true, postNorm: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true, fused: true, postNorm: true }),
  };
}

export const glm4: Architecture = {
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "neighbours", norm: "rms" }),
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
