// Gemma 4 (Gemma Team 2026): Gemma 3's four norms and its GELU gate. What is new:
//
//   - layers that see a window have heads of another size, and a RoPE of their own; the others rotate a part of a head (rope_freqs.weight)
//   - scores are not scaled, and each head of v is normalised; a layer may have no matrix of v: then k, as it was before its norm, is v
//   - the last layers read the keys and values of the last layer of their kind that has its own
//   - every layer gets a vector of its own of each token (E2B, E4B), made of a row of a large table and of the token's embedding
//   - what a layer adds up to is multiplied by a number

import { GROUP_ROWS } from "#abi";
import { UnsupportedError } from "../../errors.js";
import { addProduct, attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import {
  type Hyperparameters,
  LARGEST,
  type LayerAttention,
  readHyperparameters,
  readRopeBase,
} from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { LayerWeights, Pass } from "../pass.js";
import { decoderWeights, matrix, optional, tokenEmbedding, vector, type WeightSpec } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

function forward(pass: Pass): void {
  pass.embed(pass.weight("token_embd.weight"), { scale: Math.sqrt(pass.h.dim) }); // x (rows, dim)
  if (pass.h.perLayer !== undefined) makePerLayer(pass); // perLayer (rows, layers * n)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    const w = pass.layer(layer, layerSpecs);
    attention(pass, layer, w); // x += norm(wo . attention(rope(norm(wq . norm(x))), rope(norm(wk . norm(x))), norm(wv . norm(x))))
    gatedFeedForward(pass, w, "gelu"); // x += norm(w_down . (gelu(w_gate . norm(x)) * (w_up . norm(x))))
    addPerLayer(pass, layer, w); // x += norm(w_proj . (gelu(w_gate . x) * the layer's part of perLayer))
    if (w.layer_output_scale !== undefined) pass.scale(w.layer_output_scale); // x *= s
  }
  const output = pass.maybeWeight("output.weight") ?? pass.weight("token_embd.weight");
  pass.output(pass.weight("output_norm.weight"), output, { softcap: pass.h.softcaps.logits }); // logits (rows, vocab)
}

/** perLayer = (norm(w . x / sqrt(dim)) + sqrt(n) * the token's row) / sqrt(2) */
function makePerLayer(pass: Pass): void {
  const projection = pass.weight("per_layer_model_proj.weight");
  pass.matmul.multiply(pass.read(undefined, [projection]), [{ weight: projection, to: pass.buffers.perLayer! }]);
  pass.mixPerLayer(pass.weight("per_layer_proj_norm.weight"), pass.weight("per_layer_token_embd.weight"));
}

function addPerLayer(pass: Pass, layer: number, w: LayerWeights<ReturnType<typeof layerSpecs>>): void {
  const { gate, perLayer } = pass.buffers;
  if (w.inp_gate === undefined || w.proj === undefined) return;
  const gates = { address: perLayer!.address + layer * pass.h.perLayer! * 4, stride: perLayer!.stride };
  pass.matmul.multiply(pass.read(undefined, [w.inp_gate]), [{ weight: w.inp_gate, gates, to: gate }]); // (rows, n)
  addProduct(pass, gate, w.proj, undefined, w.post_norm);
}

function layerSpecs(h: Hyperparameters, layer: number) {
  const blk = `blk.${layer}.`;
  const { perLayer: n } = h;
  return {
    ...attentionSpecs(h, layer, { norm: true, headNorms: true, postNorm: true, keysAsValues: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true, postNorm: true }),
    inp_gate: n === undefined ? undefined : matrix(`${blk}inp_gate.weight`, n, h.dim),
    proj: n === undefined ? undefined : matrix(`${blk}proj.weight`, h.dim, n),
    post_norm: n === undefined ? undefined : vector(`${blk}post_norm.weight`, h.dim),
    layer_output_scale: optional(vector(`${blk}layer_output_scale.weight`, 1)),
  };
}

function weights(h: Hyperparameters, has: (name: string) => boolean): readonly WeightSpec[] {
  const [embedding, ...others] = decoderWeights(h, has, layerSpecs);
  const perLayer = (n: number) => [
    tokenEmbedding("per_layer_token_embd.weight", h.vocab, h.layers * n),
    matrix("per_layer_model_proj.weight", h.layers * n, h.dim),
    vector("per_layer_proj_norm.weight", n),
  ];
  return [
    embedding!,
    ...(h.perLayer === undefined ? [] : perLayer(h.perLayer)),
    vector("rope_freqs.weight", h.ropes[0]!.dimensions / 2),
    ...others,
  ];
}

function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms", kvHeadsDiffer: true, ffnDiffers: true });
  const window = reader.integer("attention.sliding_window", undefined, 1, LARGEST.context);
  const isLocal = reader.flags("attention.sliding_window_pattern", h.layers);
  if (isLocal === undefined)
    throw reader.error("attention.sliding_window_pattern", "it must have a value for every layer");
  const localDim = reader.integer("attention.key_length_swa", undefined, 4, h.headDim);
  const localValueDim = reader.integer("attention.value_length_swa", undefined, 4, h.headDim);
  if (localValueDim !== localDim || localDim % 4 !== 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `keys of ${localDim} and values of ${localValueDim} dimensions in layers with a window; supported: the same multiple of 4 for both`,
    );
  }
  const [everywhere] = h.ropes;
  const local = {
    dimensions: reader.integer("rope.dimension_count_swa", localDim, 2, localDim),
    base: readRopeBase(reader, "rope.freq_base_swa"),
    scaling: { type: "none" },
  } as const;
  const attention = h.attention.map((all, layer): LayerAttention => {
    if (all.kvHeads === 0) throw reader.error("attention.head_count_kv", `layer ${layer} has no KV head`);
    const kind = isLocal[layer] ? { headDim: localDim, window, rope: 1 } : {};
    return { ...all, ...kind, scale: 1, valueNorm: true };
  });
  const perLayer = reader.integer("embedding_length_per_layer_input", undefined, 0, LARGEST.dim);
  if (perLayer % GROUP_ROWS !== 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `vectors of ${perLayer} elements for every layer; supported: multiples of ${GROUP_ROWS}`,
    );
  }
  return {
    ...h,
    ropes: [everywhere!, local],
    attention: shareKeys(reader, attention, isLocal),
    softcaps: { scores: 0, logits: reader.number("final_logit_softcapping", 30, -1, LARGEST.softcap) },
    ...(perLayer > 0 && { perLayer }),
  };
}

/** The last `attention.shared_kv_layers` layers read the keys and values of the last layer of their kind that has its own. */
function shareKeys(
  reader: KeyReader,
  attention: readonly LayerAttention[],
  isLocal: readonly boolean[],
): readonly LayerAttention[] {
  const shared = reader.integer("attention.shared_kv_layers", 0, 0, attention.length - 1);
  const first = attention.length - shared;
  return attention.map((own, layer) => {
    if (layer < first) return own;
    const keysOf = isLocal.lastIndexOf(isLocal[layer]!, first - 1);
    if (keysOf < 0) throw reader.error("attention.shared_kv_layers", `layer ${layer} has no layer of its kind to read`);
    return { ...own, kvHeads: attention[keysOf]!.kvHeads, keysOf };
  });
}

export const gemma4: Architecture = { hyperparameters, weights, forward };
