// Qwen3.5 and 3.6 (Qwen Team 2026): three layers of gated DeltaNet for each one that attends, whose heads have gates for what they attend
// to.

import { UnsupportedError } from "../../errors.js";
import { addProduct, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { channelsOf, columnsOf, type DeltaNetParameters, readDeltaNet, stateOf } from "../delta-net-parameters.js";
import { type Hyperparameters, LARGEST } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { LayerWeights, Pass } from "../pass.js";
import { decoderWeights, matrix, vector, vectors } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";
import { readSectioned } from "./qwen2vl.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    if (attends(pass.h, layer)) {
      const w = pass.layer(layer, attentionLayer);
      gatedAttention(pass, layer, w);
      gatedFeedForward(pass, w, "silu"); // x += w_down . (silu(w_gate . norm(x)) * (w_up . norm(x)))
    } else {
      const w = pass.layer(layer, deltaNetLayer);
      gatedDeltaNet(pass, layer, w);
      gatedFeedForward(pass, w, "silu");
    }
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

/** x += wo . (sigmoid(g) * attention(rope(norm(q)), rope(norm(k)), v))  with  (q, g) of each head = wq . norm(x) */
export function gatedAttention(
  pass: Pass,
  layer: number,
  w: LayerWeights<ReturnType<typeof gatedAttentionSpecs>>,
): void {
  const { k, v, attended } = pass.buffers;
  const gated = pass.buffers.recurrent!;
  const x = pass.read(w.attn_norm, [w.attn_q, w.attn_k, w.attn_v]); // (rows, dim)
  pass.matmul.multiply(x, [
    { weight: w.attn_q, to: gated }, // (rows, heads * 2 * headDim)
    { weight: w.attn_k, to: k }, // (rows, kvHeads * headDim)
    { weight: w.attn_v, to: v }, // (rows, kvHeads * headDim)
  ]);
  pass.attention.attendGated(layer, gated, { q: w.attn_q_norm, k: w.attn_k_norm });
  addProduct(pass, attended, w.attn_output); // (rows, heads * headDim)
}

/** x += w_out . (silu(z) * norm(deltaRule(silu(convolution(q, k, v)), alpha, beta)))  with  (q, k, v), z, alpha, beta = w_... . norm(x) */
export function gatedDeltaNet(pass: Pass, layer: number, w: LayerWeights<ReturnType<typeof deltaNetSpecs>>): void {
  const net = pass.deltaNet!;
  const { qkv, z, alpha, beta } = net.rows;
  const x = pass.read(w.attn_norm, [w.attn_qkv, w.attn_gate, w.ssm_alpha, w.ssm_beta]); // (rows, dim)
  pass.matmul.multiply(x, [
    { weight: w.attn_qkv, to: qkv }, // (rows, (2 keyHeads + valueHeads) * dims)
    { weight: w.attn_gate, to: z }, // (rows, valueHeads * dims)
    { weight: w.ssm_alpha, to: alpha }, // (rows, valueHeads)
    { weight: w.ssm_beta, to: beta }, // (rows, valueHeads)
  ]);
  net.mix(layer, { convolution: w.ssm_conv1d, dt: w.ssm_dt, a: w.ssm_a, norm: w.ssm_norm });
  addProduct(pass, z, w.ssm_out); // (rows, valueHeads * dims)
}

/** Whether a layer attends. The others have gated DeltaNet. */
export function attends(h: Hyperparameters, layer: number): boolean {
  return h.attention[layer]!.kvHeads > 0;
}

export function gatedAttentionSpecs({ attention, heads, dim }: Hyperparameters, layer: number) {
  const { kvHeads, headDim } = attention[layer]!;
  const blk = `blk.${layer}.`;
  return {
    attn_norm: vector(`${blk}attn_norm.weight`, dim),
    attn_q: matrix(`${blk}attn_q.weight`, heads * 2 * headDim, dim),
    attn_k: matrix(`${blk}attn_k.weight`, kvHeads * headDim, dim),
    attn_v: matrix(`${blk}attn_v.weight`, kvHeads * headDim, dim),
    attn_q_norm: vector(`${blk}attn_q_norm.weight`, headDim),
    attn_k_norm: vector(`${blk}attn_k_norm.weight`, headDim),
    attn_output: matrix(`${blk}attn_output.weight`, dim, heads * headDim),
  };
}

