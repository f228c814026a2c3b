// The forward pass of Llama (Touvron et al. 2023) and of all models whose GGUF files say `llama`: Llama 1 to 3.2, Mistral, TinyLlama,
// SmolLM2; with experts, Mixtral (Jiang et al. 2024). Every worker of the team executes these lines at the same time, each on its share of every operation.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, LARGEST, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import { expertSpecs, experts } from "../mixture.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  const evaluate = pass.h.experts === undefined ? denseLayer : mixtureLayer;
  for (let layer = 0; layer < pass.h.layers; layer++) evaluate(pass, layer);
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function denseLayer(pass: Pass, layer: number): void {
  const w = pass.layer(layer, denseSpecs);
  attention(pass, layer, w); // x += wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x))
  gatedFeedForward(pass, w, "silu"); // x += w_down . (silu(w_gate . norm(x)) * (w_up . norm(x)))
}

function denseSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, biases: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true }),
  };
}

function mixtureLayer(pass: Pass, layer: number): void {
  const w = pass.layer(layer, mixtureSpecs);
  attention(pass, layer, w);
  experts(pass, w, "silu"); // x += sum over the chosen e of weight(e) * w_down(e) . (silu(w_gate(e) . norm(x)) * (w_up(e) . norm(x)))
}

function mixtureSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, biases: true }),
    ...expertSpecs(h, layer, { norm: "ffn_norm" }),
  };
}

/** The common keys, and Mistral's window. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, {
    ropePairs: "neighbours",
    norm: "rms",
    experts: { width: "feed_forward_length", shared: false, normalised: true },
  });
  const window = reader.integer("attention.sliding_window", 0, 0, LARGEST.context);
  return { ...h, attention: h.attention.map((layer) => ({ ...layer, window })) };
}

export const llama: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, h.experts === undefined ? denseSpecs : mixtureSpecs),
  forward,
};
