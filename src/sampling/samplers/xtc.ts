// XTC, "exclude top choices" (p-e-w 2024, github.com/oobabooga/text-generation-webui/pull/6335): now and then the obvious tokens go.

import type { Random } from "../random.js";
import type { SamplerStep } from "./step.js";

export interface XtcStrengths {
  readonly probability: number;
  readonly threshold: number;
}

/** With this probability: of the tokens that have at least the threshold's probability, only the least likely one stays. */
export function xtc({ probability, threshold }: XtcStrengths, random: Random): SamplerStep {
  return {
    apply(candidates) {
      if (candidates.count < 2 || random.nextFraction() > probability) return;
      const least = threshold * candidates.weigh();
      const { weights, logits, count } = candidates;
      let last = -1;
      for (let i = 0; i < count; i++) {
        if (weights[i] >= least && (last < 0 || logits[i] <= logits[last])) last = i;
      }
      candidates.keepWhere((i) => weights[i] < least || i === last);
    },
  };
}
