// Gemma 3 (Gemma Team 2025): four norms a layer, a gate of GELU, and five layers that see a window for one that sees everything, each
// kind with a RoPE of its own.

import { type Hyperparameters, LARGEST, readHyperparameters, readRopeBase } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Run } from "../pass.js";
import { decoderWeights, matrix, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(run: Run): void {
  gemmaLayers(run);
  const output = run.maybeWeight("output.weight") ?? run.weight("token_embd.weight");
  run.output(run.weight("output_norm.weight"), output); // logits (rows, vocab)
}

/** From tokens to the residual stream behind the last layer. */
export function gemmaLayers(run: Run): void {
  const { buffers } = run.layout;

  run.embed(run.weight("token_embd.weight"), { scale: Math.sqrt(run.h.dim) }); // x (rows, dim)

  for (let layer = 0; layer < run.h.layers; layer++) {
    const w = run.layer(layer, gemmaLayerSpecs);

    // attention: x += norm(wo . attention(rope(norm(wq . norm(x))), rope(norm(wk . norm(x))), wv . norm(x)))
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
    run.matmul(b, [{ weight: w.attn_output, y: buffers.normed, stride: buffers.xStride }]);
    run.barrier();
    run.addNormalised(w.post_attention_norm, buffers.normed);

    // feed-forward: x += norm(w_down . (gelu(w_gate . norm(x)) * (w_up . norm(x))))
    const c = run.normalise(w.ffn_norm, [w.ffn_gate, w.ffn_up]); // (rows, dim)
    run.gatedMatmul(
      c,
      { weight: w.ffn_gate, y: buffers.gate, stride: buffers.ffnStride }, // (rows, ffn)
      { weight: w.ffn_up, y: buffers.up, stride: buffers.ffnStride }, // (rows, ffn)
      "gelu",
    );
    run.barrier();
    const d = run.encode(buffers.gate, buffers.ffnStride, w.ffn_down);
    run.matmul(d, [{ weight: w.ffn_down, y: buffers.normed, stride: buffers.xStride }]);
    run.barrier();
    run.addNormalised(w.post_ffw_norm, buffers.normed);
  }
}

export function gemmaLayerSpecs(h: Hyperparameters, layer: number) {
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
    post_attention_norm: vector(`${blk}post_attention_norm.weight`, h.dim),
    ffn_norm: vector(`${blk}ffn_norm.weight`, h.dim),
    ffn_gate: matrix(`${blk}ffn_gate.weight`, h.ffn, h.dim),
    ffn_up: matrix(`${blk}ffn_up.weight`, h.ffn, h.dim),
    ffn_down: matrix(`${blk}ffn_down.weight`, h.dim, h.ffn),
    post_ffw_norm: vector(`${blk}post_ffw_norm.weight`, h.dim),
  };
}

/**
 * The keys that all have, and those of the two kinds of layers: of every `attention.sliding_window_pattern` layers the last sees
 * everything, with the file's RoPE; the others see a window, with a RoPE of base `rope.freq_base_swa` and no scaling.
 */
export function readGemma(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms" });
  const window = reader.integer("attention.sliding_window", 0, 0, LARGEST.context);
  const pattern = reader.integer("attention.sliding_window_pattern", 6, 1, LARGEST.layers);
  const [everywhere] = h.ropes;
  const local = {
    ...everywhere!,
    base: readRopeBase(reader, "rope.freq_base_swa"),
    scaling: { type: "none" },
  } as const;
  return {
    ...h,
    ropes: [everywhere!, local],
    attention: h.attention.map((all, layer) => (layer % pattern === pattern - 1 ? all : { ...all, window, rope: 1 })),
  };
}

export const gemma3: Architecture = {
  hyperparameters: readGemma,
  weights: (h, has) => decoderWeights(h, has, gemmaLayerSpecs),
  forward,
};
