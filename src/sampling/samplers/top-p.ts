// Top-p, nucleus sampling (Holtzman et al. 2019): the most likely tokens whose probabilities together reach p.

import { log } from "../exponential.js";
import type { SamplerDefinition, SamplerStep } from "./definition.js";

export interface TopPOptions {
  /** Only the most likely tokens whose probabilities together reach p; 0 .. 1, 1: all. Default 0.95. */
  readonly topP?: number;
}

export const topP: SamplerDefinition<"topP", TopPOptions> = {
  name: "topP",
  spellings: ["top_p", "nucleus"],
  effect: "drops",
  options: {
    topP: {
      type: "number",
      from: 0,
      to: 1,
      default: 0.95,
      flags: ["--top-p"],
      help: "only the most likely tokens that together have this probability; 1: all",
    },
  },
  step: ({ topP: p }, { nextLeastRatio }) => (p === 1 ? undefined : nucleus(p, nextLeastRatio)),
};

/**
 * @param leastRatio what the next sampler keeps: tokens so likely, relative to the most likely one; 0: all. Both keep a beginning of
 *   the same order, so they may change places, and the quick one of the two comes first.
 */
function nucleus(p: number, leastRatio: number): SamplerStep {
  return {
    apply(candidates) {
      const sum = candidates.weigh();
      // Tokens below this have less than 1 - p together, however many they are.
      const least = ((1 - p) * sum) / candidates.count;
      candidates.keepFrom(candidates.largestLogit() + log(Math.max(least, leastRatio)));
      candidates.keepBest(candidates.logits, p * sum, false);
    },
  };
}