export function deltaNetSpecs(h: Hyperparameters, layer: number) {
  const { valueHeads } = h.deltaNet!;
  const blk = `blk.${layer}.`;
  return {
    ...mixerSpecs(h, layer),
    ssm_alpha: matrix(`${blk}ssm_alpha.weight`, valueHeads, h.dim),
    ssm_beta: matrix(`${blk}ssm_beta.weight`, valueHeads, h.dim),
  };
}

/** The weights of gated DeltaNet, without those of its gates. */
export function mixerSpecs(h: Hyperparameters, layer: number) {
  const net = h.deltaNet!;
  const { valueHeads, dims, width } = net;
  const blk = `blk.${layer}.`;
  return {
    attn_norm: vector(`${blk}attn_norm.weight`, h.dim),
    attn_qkv: matrix(`${blk}attn_qkv.weight`, channelsOf(net), h.dim),
    attn_gate: matrix(`${blk}attn_gate.weight`, valueHeads * dims, h.dim),
    ssm_conv1d: vectors(`${blk}ssm_conv1d.weight`, channelsOf(net), width),
    ssm_dt: vector(`${blk}ssm_dt.bias`, valueHeads),
    ssm_a: vector(`${blk}ssm_a`, valueHeads),
    ssm_norm: vector(`${blk}ssm_norm.weight`, dims),
    ssm_out: matrix(`${blk}ssm_out.weight`, h.dim, valueHeads * dims),
  };
}

function feedForwardSpecs(h: Hyperparameters, layer: number) {
  return {
    ...gatedFeedForwardSpecs(h, layer, { norm: true }),
    ffn_norm: vector(`blk.${layer}.post_attention_norm.weight`, h.dim),
  };
}

const attentionLayer = (h: Hyperparameters, layer: number) => ({
  ...gatedAttentionSpecs(h, layer),
  ...feedForwardSpecs(h, layer),
});

const deltaNetLayer = (h: Hyperparameters, layer: number) => ({
  ...deltaNetSpecs(h, layer),
  ...feedForwardSpecs(h, layer),
});

/**
 * The common keys, those of gated DeltaNet, and which layers have it: all but every `full_attention_interval`th, or those that
 * `attention.recurrent_layers` names. Of the `block_count`, the last `nextn_predict_layers` guess further tokens. They are not read.
 */
export function readHybrid(
  reader: KeyReader,
  h: Hyperparameters,
  served: DeltaNetParameters["served"],
): Hyperparameters {
  const guessing = reader.integer("nextn_predict_layers", 0, 0, h.layers - 1);
  const layers = h.layers - guessing;
  const net = readDeltaNet(reader, served);
  const recurrent = recurrentLayers(reader, h.layers).slice(0, layers);
  if (!recurrent.includes(true) || !recurrent.includes(false)) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `${recurrent.filter(Boolean).length} of ${layers} layers have gated DeltaNet; supported: some, but not all`,
    );
  }
  if (guessing > 0) {
    reader.warnings.push(`the last ${guessing} of ${h.layers} layers guess further tokens: they are not read`);
  }
  return {
    ...h,
    layers,
    guessingLayers: guessing,
    attention: h.attention
      .slice(0, layers)
      .map((attention, layer) => (recurrent[layer] ? { ...attention, kvHeads: 0 } : attention)),
    deltaNet: net,
    recurrence: {
      state: recurrent.map((isRecurrent) => (isRecurrent ? stateOf(net) : 0)),
      // Layers that attend have q and the gates there.
      columns: Math.max(columnsOf(net).count, 2 * h.heads * h.headDim),
    },
  };
}

function recurrentLayers(reader: KeyReader, layers: number): readonly boolean[] {
  const interval = reader.integer("full_attention_interval", 4, 1, LARGEST.layers);
  const flags = reader.flags("attention.recurrent_layers", layers);
  return flags ?? Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
}

export const qwen35: Architecture = {
  hyperparameters: (reader) => readHybrid(reader, readSectioned(reader), "apart"),
  weights: (h, has) =>
    decoderWeights(h, has, (_, layer) => (attends(h, layer) ? attentionLayer(h, layer) : deltaNetLayer(h, layer))),
  forward,
};
