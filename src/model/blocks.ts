// The blocks that layers of many architectures are made of: attention and the gated feed-forward. Each names its weights and says what it
// computes. An architecture says which of the parts in brackets it has.

import type { Hyperparameters } from "./hyperparameters.js";
import type { Encoded, Gate } from "./matmul.js";
import type { LayerWeights, Pass } from "./pass.js";
import type { PlacedWeight, Rows } from "./plan/memory-plan.js";
import { matrix, optional, partsOf, vector, type WeightSpec } from "./plan/weight-specs.js";

/** What an architecture's attention has besides its four matrices. */
export interface AttentionParts {
  /** One matrix for q, k and v. */
  readonly fused?: boolean;
  /** A norm of x before it. */
  readonly norm?: boolean;
  /** A norm for every head of q, and one for every head of k. */
  readonly headNorms?: boolean;
  /** A norm for all heads of q together, and one for all of k. */
  readonly wholeNorms?: boolean;
  /** A norm of what comes out. */
  readonly postNorm?: boolean;
  /** Biases, where the file has them. */
  readonly biases?: boolean;
  /** A sink for every head. */
  readonly sinks?: boolean;
  /** Where the file has no matrix of v, k before its norm and RoPE is v. */
  readonly keysAsValues?: boolean;
}

/** The weights of `attention`. A layer that reads another's keys and values has none for k and v. */
export function attentionSpecs(h: Hyperparameters, layer: number, parts: AttentionParts) {
  const { kvHeads, headDim, keysOf } = h.attention[layer]!;
  const q = h.heads * headDim;
  const kv = kvHeads * headDim;
  const own = <Spec>(spec: Spec) => (keysOf === undefined ? spec : undefined);
  const blk = `blk.${layer}.`;
  const part = (name: string, columns: number, has = false) =>
    has ? vector(`${blk}${name}.weight`, columns) : undefined;
  // One tensor has the rows of q, k and v, or each its own.
  const three = <Spec extends WeightSpec>(spec: (name: string, rows: number) => Spec) =>
    parts.fused
      ? partsOf(spec("attn_qkv", q + 2 * kv), [q, kv, kv])
      : [spec("attn_q", q), spec("attn_k", kv), spec("attn_v", kv)];
  const [wq, wk, wv] = three((name, rows) => matrix(`${blk}${name}.weight`, rows, h.dim));
  const bias = (name: string, columns: number) => optional(vector(`${blk}${name}.bias`, columns));
  const [bq, bk, bv] = parts.biases ? three(bias) : [];
  const wholeBias = (name: string, columns: number) =>
    parts.wholeNorms && parts.biases ? bias(name, columns) : undefined;
  return {
    attn_norm: part("attn_norm", h.dim, parts.norm),
    attn_q: wq!,
    attn_q_bias: bq,
    attn_k: own(wk!),
    attn_k_bias: own(bk),
    attn_v: own(parts.keysAsValues ? optional(wv!) : wv!),
    attn_v_bias: own(bv),
    attn_q_norm: part("attn_q_norm", headDim, parts.headNorms),
    attn_k_norm: own(part("attn_k_norm", headDim, parts.headNorms)),
    attn_q_whole_norm: part("attn_q_norm", q, parts.wholeNorms),
    attn_q_whole_norm_bias: wholeBias("attn_q_norm", q),
    attn_k_whole_norm: own(part("attn_k_norm", kv, parts.wholeNorms)),
    attn_k_whole_norm_bias: own(wholeBias("attn_k_norm", kv)),
    attn_sinks: part("attn_sinks", h.heads, parts.sinks),
    attn_output: matrix(`${blk}attn_output.weight`, h.dim, q),
    attn_output_bias: parts.biases ? bias("attn_output", h.dim) : undefined,
    post_attention_norm: part("post_attention_norm", h.dim, parts.postNorm),
  };
}

/** x += [scale *] [norm] (wo . attention(rope([norm] (wq . [norm] x)), rope([norm] (wk . [norm] x)), wv . [norm] x)) */
export function attention(pass: Pass, layer: number, w: LayerWeights<ReturnType<typeof attentionSpecs>>): void {
  attend(pass, layer, w, pass.read(w.attn_norm, [w.attn_q, ...keysAndValues(w)]));
  addProduct(pass, pass.buffers.attended, w.attn_output, w.attn_output_bias, w.post_attention_norm); // (rows, heads * headDim)
}

/** The matrices of k and of v. None: the layer reads another's. */
function keysAndValues({ attn_k: k, attn_v: v = k }: LayerWeights<ReturnType<typeof attentionSpecs>>) {
  return k === undefined || v === undefined ? [] : ([k, v] as const);
}

