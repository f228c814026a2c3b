// Locally typical sampling (Meister et al. 2022): the tokens whose surprise -log p is closest to its mean, the entropy, until their
// probabilities exceed p.

import type { SamplerDefinition, SamplerStep } from "./definition.js";

export interface TypicalPOptions {
  /** Locally typical sampling (Meister et al. 2022): only tokens of near average surprise; 0 .. 1, 1: all. Default 1. */
  readonly typicalP?: number;
}

export const typicalP: SamplerDefinition<"typicalP", TypicalPOptions> = {
  name: "typicalP",
  spellings: ["typ_p", "typical_p", "typical"],
  effect: "drops",
  options: {
    typicalP: {
      type: "number",
      from: 0,
      to: 1,
      default: 1,
      flags: ["--typical", "--typical-p"],
      help: "locally typical sampling; 1: off",
    },
  },
  step: ({ typicalP: p }) => (p === 1 ? undefined : locallyTypical(p)),
};

function locallyTypical(p: number): SamplerStep {
  let typicality = new Float32Array(0);
  return {
    apply(candidates) {
      const { logits, ids, count } = candidates;
      if (typicality.length === 0) typicality = new Float32Array(ids.length);
      const sum = candidates.weigh();
      const { logSum, entropy } = candidates.surprise(sum);
      for (let i = 0; i < count; i++) typicality[i] = -Math.abs(logSum - logits[i]! - entropy);
      candidates.keepBest(typicality, p * sum, true);
    },
  };
}
