// Qwen3-Next (Qwen Team 2025): the layers of qwen35moe, in another order of heads. The heads of values that a head of keys serves lie
// side by side, and one matrix has the gates of all of them. RoPE is the plain one.

import { addProduct } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import { expertSpecs, experts } from "../mixture.js";
import type { LayerWeights, Pass } from "../pass.js";
import { decoderWeights, matrix } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";
import { attends, gatedAttention, gatedAttentionSpecs, mixerSpecs, readHybrid } from "./qwen35.js";
import { qwenExperts } from "./qwen35moe.js";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    if (attends(pass.h, layer)) {
      const w = pass.layer(layer, attentionLayer);
      gatedAttention(pass, layer, w);
      experts(pass, w, "silu");
    } else {
      const w = pass.layer(layer, deltaNetLayer);
      gatedDeltaNet(pass, layer, w);
      experts(pass, w, "silu");
    }
  }
  pass.output(pass.weight("output_norm.weight"), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

/** x += w_out . (silu(z) * norm(deltaRule(silu(convolution(q, k, v)), alpha, beta)))  with  (q, k, v), z, beta, alpha = w_... . norm(x) */
function gatedDeltaNet(pass: Pass, layer: number, w: LayerWeights<ReturnType<typeof deltaNetLayer>>): void {
  const net = pass.deltaNet!;
  const { qkv, z, alpha: gates } = net.rows;
  const x = pass.read(w.attn_norm, [w.attn_qkv, w.attn_gate, w.ssm_ba]); // (rows, dim)
  pass.matmul.multiply(x, [
    { weight: w.attn_qkv, to: qkv }, // (rows, (2 keyHeads + valueHeads) * dims)
    { weight: w.attn_gate, to: z }, // (rows, valueHeads * dims)
    { weight: w.ssm_ba, to: gates }, // (rows, keyHeads, 2, valueHeads / keyHeads)
  ]);
  net.mix(layer, { convolution: w.ssm_conv1d, dt: w.ssm_dt, a: w.ssm_a, norm: w.ssm_norm });
  addProduct(pass, z, w.ssm_out); // (rows, valueHeads * dims)
}

const attentionLayer = (h: Hyperparameters, layer: number) => ({
  ...gatedAttentionSpecs(h, layer),
  ...expertSpecs(h, layer, { norm: "post_attention_norm" }),
});

const deltaNetLayer = (h: Hyperparameters, layer: number) => ({
  ...mixerSpecs(h, layer),
  ssm_ba: matrix(`blk.${layer}.ssm_ba.weight`, 2 * h.deltaNet!.valueHeads, h.dim),
  ...expertSpecs(h, layer, { norm: "post_attention_norm" }),
});

export const qwen3Next: Architecture = {
  hyperparameters: (reader) =>
    readHybrid(
      reader,
      readHyperparameters(reader, { ropePairs: "halves", norm: "rms", experts: qwenExperts }),
      "together",
    ),
  weights: (h, has) =>
    decoderWeights(h, has, (_, layer) => (attends(h, layer) ? attentionLayer(h, layer) : deltaNetLayer(h, layer))),
  forward,
};
