// ModernBERT (Warner et al. 2024): gte-modernbert, modernbert-embed, Granite Embedding R2. Full norms without biases come before each block,
// except before the first attention; gate and up are one matrix. One layer in three sees the whole text, the others a window with a RoPE of
// its own.

import { UnsupportedError } from "../../errors.js";
import { attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import {
  type Hyperparameters,
  LARGEST,
  readHyperparameters,
  readLocalLayers,
  readRopeBase,
} from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Gate } from "../matmul.js";
import type { Pass } from "../pass.js";
import { layerWeights, tokenEmbedding, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  pass.embed(pass.weight("token_embd.weight"));
  pass.layerNorm(pass.weight("token_embd_norm.weight")); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x)); of layer 0 without norm
    gatedFeedForward(pass, w, pass.h.gate!); // x += w_down . (activation(w_gate . norm(x)) * (w_up . norm(x)))
  }
  pass.output(pass.weight("output_norm.weight")); // hidden states (rows, dim)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { fused: true, norm: layer > 0 }),
    ...gatedFeedForwardSpecs(h, layer, { fused: true, norm: true }),
  };
}

/**
 * The common keys, and those of the two kinds of layers. Of every `attention.sliding_window_pattern` layers, the first sees everything and
 * has the file's RoPE. The others see half of `attention.sliding_window` on either side, with a RoPE of base `rope.freq_base_swa`.
 */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = {
    ...readHyperparameters(reader, { ropePairs: "halves", norm: "layer", encoder: true }),
    gate: readGate(reader),
  };
  const window = reader.integer("attention.sliding_window", 0, 0, LARGEST.context);
  const local = readLocalLayers(reader, h.layers, 3, "first");
  const base = readRopeBase(reader, "rope.freq_base_swa");
  if (window === 0) return h; // then all layers are of the kind that sees everything
  const half = Math.floor(window / 2);
  const [everywhere] = h.ropes;
  return {
    ...h,
    ropes: [everywhere!, { ...everywhere!, base, scaling: { type: "none" } }],
    attention: h.attention.map((all, layer) =>
      local[layer] ? { ...all, window: half + 1, ahead: half, rope: 1 } : all,
    ),
  };
}

/** The activation by its names in `hidden_activation`: GELU in files that do not say. */
function readGate(reader: KeyReader): Gate {
  const name = reader.string("hidden_activation") ?? "gelu";
  if (name === "gelu" || name === "geglu") return "gelu";
  if (name === "silu" || name === "swish" || name === "swiglu") return "silu";
  throw new UnsupportedError(
    "UNSUPPORTED_ARCHITECTURE",
    `${reader.architecture}.hidden_activation is ${JSON.stringify(name.slice(0, 40))}; supported: gelu, silu`,
  );
}

export const modernBert: Architecture = {
  hyperparameters,
  weights: (h) => [
    tokenEmbedding("token_embd.weight", h.vocab, h.dim),
    vector("token_embd_norm.weight", h.dim),
    ...layerWeights(h, layerSpecs),
    vector("output_norm.weight", h.dim),
  ],
  forward,
};
