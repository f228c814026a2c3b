// Qwen3 (Yang et al. 2025) and Qwen3-Embedding: as Llama, but every head of q and k has a norm before it is turned, in place of biases.

import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { Run } from "../pass.js";
import { decoderWeights, matrix, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(run: Run): void {
  const { buffers } = run.layout;
  const embedding = run.weight("token_embd.weight"); // (vocab, dim)

  run.embed(embedding); // x (rows, dim)

  for (let layer = 0; layer < run.h.layers; layer++) {
    const w = run.layer(layer, layerSpecs);

    // attention: x += wo . attention(rope(norm(wq . norm(x))), rope(norm(wk . norm(x))), wv . norm(x))
    const a = run.normalise(w.attn_norm, [w.attn_q, w.attn_k, w.attn_v]); // (rows, dim)
    run.matmul(a, [
      { weight: w.attn_q, y: buffers.q, stride: buffers.qStride }, // (rows, heads * headDim)
      { weight: w.attn_k, y: buffers.k, stride: buffers.kvStride }, // (rows, kvHeads * headDim)
      { weight: w.attn_v, y: buffers.v, stride: buffers.kvStride }, // (rows, kvHeads * headDim)
    ]);
    run.barrier();
    run.attend(layer, { q: w.attn_q_norm, k: w.attn_k_norm }); // attended (rows, heads * headDim)
    run.barrier();
    const b = run.encode(buffers.attended, buffers.qStride, w.attn_output);
    run.matmul(b, [{ weight: w.attn_output, y: buffers.x, stride: buffers.xStride }], true);
    run.barrier();

    // feed-forward: x += w_down . (silu(w_gate . norm(x)) * (w_up . norm(x)))
    const c = run.normalise(w.ffn_norm, [w.ffn_gate, w.ffn_up]); // (rows, dim)
    run.gatedMatmul(
      c,
      { weight: w.ffn_gate, y: buffers.gate, stride: buffers.ffnStride }, // (rows, ffn)
      { weight: w.ffn_up, y: buffers.up, stride: buffers.ffnStride }, // (rows, ffn)
    );
    run.barrier();
    const d = run.encode(buffers.gate, buffers.ffnStride, w.ffn_down);
    run.matmul(d, [{ weight: w.ffn_down, y: buffers.x, stride: buffers.xStride }], true);
    run.barrier();
  }

  run.output(run.weight("output_norm.weight"), run.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

function layerSpecs(h: Hyperparameters, layer: number) {
  const q = h.heads * h.headDim;
  const kv = h.kvHeads * h.headDim;
  const blk = `blk.${layer}.`;
  return {
    attn_norm: vector(`${blk}attn_norm.weight`, h.dim),
    attn_q: matrix(`${blk}attn_q.weight`, q, h.dim),
    attn_k: matrix(`${blk}attn_k.weight`, kv, h.dim),
    attn_v: matrix(`${blk}attn_v.weight`, kv, h.dim),
    attn_q_norm: vector(`${blk}attn_q_norm.weight`, h.headDim), // one for all heads
    attn_k_norm: vector(`${blk}attn_k_norm.weight`, h.headDim),
    attn_output: matrix(`${blk}attn_output.weight`, h.dim, q),
    ffn_norm: vector(`${blk}ffn_norm.weight`, h.dim),
    ffn_gate: matrix(`${blk}ffn_gate.weight`, h.ffn, h.dim),
    ffn_up: matrix(`${blk}ffn_up.weight`, h.ffn, h.dim),
    ffn_down: matrix(`${blk}ffn_down.weight`, h.dim, h.ffn),
  };
}

export const qwen3: Architecture = {
  hyperparameters: (reader) => readHyperparameters(reader, { ropePairs: "halves", norm: "rms" }),
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
