// EmbeddingGemma (Vera et al. 2025): Gemma 3's layers, in which a token sees as far ahead as back, and no output matrix.

import { ALL_AHEAD, type Hyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import { layerWeights, tokenEmbedding, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";
import { gemmaLayerSpecs, gemmaLayers, readGemma } from "./gemma3.js";

function forward(pass: Pass): void {
  gemmaLayers(pass);
  pass.output(pass.weight("output_norm.weight")); // hidden states (rows, dim)
}

/** Half of a window lies before a token, and half after it. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readGemma(reader, true);
  const attention = h.attention.map((layer) => {
    if (layer.window === 0) return { ...layer, ahead: ALL_AHEAD };
    const half = Math.floor(layer.window / 2);
    return { ...layer, window: half + 1, ahead: half };
  });
  return { ...h, attention };
}

export const gemmaEmbedding: Architecture = {
  hyperparameters,
  weights: (h) => [
    tokenEmbedding("token_embd.weight", h.vocab, h.dim),
    ...layerWeights(h, gemmaLayerSpecs),
    vector("output_norm.weight", h.dim),
  ],
  forward,
};
