// The block that takes the place of a dense feed-forward: a mixture of experts (Shazeer et al. 2017; Jiang et al. 2024). A router chooses a
// few gated feed-forwards for each token, and their results are added by its weights. An architecture says which of the parts it has.

import type { ExpertGate } from "./experts.js";
import type { Hyperparameters } from "./hyperparameters.js";
import type { Encoded } from "./matmul.js";
import type { LayerWeights, Pass } from "./pass.js";
import { matrices, matrix, vector, vectors } from "./plan/weight-specs.js";

/** What differs between architectures. */
export interface ExpertParts {
  /** The name of the norm of x before it. */
  readonly norm: "ffn_norm" | "post_attention_norm";
  /** Biases of the router and of every expert. */
  readonly biases?: boolean;
}

/** The weights of `experts`. */
export function expertSpecs(h: Hyperparameters, layer: number, parts: ExpertParts) {
  const { count, ffn, shared } = h.experts!;
  const blk = `blk.${layer}.`;
  const biases = (name: string, columns: number) =>
    parts.biases ? vectors(`${blk}${name}.bias`, count, columns) : undefined;
  const besides = (name: string, rows: number, columns: number) =>
    shared > 0 ? matrix(`${blk}${name}.weight`, rows, columns) : undefined;
  return {
    ffn_norm: vector(`${blk}${parts.norm}.weight`, h.dim),
    ffn_gate_inp: matrix(`${blk}ffn_gate_inp.weight`, count, h.dim),
    ffn_gate_inp_bias: parts.biases ? vector(`${blk}ffn_gate_inp.bias`, count) : undefined,
    ffn_gate_exps: matrices(`${blk}ffn_gate_exps.weight`, count, ffn, h.dim),
    ffn_gate_exps_bias: biases("ffn_gate_exps", ffn),
    ffn_up_exps: matrices(`${blk}ffn_up_exps.weight`, count, ffn, h.dim),
    ffn_up_exps_bias: biases("ffn_up_exps", ffn),
    ffn_down_exps: matrices(`${blk}ffn_down_exps.weight`, count, h.dim, ffn),
    ffn_down_exps_bias: biases("ffn_down_exps", h.dim),
    ffn_gate_inp_shexp: besides("ffn_gate_inp_shexp", 1, h.dim),
    ffn_gate_shexp: besides("ffn_gate_shexp", shared, h.dim),
    ffn_up_shexp: besides("ffn_up_shexp", shared, h.dim),
    ffn_down_shexp: besides("ffn_down_shexp", h.dim, shared),
  };
}

/**
 * With y = norm . x, and over the experts e that router . y chooses, each with its weight:
 *
 *   x += sum of weight(e) * w_down(e) . (activation(w_gate(e) . y) * (w_up(e) . y))
 *
 * and where all tokens share an expert, with its weight sigmoid(w . y), x += that one's result, too.
 */
export function experts(pass: Pass, w: LayerWeights<ReturnType<typeof expertSpecs>>, activation: ExpertGate): void {
  const experts = pass.experts!;
  const { matmul } = pass;
  const { gate, up } = pass.buffers;
  const { ffn_gate_inp_shexp: sharedGate, ffn_gate_shexp, ffn_up_shexp, ffn_down_shexp } = w;
  const router = { weight: w.ffn_gate_inp, bias: w.ffn_gate_inp_bias, to: experts.buffers.logits };
  const readers = [w.ffn_gate_inp, w.ffn_gate_exps, w.ffn_up_exps];

  if (sharedGate === undefined) {
    const y = pass.read(w.ffn_norm, readers); // (rows, dim)
    matmul.multiply(y, [router]); // (rows, experts)
    multiplyChosen(pass, y, w, activation);
  } else {
    const y = pass.read(w.ffn_norm, [...readers, sharedGate, ffn_gate_shexp!, ffn_up_shexp!]); // (rows, dim)
    matmul.multiply(y, [router, { weight: sharedGate, to: experts.buffers.sharedLogits }]); // (rows, experts), (rows, 1)
    multiplyChosen(pass, y, w, activation);
    matmul.multiplyGated(y, { weight: ffn_gate_shexp!, to: gate }, { weight: ffn_up_shexp!, to: up }, "silu"); // (rows, shared)
    matmul.multiply(matmul.encode(gate, [ffn_down_shexp!]), [{ weight: ffn_down_shexp!, to: experts.shared }]); // (rows, dim)
  }
  const gated = experts.encode(w.ffn_down_exps); // (rows * used, ffn)
  experts.addProducts(gated, { weight: w.ffn_down_exps, bias: w.ffn_down_exps_bias });
}

/** Chooses experts, and takes y through their gates. */
function multiplyChosen(
  pass: Pass,
  y: Encoded,
  w: LayerWeights<ReturnType<typeof expertSpecs>>,
  activation: ExpertGate,
): void {
  const experts = pass.experts!;
  experts.choose();
  const x = experts.gather(y, pass.buffers.normed, [w.ffn_gate_exps, w.ffn_up_exps]); // (rows * used, dim)
  const gate = { weight: w.ffn_gate_exps, bias: w.ffn_gate_exps_bias };
  experts.multiplyGated(x, gate, { weight: w.ffn_up_exps, bias: w.ffn_up_exps_bias }, activation); // (rows * used, ffn)
}

/** The weights of `plainExperts`. */
export function plainExpertSpecs(h: Hyperparameters, layer: number) {
  const { count, ffn } = h.experts!;
  const blk = `blk.${layer}.`;
  return {
    ffn_gate_inp: matrix(`${blk}ffn_gate_inp.weight`, count, h.dim),
    ffn_up_exps: matrices(`${blk}ffn_up_exps.weight`, count, ffn, h.dim),
    ffn_down_exps: matrices(`${blk}ffn_down_exps.weight`, count, h.dim, ffn),
  };
}

/** x += the sum of weight(e) * w_down(e) . gelu(w_up(e) . x) over the experts e that router . x chooses: experts without gates and norm. */
export function plainExperts(pass: Pass, w: LayerWeights<ReturnType<typeof plainExpertSpecs>>): void {
  const experts = pass.experts!;
  const x = pass.read(undefined, [w.ffn_gate_inp, w.ffn_up_exps]); // (rows, dim)
  pass.matmul.multiply(x, [{ weight: w.ffn_gate_inp, to: experts.buffers.logits }]); // (rows, experts)
  experts.choose();
  const gathered = experts.gather(x, pass.buffers.x, [w.ffn_up_exps]); // (rows * used, dim)
  experts.multiplyActivated(gathered, { weight: w.ffn_up_exps }); // (rows * used, ffn)
  experts.addProducts(experts.encode(w.ffn_down_exps), { weight: w.ffn_down_exps });
}
