// Gemma 3 (Gemma Team 2025): four norms in each layer, a GELU gate, and five layers that see a window for each one that sees everything.
// Each kind of layer has a RoPE of its own.

import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import {
  type Hyperparameters,
  LARGEST,
  readHyperparameters,
  readLocalLayers,
  readRopeBase,
} from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { decoderWeights } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  gemmaLayers(pass);
  const output = pass.maybeWeight("output.weight") ?? pass.weight("token_embd.weight");
  pass.output(pass.weight("output_norm.weight"), output); // logits (rows, vocab)
}

/** From tokens to the residual stream after the last layer. */
export function gemmaLayers(pass: Pass): void {
  pass.embed(pass.weight("token_embd.weight"), { scale: Math.sqrt(pass.h.dim) }); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, gemmaLayerSpecs);
    attention(pass, layer, w); // x += norm(wo . attention(rope(norm(wq . norm(x))), rope(norm(wk . norm(x))), wv . norm(x)))
    gatedFeedForward(pass, w, "gelu"); // x += norm(w_down . (gelu(w_gate . norm(x)) * (w_up . norm(x))))
  }
}

export function gemmaLayerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, headNorms: true, postNorm: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true, postNorm: true }),
  };
}

/**
 * The common keys, and those of the two kinds of layers. Of every `attention.sliding_window_pattern` layers, the last sees everything
 * and has the file's RoPE. The others see a window and have a RoPE of base `rope.freq_base_swa`, without scaling.
 */
export function readGemma(reader: KeyReader, encoder = false): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms", encoder });
  const window = reader.integer("attention.sliding_window", 0, 0, LARGEST.context);
  const isLocal = readLocalLayers(reader, h.layers, 6);
  const base = readRopeBase(reader, "rope.freq_base_swa");
  if (window === 0) return h; // then all layers are of the kind that sees everything
  const [everywhere] = h.ropes;
  const local = { ...everywhere!, base, scaling: { type: "none" } } as const;
  return {
    ...h,
    ropes: [everywhere!, local],
    attention: h.attention.map((all, layer) => (isLocal[layer] ? { ...all, window, rope: 1 } : all)),
  };
}

/** The layers of Gemma 3 27B. */
const LAYERS_27B = 62;

/** Scores are divided by the root of headDim; in the models of 27B, by that of dim / heads. Files do not say it: the number of layers does. */
export function gemmaScale({ layers, dim, heads, headDim }: Hyperparameters, layersOf27B: number): number {
  return 1 / Math.sqrt(layers === layersOf27B ? Math.floor(dim / heads) : headDim);
}

export const gemma3: Architecture = {
  hyperparameters(reader) {
    const h = readGemma(reader);
    const scale = gemmaScale(h, LAYERS_27B);
    return { ...h, attention: h.attention.map((layer) => ({ ...layer, scale })) };
  },
  weights: (h, has) => decoderWeights(h, has, gemmaLayerSpecs),
  forward,
};
