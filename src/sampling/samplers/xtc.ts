// XTC, "exclude top choices" (p-e-w 2024, github.com/oobabooga/text-generation-webui/pull/6335): now and then the obvious tokens go.

import type { Random } from "../random.js";
import type { SamplerDefinition, SamplerStep } from "./definition.js";

/** Now and then drops the obvious tokens: all that have at least `threshold`'s probability except the least likely of them. */
export interface XtcOptions {
  /** How often, 0 .. 1, 0: never. Default 0.5. */
  readonly probability?: number;
  /** 0 .. 1; from above 0.5 on nothing is dropped. Default 0.1. */
  readonly threshold?: number;
}

export interface XtcOption {
  /** "Exclude top choices". Default: off. */
  readonly xtc?: XtcOptions;
}

export const xtc: SamplerDefinition<"xtc", XtcOption> = {
  name: "xtc",
  spellings: ["xtc"],
  effect: "drops",
  options: {
    xtc: {
      type: "group",
      fields: {
        probability: {
          type: "number",
          from: 0,
          to: 1,
          default: 0.5,
          flags: ["--xtc-probability"],
          help: "how often the obvious tokens are dropped; 0: never",
        },
        threshold: {
          type: "number",
          from: 0,
          to: 1,
          default: 0.1,
          flags: ["--xtc-threshold"],
          help: "the probability that makes a token an obvious one",
        },
      },
    },
  },
  step: ({ xtc: options }, { random }) =>
    options === undefined || options.probability === 0 ? undefined : excludeTopChoices(options, random),
};

/** With this probability: of the tokens that have at least the threshold's probability, only the least likely one stays. */
function excludeTopChoices({ probability, threshold }: Required<XtcOptions>, random: Random): SamplerStep {
  return {
    apply(candidates) {
      if (candidates.count < 2 || random.nextFraction() > probability) return;
      const least = threshold * candidates.weigh();
      const { weights, logits, count } = candidates;
      let last = -1;
      for (let i = 0; i < count; i++) {
        if (weights[i]! >= least && (last < 0 || logits[i]! <= logits[last]!)) last = i;
      }
      candidates.keepWhere((i) => weights[i]! < least || i === last);
    },
  };
}
