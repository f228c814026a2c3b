// Temperature: below 1 likely tokens become more likely, above 1 less.

import { exp, log } from "../exponential.js";
import type { SamplerStep } from "./step.js";

export interface DynamicTemperature {
  readonly range: number;
  readonly exponent: number;
}

/** Divides the logits. */
export function fixedTemperature(temperature: number): SamplerStep {
  return { apply: (candidates) => candidates.cool(temperature) };
}

/**
 * Divides the logits by a temperature between `temperature - range` (0 at least) and `temperature + range`: the surer the model, the
 * lower. How sure it is: the entropy of the candidates that are left, as a fraction of what it would be if all were equally likely,
 * to the power of `exponent` (Entropy-based Dynamic Temperature, kalomaze 2023).
 */
export function dynamicTemperature(temperature: number, { range, exponent }: DynamicTemperature): SamplerStep {
  const lowest = Math.max(0, temperature - range);
  const highest = temperature + range;
  return {
    apply(candidates) {
      if (candidates.count < 2) return;
      const { entropy } = candidates.surprise(candidates.weigh());
      const unsure = Math.max(0, entropy / log(candidates.count));
      candidates.cool(lowest + (highest - lowest) * power(unsure, exponent));
    },
  };
}

function power(base: number, exponent: number): number {
  return exponent === 0 ? 1 : exp(exponent * log(base));
}
