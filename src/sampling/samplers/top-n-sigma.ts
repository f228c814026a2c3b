// Top-n-sigma (Tang et al. 2024): the tokens whose logits are at most n standard deviations of the candidates' logits below the highest.

import type { Candidates } from "../candidates.js";
import type { SamplerDefinition } from "./definition.js";

export interface TopNSigmaOptions {
  /** Only tokens whose logits are at most n standard deviations below the highest; 0 .. 100, 0: all. Default 0. */
  readonly topNSigma?: number;
}

export const topNSigma: SamplerDefinition<"topNSigma", TopNSigmaOptions> = {
  name: "topNSigma",
  spellings: ["top_n_sigma"],
  effect: "drops",
  options: {
    topNSigma: {
      type: "number",
      from: 0,
      to: 100,
      default: 0,
      flags: ["--top-nsigma", "--top-n-sigma"],
      flagOff: -1,
      help: "only tokens whose logits are this many standard deviations below the highest; -1: all",
    },
  },
  step: ({ topNSigma: n }) => {
    if (n === 0) return undefined;
    return { apply: (candidates) => candidates.keepFrom(candidates.largestLogit() - n * deviation(candidates)) };
  },
};

function deviation({ logits, count }: Candidates): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += logits[i]!;
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) squares += (logits[i]! - mean) * (logits[i]! - mean);
  return Math.sqrt(squares / count);
}
