// Qwen3's mixtures of experts (Yang et al. 2025), such as Qwen3-30B-A3B: Qwen3's attention, and experts in place of the dense feed-forward.

import { attention, attentionSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import { expertSpecs, experts } from "../mixture.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(rope(norm(wq . norm(x))), rope(norm(wk . norm(x))), wv . norm(x))
    experts(pass, w, "silu"); // x += sum over the chosen e of weight(e) * w_down(e) . (silu(w_gate(e) . norm(x)) * (w_up(e) . norm(x)))
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, headNorms: true }),
    ...expertSpecs(h, layer, { norm: "ffn_norm" }),
  };
}

export const qwen3Moe: Architecture = {
  hyperparameters: (reader) =>
    readHyperparameters(reader, {
      ropePairs: "halves",
      norm: "rms",
      experts: { width: "expert_feed_forward_length", shared: false, normalised: true },
    }),
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
