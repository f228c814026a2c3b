// A mixture of experts in float64, one token at a time: every expert is asked, and those that are not chosen are left out of the sum.

import type { ReferenceModel } from "./forward.js";

/** What a router makes of one token: for each expert its part of the sum, 0 if it is not chosen. */
export type Routing = readonly number[];

/**
 * The sum over the chosen experts for x (dim), which is normalised already; and of the expert that all tokens share, if there is one.
 * `activation`: of experts without gates.
 */
export function mixture(
  model: ReferenceModel,
  layer: number,
  x: Float64Array,
  activation?: (x: number) => number,
): Float64Array {
  const { key, tensor } = model;
  const count = key("expert_count")!;
  const block = (name: string): string => `blk.${layer}.${name}`;

  /** Matrix `index` of `count` in a tensor, times `input`, plus its bias. */
  const product = (name: string, input: Float64Array, index = 0, of = 1): Float64Array => {
    const { columns, values } = tensor(`${name}.weight`)!;
    const bias = tensor(`${name}.bias`)?.values;
    const rows = values.length / columns / of;
    return Float64Array.from({ length: rows }, (_, row) => {
      const begin = (index * rows + row) * columns;
      return input.reduce((sum, value, c) => sum + values[begin + c]! * value, bias?.[index * rows + row] ?? 0);
    });
  };
  const oai = model.architecture === "gpt-oss";
  const feedForward = (suffix: string, index: number, of: number): Float64Array => {
    const up = product(block(`ffn_up_${suffix}`), x, index, of);
    if (activation !== undefined) return product(block(`ffn_down_${suffix}`), up.map(activation), index, of);
    const gate = product(block(`ffn_gate_${suffix}`), x, index, of);
    const gated = gate.map((g, i) => (oai ? clampedGate(g, up[i]!) : (g / (1 + Math.exp(-g))) * up[i]!));
    return product(block(`ffn_down_${suffix}`), gated, index, of);
  };

  const sum = new Float64Array(x.length);
  const add = (y: Float64Array, weight: number) => {
    for (let i = 0; i < sum.length; i++) sum[i]! += weight * y[i]!;
  };
  for (const [expert, weight] of route(model, product(block("ffn_gate_inp"), x)).entries()) {
    if (weight > 0) add(feedForward("exps", expert, count), weight);
  }
  if (tensor(block("ffn_gate_inp_shexp.weight")) !== undefined) {
    const [gate] = product(block("ffn_gate_inp_shexp"), x);
    add(feedForward("shexp", 0, 1), 1 / (1 + Math.exp(-gate!)));
  }
  return sum;
}

/** The softmax over all experts, of which the largest are kept; in most architectures these are then divided by their sum. */
function route(model: ReferenceModel, logits: Float64Array): Routing {
  const used = model.key("expert_used_count")!;
  const normalised = model.flag("expert_weights_norm") ?? !/qwen2moe|nomic/.test(model.architecture);
  const top = Math.max(...logits);
  const exps = [...logits].map((logit) => Math.exp(logit - top));
  const all = exps.reduce((a, b) => a + b, 0);
  const order = exps.map((_, expert) => expert).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const chosen = new Set(order.slice(0, used));
  if (used < order.length) model.onChoice?.(logits[order[used - 1]!]! - logits[order[used]!]!);
  const parts = exps.map((value, expert) => (chosen.has(expert) ? value / all : 0));
  const kept = parts.reduce((a, b) => a + b, 0);
  return parts.map((part) => (normalised ? part / kept : part));
}

/** gpt-oss's SwiGLU: the gate is at most 7, up is between -7 and 7, and 1 is added to it. */
function clampedGate(gate: number, up: number): number {
  const x = Math.min(gate, 7);
  return (x / (1 + Math.exp(-1.702 * x))) * (Math.min(Math.max(up, -7), 7) + 1);
}
