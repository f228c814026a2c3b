// LFM2 and LFM2.5 (Liquid AI 2025): most layers mix neighbouring tokens by a short convolution between two gates, and keep a few columns
// of a text. The others attend, with a norm for every head of q and k. Which do, `attention.head_count_kv` says: it is 0 for a convolution.

import { UnsupportedError } from "../../errors.js";
import { addProduct, attention, attentionSpecs, gatedFeedForward, gatedFeedForwardSpecs } from "../blocks.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { LayerWeights, Pass } from "../pass.js";
import { decoderWeights, matrix, vector, vectors } from "../plan/weight-specs.js";
import type { Architecture } from "./architecture.js";

/** The last norm's name in files, which says otherwise. */
const LAST_NORM = "token_embd_norm.weight";

function forward(pass: Pass): void {
  const embedding = pass.weight("token_embd.weight"); // (vocab, dim)
  pass.embed(embedding); // x (rows, dim)
  for (let layer = 0; layer < pass.h.layers; layer++) {
    if (pass.h.attention[layer]!.kvHeads > 0) {
      const w = pass.layer(layer, attentionLayer);
      attention(pass, layer, w); // x += wo . attention(rope(norm(wq . norm(x))), rope(norm(wk . norm(x))), wv . norm(x))
      gatedFeedForward(pass, w, "silu"); // x += w_down . (silu(w_gate . norm(x)) * (w_up . norm(x)))
    } else {
      const w = pass.layer(layer, convolutionLayer);
      convolution(pass, layer, w);
      gatedFeedForward(pass, w, "silu");
    }
  }
  pass.output(pass.weight(LAST_NORM), pass.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

/** x += w_out . (c * conv(b * u))  with  (b, c, u) = w_in . norm(x) */
function convolution(pass: Pass, layer: number, w: LayerWeights<ReturnType<typeof convolutionLayer>>): void {
  const { normed } = pass.buffers;
  const bcx = pass.buffers.recurrent!;
  const x = pass.read(w.attn_norm, [w.in_proj]); // (rows, dim)
  pass.matmul.multiply(x, [{ weight: w.in_proj, to: bcx }]); // (rows, 3 * dim)
  pass.convolution!.convolveGated(layer, bcx, w.conv, normed); // (rows, dim)
  addProduct(pass, normed, w.out_proj);
}

function attentionLayer(h: Hyperparameters, layer: number) {
  return {
    ...attentionSpecs(h, layer, { norm: true, headNorms: true }),
    ...gatedFeedForwardSpecs(h, layer, { norm: true }),
  };
}

function convolutionLayer(h: Hyperparameters, layer: number) {
  const blk = `blk.${layer}.`;
  const width = h.recurrence!.state[layer]! / h.dim + 1;
  return {
    attn_norm: vector(`${blk}attn_norm.weight`, h.dim),
    in_proj: matrix(`${blk}shortconv.in_proj.weight`, 3 * h.dim, h.dim),
    conv: vectors(`${blk}shortconv.conv.weight`, h.dim, width),
    out_proj: matrix(`${blk}shortconv.out_proj.weight`, h.dim, h.dim),
    ...gatedFeedForwardSpecs(h, layer, { norm: true }),
  };
}

function layerSpecs(h: Hyperparameters, layer: number) {
  return h.attention[layer]!.kvHeads > 0 ? attentionLayer(h, layer) : convolutionLayer(h, layer);
}

/** The common keys, and how many columns a convolution sees: its own and those before it, which are kept. */
function hyperparameters(reader: KeyReader): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms", kvHeadsDiffer: true });
  const width = reader.integer("shortconv.l_cache", undefined, 2, 256);
  if (h.dim % 4 !== 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `lfm2 with an embedding_length of ${h.dim}; supported: multiples of 4`,
    );
  }
  const state = h.attention.map(({ kvHeads }) => (kvHeads > 0 ? 0 : (width - 1) * h.dim));
  return { ...h, recurrence: state.some((elements) => elements > 0) ? { state, columns: 3 * h.dim } : undefined };
}

export const lfm2: Architecture = {
  hyperparameters,
  weights: (h, has) => decoderWeights(h, has, layerSpecs, LAST_NORM),
  forward,
};