/** attended = attention(rope([norm] (wq . x)), rope([norm] (wk . x)), wv . x) */
function attend(pass: Pass, layer: number, w: LayerWeights<ReturnType<typeof attentionSpecs>>, x: Encoded): void {
  const { q, k, v } = pass.buffers;
  const [wk, wv] = keysAndValues(w);
  pass.matmul.multiply(x, [
    { weight: w.attn_q, bias: w.attn_q_bias, to: q }, // (rows, heads * headDim)
    ...(wk ? [{ weight: wk, bias: w.attn_k_bias, to: k }] : []), // (rows, kvHeads * headDim)
    ...(wv ? [{ weight: wv, bias: w.attn_v_bias, to: v }] : []), // (rows, kvHeads * headDim)
  ]);
  if (w.attn_q_whole_norm && w.attn_k_whole_norm) {
    pass.normaliseRows([
      { norm: w.attn_q_whole_norm, bias: w.attn_q_whole_norm_bias, rows: q },
      { norm: w.attn_k_whole_norm, bias: w.attn_k_whole_norm_bias, rows: k },
    ]);
  }
  pass.attention.attend(layer, { q: w.attn_q_norm, k: w.attn_k_norm }, w.attn_sinks);
}

/** What an architecture's feed-forward has besides its three matrices. */
export interface FeedForwardParts {
  /** One matrix for gate and up, by the name of up. */
  readonly fused?: boolean;
  /** A norm of x before it. */
  readonly norm?: boolean;
  /** A norm of what comes out. */
  readonly postNorm?: boolean;
}

/** The weights of `gatedFeedForward`. */
export function gatedFeedForwardSpecs(h: Hyperparameters, layer: number, parts: FeedForwardParts) {
  const ffn = h.layerFfn?.[layer] ?? h.ffn;
  const blk = `blk.${layer}.`;
  const [gate, up] = parts.fused
    ? partsOf(matrix(`${blk}ffn_up.weight`, 2 * ffn, h.dim), [ffn, ffn])
    : [matrix(`${blk}ffn_gate.weight`, ffn, h.dim), matrix(`${blk}ffn_up.weight`, ffn, h.dim)];
  return {
    ffn_norm: parts.norm ? vector(`${blk}ffn_norm.weight`, h.dim) : undefined,
    ffn_gate: gate!,
    ffn_up: up!,
    ffn_down: matrix(`${blk}ffn_down.weight`, h.dim, ffn),
    post_ffw_norm: parts.postNorm ? vector(`${blk}post_ffw_norm.weight`, h.dim) : undefined,
  };
}

/** x += [scale *] [norm] (w_down . (activation(w_gate . [norm] x) * (w_up . [norm] x))) */
export function gatedFeedForward(
  pass: Pass,
  w: LayerWeights<ReturnType<typeof gatedFeedForwardSpecs>>,
  activation: Gate,
): void {
  const { gate, up } = pass.buffers;
  const x = pass.read(w.ffn_norm, [w.ffn_gate, w.ffn_up]); // (rows, dim)
  pass.matmul.multiplyGated(x, { weight: w.ffn_gate, to: gate }, { weight: w.ffn_up, to: up }, activation); // (rows, ffn)
  addProduct(pass, gate, w.ffn_down, undefined, w.post_ffw_norm);
}

/**
 * With y = norm(x), which both halves read:
 *
 *   x += wo . attention(rope([norm] (wq . y)), rope([norm] (wk . y)), wv . y) + w_down . (activation(w_gate . y) * (w_up . y))
 */
export function parallelAttentionAndFeedForward(
  pass: Pass,
  layer: number,
  w: LayerWeights<ReturnType<typeof attentionSpecs> & ReturnType<typeof gatedFeedForwardSpecs>>,
  activation: Gate,
): void {
  const { gate, up, attended } = pass.buffers;
  const y = pass.read(w.attn_norm, [w.attn_q, ...keysAndValues(w), w.ffn_gate, w.ffn_up]); // (rows, dim)
  // Both halves read y before anything else is encoded in its place.
  pass.matmul.multiplyGated(y, { weight: w.ffn_gate, to: gate }, { weight: w.ffn_up, to: up }, activation); // (rows, ffn)
  attend(pass, layer, w, y); // (rows, heads * headDim)
  addProduct(pass, attended, w.attn_output, w.attn_output_bias);
  addProduct(pass, gate, w.ffn_down);
}

/** x += [scale *] [norm] (weight . y [+ bias]), with the model's residual scale */
export function addProduct(pass: Pass, y: Rows, weight: PlacedWeight, bias?: PlacedWeight, norm?: PlacedWeight): void {
  const { x, normed } = pass.buffers;
  const encoded = pass.matmul.encode(y, [weight]);
  if (norm === undefined && pass.h.scales.residual === 1) {
    pass.matmul.multiply(encoded, [{ weight, bias, to: x }], true);
    return;
  }
  pass.matmul.multiply(encoded, [{ weight, bias, to: normed }]);
  pass.add(normed, norm);
}
