// Command R7B, Command A and Aya's successors (Cohere 2024): Command R's layers, of which three of four see a window. The others see
// everything and do without RoPE.

import { attentionSpecs, gatedFeedForwardSpecs, parallelAttentionAndFeedForward } from "../blocks.js";
import { type Hyperparameters, LARGEST, readHyperparameters, readLocalLayers } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    // With y = norm(x): x += wo . attention([rope] (wq . y), [rope] (wk . y), wv . y) + w_down . (silu(w_gate . y) * (w_up . y))
    parallelAttentionAndFeedForward(pass, layer, w, "silu");
  }
  const output = pass.maybeWeight("output.weight") ?? embedding;
  pass.output(pass.weight("output_norm.weight"), output, { scale: pass.h.scales.logits }); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return { ...attentionSpecs(h, layer, { norm: true }), ...gatedFeedForwardSpecs(h, layer, {}) };
}

/** The common keys, the windows and the scale of the logits. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "neighbours", norm: "layer" });
  const window = reader.integer("attention.sliding_window", undefined, 1, LARGEST.context);
  const isLocal = readLocalLayers(reader, h.layers, 4);
  return {
    ...h,
    scales: { ...h.scales, logits: reader.number("logit_scale", undefined, 0, 1e6) },
    attention: h.attention.map((all, layer) => (isLocal[layer] ? { ...all, window } : { ...all, rope: undefined })),
  };
}

export const cohere2: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
