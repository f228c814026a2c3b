// Gemma 2 (Gemma Team 2024): four norms in each layer, a GELU gate, soft limits of scores and of logits, and a window for every other layer.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, LARGEST, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";
import { gemmaScale } from "./gemma3.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding, { scale: Math.sqrt(pass.h.dim) }); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += norm(wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x))), with softcap(scores)
    gatedFeedForward(pass, w, "gelu"); // x += norm(w_down . (gelu(w_gate . norm(x)) * (w_up . norm(x))))
  }
  const output = pass.maybeWeight("output.weight") ?? embedding;
  pass.output(pass.weight("output_norm.weight"), output, { softcap: pass.h.softcaps.logits }); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, postNorm: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true, postNorm: true }),
  };
}

/** The layers of Gemma 2 27B. */
const LAYERS_27B = 46;

/**
 * The common keys, and the limits. Of every `attention.sliding_window_pattern` layers, the last sees everything. The others see a window,
 * and their RoPE may have a base of its own.
 */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms" });
  const window = reader.integer("attention.sliding_window", 4096, 0, LARGEST.context);
  const pattern = reader.integer("attention.sliding_window_pattern", 2, 1, LARGEST.layers);
  const [everywhere] = h.ropes;
  const base = reader.number("rope.freq_base_swa", everywhere!.base, 1, LARGEST.ropeBase);
  const cap = (key: string, otherwise: number) => reader.number(key, otherwise, 1 / LARGEST.softcap, LARGEST.softcap);
  const rope = base === everywhere!.base ? 0 : 1;
  const scale = gemmaScale(h, LAYERS_27B);
  return {
    ...h,
    attention: h.attention.map((all, layer) =>
      layer % pattern === pattern - 1 ? { ...all, scale } : { ...all, scale, window, rope },
    ),
    softcaps: { scores: cap("attn_logit_softcapping", 50), logits: cap("final_logit_softcapping", 30) },
    ropes: rope === 0 ? h.ropes : [everywhere!, { ...everywhere!, base }],
  };
}

export const gemma2: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
