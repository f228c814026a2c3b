// BERT (Devlin et al. 2019) as an encoder of texts: MiniLM, bge, e5, gte. Every token sees all tokens of its text, positions are learned,
// and full layer norms come after each block.

import { addProduct, attention, attentionSpecs } from "../blocks.js";
import { type Hyperparameters, learnsPositions, readHyperparameters } from "../hyperparameters.js";
import type { LayerWeights, Pass } from "../pass.js";
import {
  embedding,
  type LayerSpecs,
  layerWeights,
  matrix,
  optional,
  tokenEmbedding,
  vector,
} from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  bertEmbedding(pass); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += wo . attention(wq . x, wk . x, wv . x)
    pass.layerNorm(w.attn_output_norm, w.attn_output_norm_bias);
    feedForward(pass, w); // x += w_down . gelu(w_up . x)
    pass.layerNorm(w.layer_output_norm, w.layer_output_norm_bias);
  }
  pass.output(); // hidden states (rows, dim): x as it is
}

/** x = norm(token + type + position) */
export function bertEmbedding(pass: Pass): void {
  const learned = learnsPositions(pass.h) && { positions: pass.weight("position_embd.weight") };
  pass.embed(pass.weight("token_embd.weight"), { types: pass.maybeWeight("token_types.weight"), ...learned });
  pass.layerNorm(pass.weight("token_embd_norm.weight"), pass.weight("token_embd_norm.bias"));
}

/** x += w_down . gelu(w_up . x), with biases */
export function feedForward(pass: Pass, w: LayerWeights<ReturnType<typeof feedForwardSpecs>>): void {
  const { up } = pass.buffers;
  const x = pass.read(undefined, [w.ffn_up]); // (rows, dim)
  pass.matmul.multiply(x, [{ weight: w.ffn_up, bias: w.ffn_up_bias, activation: "gelu", to: up }]); // (rows, ffn)
  addProduct(pass, up, w.ffn_down, w.ffn_down_bias);
}

/** The weights of `feedForward`. */
export function feedForwardSpecs(h: Hyperparameters, layer: number) {
  const blk = `blk.${layer}.`;
  return {
    ffn_up: matrix(`${blk}ffn_up.weight`, h.ffn, h.dim),
    ffn_up_bias: optional(vector(`${blk}ffn_up.bias`, h.ffn)),
    ffn_down: matrix(`${blk}ffn_down.weight`, h.dim, h.ffn),
    ffn_down_bias: optional(vector(`${blk}ffn_down.bias`, h.dim)),
  };
}

/** The weights of a layer whose norms come after its blocks. */
export function postNormSpecs<Attention, FeedForward>(
  h: Hyperparameters,
  layer: number,
  attention: Attention,
  feedForward: FeedForward,
) {
  const blk = `blk.${layer}.`;
  return {
    ...attention,
    attn_output_norm: vector(`${blk}attn_output_norm.weight`, h.dim),
    attn_output_norm_bias: vector(`${blk}attn_output_norm.bias`, h.dim),
    ...feedForward,
    layer_output_norm: vector(`${blk}layer_output_norm.weight`, h.dim),
    layer_output_norm_bias: vector(`${blk}layer_output_norm.bias`, h.dim),
  };
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return postNormSpecs(h, layer, attentionSpecs(h, layer, { biases: true }), feedForwardSpecs(h, layer));
}

/** The weights of BERT and its relatives: the embeddings of tokens, types and positions, and the layers. */
export function bertWeights(h: Hyperparameters, layerSpecs: (h: Hyperparameters, layer: number) => LayerSpecs) {
  return [
    tokenEmbedding("token_embd.weight", h.vocab, h.dim),
    optional(embedding("token_types.weight", h.tokenTypes, h.dim)),
    ...(learnsPositions(h) ? [embedding("position_embd.weight", h.context, h.dim)] : []),
    vector("token_embd_norm.weight", h.dim),
    vector("token_embd_norm.bias", h.dim),
    ...layerWeights(h, layerSpecs),
  ];
}

export const bert: Architecture = {
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "none", norm: "layer", encoder: true }),
  weights: (h) => bertWeights(h, layerSpecs),
  forward,
};
