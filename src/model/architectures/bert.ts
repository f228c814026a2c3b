// BERT (Devlin et al. 2019) as an encoder of texts: MiniLM, bge, e5, gte. Every token sees all tokens of its text; positions are learned;
// norms, of the full kind, follow what they normalise.

import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { Run } from "../pass.js";
import { embedding, type LayerSpecs, matrix, optional, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(run: Run): void {
  const { buffers } = run.layout;

  // x = norm(token + type + position)
  run.embed(run.weight("token_embd.weight"), {
    types: run.maybeWeight("token_types.weight"),
    positions: run.weight("position_embd.weight"),
  }); // x (rows, dim)
  run.layerNorm(run.weight("token_embd_norm.weight"), run.weight("token_embd_norm.bias"));

  for (let layer = 0; layer < run.h.layers; layer++) {
    const w = run.layer(layer, layerSpecs);

    // attention: x = norm(x + wo . attention(wq . x, wk . x, wv . x))
    const a = run.encode(buffers.x, buffers.xStride, w.attn_q, w.attn_k, w.attn_v); // (rows, dim)
    run.matmul(a, [
      { weight: w.attn_q, bias: w.attn_q_bias, y: buffers.q, stride: buffers.qStride }, // (rows, heads * headDim)
      { weight: w.attn_k, bias: w.attn_k_bias, y: buffers.k, stride: buffers.kvStride }, // (rows, kvHeads * headDim)
      { weight: w.attn_v, bias: w.attn_v_bias, y: buffers.v, stride: buffers.kvStride }, // (rows, kvHeads * headDim)
    ]);
    run.barrier();
    run.attend(layer); // attended (rows, heads * headDim)
    run.barrier();
    const b = run.encode(buffers.attended, buffers.qStride, w.attn_output);
    run.matmul(b, [{ weight: w.attn_output, bias: w.attn_output_bias, y: buffers.x, stride: buffers.xStride }], true);
    run.barrier();
    run.layerNorm(w.attn_output_norm, w.attn_output_norm_bias);

    // feed-forward: x = norm(x + w_down . gelu(w_up . x))
    const c = run.encode(buffers.x, buffers.xStride, w.ffn_up); // (rows, dim)
    const up = { y: buffers.up, stride: buffers.ffnStride }; // (rows, ffn)
    run.matmul(c, [{ weight: w.ffn_up, bias: w.ffn_up_bias, activation: "gelu", ...up }]);
    run.barrier();
    const d = run.encode(buffers.up, buffers.ffnStride, w.ffn_down);
    run.matmul(d, [{ weight: w.ffn_down, bias: w.ffn_down_bias, y: buffers.x, stride: buffers.xStride }], true);
    run.barrier();
    run.layerNorm(w.layer_output_norm, w.layer_output_norm_bias);
  }

  run.output(); // hidden states (rows, dim): x as it is
}

function layerSpecs(h: Hyperparameters, layer: number) {
  const q = h.heads * h.headDim;
  const kv = h.kvHeads * h.headDim;
  const blk = `blk.${layer}.`;
  return {
    attn_q: matrix(`${blk}attn_q.weight`, q, h.dim),
    attn_q_bias: optional(vector(`${blk}attn_q.bias`, q)),
    attn_k: matrix(`${blk}attn_k.weight`, kv, h.dim),
    attn_k_bias: optional(vector(`${blk}attn_k.bias`, kv)),
    attn_v: matrix(`${blk}attn_v.weight`, kv, h.dim),
    attn_v_bias: optional(vector(`${blk}attn_v.bias`, kv)),
    attn_output: matrix(`${blk}attn_output.weight`, h.dim, q),
    attn_output_bias: optional(vector(`${blk}attn_output.bias`, h.dim)),
    attn_output_norm: vector(`${blk}attn_output_norm.weight`, h.dim),
    attn_output_norm_bias: vector(`${blk}attn_output_norm.bias`, h.dim),
    ffn_up: matrix(`${blk}ffn_up.weight`, h.ffn, h.dim),
    ffn_up_bias: optional(vector(`${blk}ffn_up.bias`, h.ffn)),
    ffn_down: matrix(`${blk}ffn_down.weight`, h.dim, h.ffn),
    ffn_down_bias: optional(vector(`${blk}ffn_down.bias`, h.dim)),
    layer_output_norm: vector(`${blk}layer_output_norm.weight`, h.dim),
    layer_output_norm_bias: vector(`${blk}layer_output_norm.bias`, h.dim),
  };
}

/** The weights of BERT and its like: what the tokens, their types and their positions begin as, and the layers. */
export function bertWeights(h: Hyperparameters, layerSpecs: (h: Hyperparameters, layer: number) => LayerSpecs) {
  const specs = [
    embedding("token_embd.weight", h.vocab, h.dim),
    optional(embedding("token_types.weight", h.tokenTypes, h.dim)),
    ...(h.ropePairs === "none" ? [embedding("position_embd.weight", h.context, h.dim)] : []),
    vector("token_embd_norm.weight", h.dim),
    vector("token_embd_norm.bias", h.dim),
  ];
  for (let layer = 0; layer < h.layers; layer++) specs.push(...Object.values(layerSpecs(h, layer)));
  return specs;
}

export const bert: Architecture = {
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "none", norm: "layer" }),
  weights: (h) => bertWeights(h, layerSpecs),
  forward,
};
