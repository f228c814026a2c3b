// Temperature: below 1 likely tokens become more likely, above 1 less.

import { exp, log } from "../exponential.js";
import type { SamplerDefinition, SamplerStep } from "./definition.js";

/** A temperature between `temperature - range` and `temperature + range`: the less sure the model is, the higher. */
export interface DynamicTemperatureOptions {
  /** 0 .. 100, 0: off. */
  readonly range: number;
  /** Above 1: nearer to the low end, below 1: nearer to the high end; 0 .. 100. Default 1. */
  readonly exponent?: number;
}

export interface TemperatureOptions {
  /** Divides the logits of the candidates that are left; 0 .. 100, 0: greedy, always the most likely token. Default 0.8. */
  readonly temperature?: number;
  /** Makes the temperature depend on how sure the model is. Default: off. */
  readonly dynamicTemperature?: DynamicTemperatureOptions;
}

export const temperature: SamplerDefinition<"temperature", TemperatureOptions> = {
  name: "temperature",
  spellings: ["temperature", "temp"],
  effect: "scales",
  options: {
    temperature: {
      type: "number",
      from: 0,
      to: 100,
      default: 0.8,
      flags: ["--temp", "--temperature"],
      help: "0: always the most likely token",
    },
    dynamicTemperature: {
      type: "group",
      fields: {
        range: {
          type: "number",
          from: 0,
          to: 100,
          flags: ["--dynatemp-range"],
          help: "the temperature moves by this much, the surer the model the lower; 0: off",
        },
        exponent: {
          type: "number",
          from: 0,
          to: 100,
          default: 1,
          flags: ["--dynatemp-exp"],
          help: "how the temperature depends on how sure the model is",
        },
      },
    },
  },
  step: ({ temperature: degrees, dynamicTemperature: dynamic }) => {
    if (dynamic !== undefined && dynamic.range > 0) return dynamicTemperature(degrees, dynamic);
    return degrees === 1 ? undefined : { apply: (candidates) => candidates.cool(degrees) };
  },
};

/**
 * Divides the logits by a temperature between `temperature - range` (0 at least) and `temperature + range`: the surer the model, the
 * lower. How sure it is: the entropy of the candidates that are left, as a fraction of what it would be if all were equally likely,
 * to the power of `exponent` (Entropy-based Dynamic Temperature, kalomaze 2023).
 */
function dynamicTemperature(degrees: number, { range, exponent }: Required<DynamicTemperatureOptions>): SamplerStep {
  const lowest = Math.max(0, degrees - range);
  const highest = degrees + range;
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
