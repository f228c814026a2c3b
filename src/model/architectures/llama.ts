// The forward pass of Llama (Touvron et al. 2023) and of all models whose GGUF files say `llama`: Llama 1 to 3.2, Mistral, TinyLlama,
// SmolLM2. Every worker of the team executes these lines at the same time, each on its share; `run` splits the work.

import { type Hyperparameters, LARGEST, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Run } from "../pass.js";
import { decoderWeights, matrix, optional, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(run: Run): void {
  const { buffers } = run.layout;
  const embedding = run.weight("token_embd.weight"); // (vocab, dim)

  run.embed(embedding); // x (rows, dim)

  for (let layer = 0; layer < run.h.layers; layer++) {
    const w = run.layer(layer, layerSpecs);

    // attention: x += wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x))
    const a = run.normalise(w.attn_norm, [w.attn_q, w.attn_k, w.attn_v]); // (rows, dim)
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
    attn_q_bias: optional(vector(`${blk}attn_q.bias`, q)),
    attn_k: matrix(`${blk}attn_k.weight`, kv, h.dim),
    attn_k_bias: optional(vector(`${blk}attn_k.bias`, kv)),
    attn_v: matrix(`${blk}attn_v.weight`, kv, h.dim),
    attn_v_bias: optional(vector(`${blk}attn_v.bias`, kv)),
    attn_output: matrix(`${blk}attn_output.weight`, h.dim, q),
    attn_output_bias: optional(vector(`${blk}attn_output.bias`, h.dim)),
    ffn_norm: vector(`${blk}ffn_norm.weight`, h.dim),
    ffn_gate: matrix(`${blk}ffn_gate.weight`, h.ffn, h.dim),
    ffn_up: matrix(`${blk}ffn_up.weight`, h.ffn, h.dim),
    ffn_down: matrix(`${blk}ffn_down.weight`, h.dim, h.ffn),
  };
}

/** The keys that all have, and Mistral's window. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "neighbours", norm: "rms" });
  const window = reader.integer("attention.sliding_window", 0, 0, LARGEST.context);
  return { ...h, attention: h.attention.map((layer) => ({ ...layer, window })) };
}

export const llama: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs),
  forward,
};
