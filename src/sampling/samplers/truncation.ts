// The samplers that keep the likely tokens and drop the others.

import type { Candidates } from "../candidates.js";
import { log } from "../exponential.js";
import type { SamplerStep } from "./step.js";

/** The k most likely tokens (Fan et al. 2018). */
export function topK(k: number): SamplerStep {
  return { apply: (candidates) => candidates.keepTop(k) };
}

/**
 * The most likely tokens whose probabilities together reach p (Holtzman et al. 2019, nucleus sampling).
 *
 * @param minP what `minP` would keep of them, as it often comes next; 0: all. Both keep a beginning of the same order, so they may
 *   change places, and the quick one of the two comes first.
 */
export function topP(p: number, minP = 0): SamplerStep {
  return {
    apply(candidates) {
      const sum = candidates.weigh();
      // Tokens below this have less than 1 - p together, however many they are.
      const least = ((1 - p) * sum) / candidates.count;
      candidates.keepFrom(candidates.largestLogit() + log(Math.max(least, minP)));
      candidates.keepBest(candidates.logits, p * sum, false);
    },
  };
}

/** Tokens at least p times as likely as the most likely one (Nguyen et al. 2024). */
export function minP(p: number): SamplerStep {
  const logP = log(p);
  return { apply: (candidates) => candidates.keepFrom(candidates.largestLogit() + logP) };
}

/** Tokens whose surprise -log p is closest to its mean, the entropy, until their probabilities exceed p (Meister et al. 2022). */
export function typicalP(p: number): SamplerStep {
  let typicality = new Float32Array(0);
  return {
    apply(candidates) {
      const { logits, ids, count } = candidates;
      if (typicality.length === 0) typicality = new Float32Array(ids.length);
      const sum = candidates.weigh();
      const { logSum, entropy } = candidates.surprise(sum);
      for (let i = 0; i < count; i++) typicality[i] = -Math.abs(logSum - logits[i] - entropy);
      candidates.keepBest(typicality, p * sum, true);
    },
  };
}

/** Tokens whose logits are at most n standard deviations of the candidates' logits below the highest (Tang et al. 2024). */
export function topNSigma(n: number): SamplerStep {
  return {
    apply(candidates) {
      candidates.keepFrom(candidates.largestLogit() - n * deviation(candidates));
    },
  };
}

function deviation({ logits, count }: Candidates): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += logits[i];
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) squares += (logits[i] - mean) * (logits[i] - mean);
  return Math.sqrt(squares / count);
}
