// gpt-oss (OpenAI 2025): heads with sinks, every other layer with a window, biases everywhere, and experts with clamped gates.
//
// Yarn's ramp begins and ends at whole pairs, as in llama.cpp, whose files these are. OpenAI's own code does not round them; the file has
// no key for it.

import { attention, attentionSpecs } from "../blocks.js";
import { type Hyperparameters, LARGEST, readHyperparameters, readLocalLayers } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import { expertSpecs, experts } from "../mixture.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x)), with sinks
    experts(pass, w, "clamped"); // x += sum over the chosen e of weight(e) * w_down(e) . (clamped(w_gate(e) . norm(x), w_up(e) . norm(x)))
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, biases: true, sinks: true }),
    ...expertSpecs(h, layer, { norm: "post_attention_norm", biases: true }),
  };
}

/** The common keys. Of every `attention.sliding_window_pattern` layers, the last sees everything, the others a window. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, {
    ropePairs: "halves",
    norm: "rms",
    experts: { width: "expert_feed_forward_length", shared: false, normalised: true },
  });
  const window = reader.integer("attention.sliding_window", undefined, 1, LARGEST.context);
  const local = readLocalLayers(reader, h.layers, 2);
  return { ...h, attention: h.attention.map((all, layer) => (local[layer] ? { ...all, window } : all)) };
}

export const gptOss: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
