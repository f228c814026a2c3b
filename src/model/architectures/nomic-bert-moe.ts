// Nomic's mixture of experts (Nussbaum and Duderstadt 2025), the model nomic-embed-text-v2-moe: BERT with RoPE in place of learned positions,
// one matrix for q, k and v, and experts without gates in every second layer. Their weights are parts of the softmax over all of them.

import { attention, attentionSpecs } from "../blocks.js";
import { type Hyperparameters, LARGEST, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import { plainExpertSpecs, plainExperts } from "../mixture.js";
import type { Pass } from "../pass.js";
import type { Architecture } from "./architecture.js";
import { bertEmbedding, bertWeights, feedForward, feedForwardSpecs, postNormSpecs } from "./bert.js";

function forward(pass: Pass): void {
  bertEmbedding(pass); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    if (hasExperts(pass.h, layer)) mixtureLayer(pass, layer);
    else denseLayer(pass, layer);
  }
  pass.output(); // hidden states (rows, dim): x as it is
}

function denseLayer(pass: Pass, layer: number): void {
  const w = pass.layer(layer, denseSpecs);
  attention(pass, layer, w); // x += wo . attention(rope(wq . x), rope(wk . x), wv . x)
  pass.layerNorm(w.attn_output_norm, w.attn_output_norm_bias);
  feedForward(pass, w); // x += w_down . gelu(w_up . x)
  pass.layerNorm(w.layer_output_norm, w.layer_output_norm_bias);
}

function denseSpecs(h: Hyperparameters, layer: number) {
  const attention = attentionSpecs(h, layer, { fused: true, biases: true });
  return postNormSpecs(h, layer, attention, feedForwardSpecs(h, layer));
}

function mixtureLayer(pass: Pass, layer: number): void {
  const w = pass.layer(layer, mixtureSpecs);
  attention(pass, layer, w);
  pass.layerNorm(w.attn_output_norm, w.attn_output_norm_bias);
  plainExperts(pass, w); // x += sum over the chosen e of weight(e) * w_down(e) . gelu(w_up(e) . x)
  pass.layerNorm(w.layer_output_norm, w.layer_output_norm_bias);
}

function mixtureSpecs(h: Hyperparameters, layer: number) {
  const attention = attentionSpecs(h, layer, { fused: true, biases: true });
  return postNormSpecs(h, layer, attention, plainExpertSpecs(h, layer));
}

/** With `moe_every_n_layers` n, layers 1, n + 1, 2 n + 1, ... have experts. */
function hasExperts({ experts }: Hyperparameters, layer: number): boolean {
  return experts !== undefined && layer % experts.every! === 1;
}

/** The common keys. Dense layers are as wide as an expert. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, {
    ropePairs: "halves",
    norm: "layer",
    experts: { width: "feed_forward_length", shared: false, normalised: false },
    encoder: true,
  });
  const ffn = reader.perLayer("feed_forward_length", undefined, 1, LARGEST.ffn);
  const every = reader.integer("moe_every_n_layers", 0, 0, LARGEST.layers);
  if (every < 2) return { ...h, ffn, experts: undefined }; // no layer has any
  if (h.experts === undefined) throw reader.error("expert_count", `0, but moe_every_n_layers is ${every}`);
  return { ...h, ffn, experts: { ...h.experts, every } };
}

export const nomicBertMoe: Architecture = {
  hyperparameters,
  weights: (h) => bertWeights(h, (h, layer) => (hasExperts(h, layer) ? mixtureSpecs : denseSpecs)(h, layer)),
  forward,
};
