// OLMo 2 (OLMo Team 2025): norms after each half of a layer and none before, and q and k normalised as wholes before they are split into
// heads. OLMo 3 (2025), whose files say `olmo2` too, has windows: three layers of four see only that, with a RoPE that is not scaled.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
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
    attention(pass, layer, w); // x += norm(wo . attention(rope(norm(wq . x)), rope(norm(wk . x)), wv . x))
    gatedFeedForward(pass, w, "silu"); // x += norm(w_down . (silu(w_gate . x) * (w_up . x)))
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { wholeNorms: true, postNorm: true }),
    ...gatedFeedForwardSpecs(h, layer, { postNorm: true }),
  };
}

/** The common keys, and OLMo 3's windows. The scaling of RoPE is for the layers that see everything. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms" });
  const window = reader.integer("attention.sliding_window", 0, 0, LARGEST.context);
  if (window === 0) return h;
  const isLocal = readLocalLayers(reader, h.layers, 4);
  const [scaled] = h.ropes;
  return {
    ...h,
    ropes: [scaled!, { ...scaled!, scaling: { type: "none" } }],
    attention: h.attention.map((all, layer) => (isLocal[layer] ? { ...all, window, rope: 1 } : all)),
  };
}

export const olmo2: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
