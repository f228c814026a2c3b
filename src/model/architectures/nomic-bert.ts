// Nomic's BERT (Nussbaum et al. 2024), of nomic-embed-text: BERT with RoPE in place of learned positions, a gate of SiLU, one matrix for
// q, k and v, and no biases but those of the norms.

import { GROUP_ROWS } from "#abi";
import { UnsupportedError } from "../../errors.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Run } from "../pass.js";
import type { PlacedWeight } from "../plan/memory-plan.js";
import { matrix, vector } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";
import { bertWeights } from "./bert.js";

function forward(run: Run): void {
  const { h } = run;
  const { buffers } = run.layout;
  const q = h.heads * h.headDim;
  const kv = h.kvHeads * h.headDim;

  // x = norm(token + type)
  run.embed(run.weight("token_embd.weight"), { types: run.maybeWeight("token_types.weight") }); // x (rows, dim)
  run.layerNorm(run.weight("token_embd_norm.weight"), run.weight("token_embd_norm.bias"));

  for (let layer = 0; layer < h.layers; layer++) {
    const w = run.layer(layer, layerSpecs);

    // attention: x = norm(x + wo . attention(rope(wq . x), rope(wk . x), wv . x))
    const a = run.encode(buffers.x, buffers.xStride, w.attn_qkv); // (rows, dim)
    run.matmul(a, [
      { weight: rowsOf(w.attn_qkv, 0, q), y: buffers.q, stride: buffers.qStride }, // (rows, heads * headDim)
      { weight: rowsOf(w.attn_qkv, q, kv), y: buffers.k, stride: buffers.kvStride }, // (rows, kvHeads * headDim)
      { weight: rowsOf(w.attn_qkv, q + kv, kv), y: buffers.v, stride: buffers.kvStride }, // (rows, kvHeads * headDim)
    ]);
    run.barrier();
    run.attend(layer); // attended (rows, heads * headDim)
    run.barrier();
    const b = run.encode(buffers.attended, buffers.qStride, w.attn_output);
    run.matmul(b, [{ weight: w.attn_output, y: buffers.x, stride: buffers.xStride }], true);
    run.barrier();
    run.layerNorm(w.attn_output_norm, w.attn_output_norm_bias);

    // feed-forward: x = norm(x + w_down . (silu(w_gate . x) * (w_up . x)))
    const c = run.encode(buffers.x, buffers.xStride, w.ffn_gate, w.ffn_up); // (rows, dim)
    run.gatedMatmul(
      c,
      { weight: w.ffn_gate, y: buffers.gate, stride: buffers.ffnStride }, // (rows, ffn)
      { weight: w.ffn_up, y: buffers.up, stride: buffers.ffnStride }, // (rows, ffn)
    );
    run.barrier();
    const d = run.encode(buffers.gate, buffers.ffnStride, w.ffn_down);
    run.matmul(d, [{ weight: w.ffn_down, y: buffers.x, stride: buffers.xStride }], true);
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
    attn_qkv: matrix(`${blk}attn_qkv.weight`, q + 2 * kv, h.dim), // rows of q, then of k, then of v
    attn_output: matrix(`${blk}attn_output.weight`, h.dim, q),
    attn_output_norm: vector(`${blk}attn_output_norm.weight`, h.dim),
    attn_output_norm_bias: vector(`${blk}attn_output_norm.bias`, h.dim),
    ffn_gate: matrix(`${blk}ffn_gate.weight`, h.ffn, h.dim),
    ffn_up: matrix(`${blk}ffn_up.weight`, h.ffn, h.dim),
    ffn_down: matrix(`${blk}ffn_down.weight`, h.dim, h.ffn),
    layer_output_norm: vector(`${blk}layer_output_norm.weight`, h.dim),
    layer_output_norm_bias: vector(`${blk}layer_output_norm.bias`, h.dim),
  };
}

/** Some of a matrix's rows: groups of 8 are packed one after another. */
function rowsOf(weight: PlacedWeight, first: number, rows: number): PlacedWeight {
  return { ...weight, rows, address: weight.address + first * weight.rowBytes };
}

function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "layer" });
  if ((h.heads * h.headDim) % GROUP_ROWS !== 0 || (h.kvHeads * h.headDim) % GROUP_ROWS !== 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `${h.heads} heads, ${h.kvHeads} of them with keys, of ${h.headDim} dimensions; supported: together multiples of ${GROUP_ROWS}`,
    );
  }
  return h;
}

export const nomicBert: Architecture = {
  hyperparameters,
  weights: (h) => bertWeights(h, layerSpecs),
  forward,
};
