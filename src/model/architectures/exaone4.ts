// EXAONE 4 (LG AI Research 2025): norms after each half of a layer and none before, and every head of q and k normalised. In the model of
// 32B, three layers of four see a window, and the others see everything and do without RoPE.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, LARGEST, readHyperparameters, readLocalLayers } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

/** The model with windows has so many layers, and its file may say neither that it has windows nor how large they are. */
const LAYERS_OF_32B = 64;
const WINDOW_OF_32B = 4096;

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += norm(wo . attention([rope] (norm(wq . x)), [rope] (norm(wk . x)), wv . x))
    gatedFeedForward(pass, w, "silu"); // x += norm(w_down . (silu(w_gate . x) * (w_up . x)))
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { headNorms: true, postNorm: true }),
    ...gatedFeedForwardSpecs(h, layer, { postNorm: true }),
  };
}

/** The common keys, and the windows. Without windows, all layers have RoPE. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms" });
  const usual = h.layers === LAYERS_OF_32B ? WINDOW_OF_32B : 0;
  const window = reader.integer("attention.sliding_window", usual, 0, LARGEST.context);
  if (window === 0) return h;
  const isLocal = readLocalLayers(reader, h.layers, 4);
  return {
    ...h,
    attention: h.attention.map((all, layer) => (isLocal[layer] ? { ...all, window } : { ...all, rope: undefined })),
  };
}

export const exaone4: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
