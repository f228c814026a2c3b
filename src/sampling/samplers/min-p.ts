// Min-p (Nguyen et al. 2024): the tokens at least p times as likely as the most likely one.

import { log } from "../exponential.js";
import type { SamplerDefinition, SamplerStep } from "./definition.js";

export interface MinPOptions {
  /** Only tokens at least p times as likely as the most likely one; 0 .. 1, 0: all. Default 0.05. */
  readonly minP?: number;
}

export const minP: SamplerDefinition<"minP", MinPOptions> = {
  name: "minP",
  spellings: ["min_p"],
  effect: "drops",
  options: {
    minP: {
      type: "number",
      from: 0,
      to: 1,
      default: 0.05,
      flags: ["--min-p"],
      help: "only tokens this likely, relative to the most likely one; 0: all",
    },
  },
  step: ({ minP: p }) => (p === 0 ? undefined : atLeast(p)),
  leastRatio: ({ minP: p }) => p,
};

function atLeast(p: number): SamplerStep {
  const logP = log(p);
  return { apply: (candidates) => candidates.keepFrom(candidates.largestLogit() + logP) };
}
