// Granite 3 and the dense models of Granite 4 (IBM 2024): Llama's layers, and four scales: of the embedding, of what a block adds to x, of
// the products of q and k, and of the logits.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  const { scales } = pass.h;
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding, { scale: scales.embedding }); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += scale * (wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x)))
    gatedFeedForward(pass, w, "silu"); // x += scale * (w_down . (silu(w_gate . norm(x)) * (w_up . norm(x))))
  }
  const output = pass.maybeWeight("output.weight") ?? embedding;
  pass.output(pass.weight("output_norm.weight"), output, { scale: scales.logits }); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, biases: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true }),
  };
}

/**
 * The common keys, and those of the four scales; the logits are divided by theirs. `rope.scaling.finetuned` says whether there is RoPE at
 * all. `deepstack_mapping` says where vision models add what they see; a token of a text has nothing to add. Files of Granite 4 have the
 * keys of its hybrid models' layers, which the dense models do not have.
 */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "neighbours", norm: "rms" });
  const rotates = reader.boolean("rope.scaling.finetuned", true);
  reader.ignore("deepstack_mapping");
  for (const key of ["conv_kernel", "inner_size", "state_size", "time_step_rank", "group_count"]) {
    reader.ignore(`ssm.${key}`);
  }
  const scale = reader.factor("attention.scale", h.attention[0]!.scale);
  return {
    ...h,
    attention: h.attention.map((layer) => ({ ...layer, scale, rope: rotates ? layer.rope : undefined })),
    scales: {
      embedding: reader.factor("embedding_scale", 1),
      residual: reader.factor("residual_scale", 1),
      logits: 1 / reader.factor("logit_scale", 1),
    },
  };
}

export const granite: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
