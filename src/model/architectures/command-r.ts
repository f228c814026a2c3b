// Command R (Cohere 2024) and Aya: attention and feed-forward read the same norm of x side by side. Norms are full ones without biases. In
// Command R+, every head of q and k has a norm of its own. The logits are scaled.

import { attentionSpecs, gatedFeedForwardSpecs, parallelAttentionAndFeedForward } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { decoderWeights, optional, vectors } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    // With y = norm(x): x += wo . attention(rope([norm] (wq . y)), rope([norm] (wk . y)), wv . y) + w_down . (silu(w_gate . y) * (w_up . y))
    parallelAttentionAndFeedForward(pass, layer, w, "silu");
  }
  const output = pass.maybeWeight("output.weight") ?? embedding;
  pass.output(pass.weight("output_norm.weight"), output, { scale: pass.h.scales.logits }); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  const blk = `blk.${layer}.`;
  return {
    ...attentionSpecs(h, layer, { norm: true }),
    attn_q_norm: optional(vectors(`${blk}attn_q_norm.weight`, h.heads, h.headDim)),
    attn_k_norm: optional(vectors(`${blk}attn_k_norm.weight`, h.kvHeads, h.headDim)),
    ...gatedFeedForwardSpecs(h, layer, {}),
  };
}

/** The common keys, and the scale of the logits. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "neighbours", norm: "layer" });
  return { ...h, scales: { ...h.scales, logits: reader.factor("logit_scale", 1) } };
}

export const commandR: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
