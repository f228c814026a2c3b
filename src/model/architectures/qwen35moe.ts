// The mixtures of Qwen3.5 and 3.6, such as Qwen3.6-35B-A3B: the layers of qwen35, and experts in place of the dense feed-forward. All
// tokens share one expert besides.

import type { Hyperparameters } from "../hyperparameters.js";
import { expertSpecs, experts } from "../mixture.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";
import { readSectioned } from "./qwen2vl.js";
import { attends, deltaNetSpecs, gatedAttention, gatedAttentionSpecs, gatedDeltaNet, readHybrid } from "./qwen35.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    if (attends(pass.h, layer)) {
      const w = pass.layer(layer, attentionLayer);
      gatedAttention(pass, layer, w);
      experts(pass, w, "silu");
    } else {
      const w = pass.layer(layer, deltaNetLayer);
      gatedDeltaNet(pass, layer, w);
      experts(pass, w, "silu");
    }
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

const attentionLayer = (h: Hyperparameters, layer: number) => ({
  ...gatedAttentionSpecs(h, layer),
  ...expertSpecs(h, layer, { norm: "post_attention_norm" }),
});

const deltaNetLayer = (h: Hyperparameters, layer: number) => ({
  ...deltaNetSpecs(h, layer),
  ...expertSpecs(h, layer, { norm: "post_attention_norm" }),
});

/** Experts as in all of Qwen's mixtures since Qwen3. */
export const qwenExperts = { width: "expert_feed_forward_length", shared: true, normalised: true } as const;

export const qwen35Moe: Architecture = {
  hyperparameters: (reader) => readHybrid(reader, readSectioned(reader, qwenExperts), "apart"),
  weights: (h, has) =>
    decoderWeights(h, has, (_, layer) => (attends(h, layer) ? attentionLayer(h, layer) : deltaNetLayer(h, layer))),
  forward,
};
