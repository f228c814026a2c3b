// The samplers by name, and the chain that the options make of them. A new sampler is one file, or one function, and one row here.

import type { TokenBreakers } from "../tokenizer/sequence-breakers.js";
import type { Random } from "./random.js";
import { Dry } from "./samplers/dry.js";
import { Penalties } from "./samplers/penalties.js";
import type { SamplerStep } from "./samplers/step.js";
import { dynamicTemperature, fixedTemperature } from "./samplers/temperature.js";
import { minP, topK, topNSigma, topP, typicalP } from "./samplers/truncation.js";
import { xtc } from "./samplers/xtc.js";
import type { ResolvedSampling, SamplerName } from "./sampling-options.js";

/** What samplers share with their sequence. */
export interface ChainContext {
  readonly random: Random;
  readonly breakers: TokenBreakers;
}

/** A sampler with these options; undefined: they turn it off. */
type SamplerRow = (options: ResolvedSampling, context: ChainContext) => SamplerStep | undefined;

const rows: Readonly<Record<SamplerName, SamplerRow>> = {
  penalties: (options) => {
    const { repeatPenalty, frequencyPenalty, presencePenalty, penaltyLastN } = options;
    const idle = repeatPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0;
    return idle || penaltyLastN === 0 ? undefined : new Penalties(options);
  },
  dry: ({ dry }, { breakers }) =>
    dry === undefined || dry.multiplier === 0 || dry.penaltyLastN === 0 ? undefined : new Dry(dry, breakers),
  topNSigma: ({ topNSigma: n }) => (n === 0 ? undefined : topNSigma(n)),
  topK: ({ topK: k }) => (k === 0 ? undefined : topK(k)),
  typicalP: ({ typicalP: p }) => (p === 1 ? undefined : typicalP(p)),
  topP: ({ topP: p, minP: ratio, samplers }) => {
    if (p === 1) return undefined;
    return topP(p, samplers[samplers.indexOf("topP") + 1] === "minP" ? ratio : 0);
  },
  minP: ({ minP: p }) => (p === 0 ? undefined : minP(p)),
  xtc: ({ xtc: strengths }, { random }) =>
    strengths === undefined || strengths.probability === 0 ? undefined : xtc(strengths, random),
  temperature: ({ temperature, dynamicTemperature: dynamic }) => {
    if (dynamic !== undefined && dynamic.range > 0) return dynamicTemperature(temperature, dynamic);
    return temperature === 1 ? undefined : fixedTemperature(temperature);
  },
};

/** Samplers that change logits and drop nothing: what greedy choice leaves of the chain. */
const EDITS: readonly SamplerName[] = ["penalties", "dry"];

/** The samplers that are on, in order, in the parts that `Sampler` runs. */
export interface Chain {
  /** At the beginning of the chain: they change the logits of all tokens. */
  readonly edits: readonly SamplerStep[];
  /** The next is top-k with this k, which needs no list of all tokens; 0: it is another one. */
  readonly topK: number;
  /** All others. */
  readonly steps: readonly SamplerStep[];
}

export function chainOf(options: ResolvedSampling, context: ChainContext): Chain {
  const names = options.greedy ? options.samplers.filter((name) => EDITS.includes(name)) : options.samplers;
  const on = names.flatMap((name) => {
    const step = rows[name](options, context);
    return step === undefined ? [] : [{ name, step }];
  });
  const firstOther = on.findIndex(({ name }) => !EDITS.includes(name));
  const edits = firstOther < 0 ? on : on.slice(0, firstOther);
  const startsWithTopK = on[edits.length]?.name === "topK";
  return {
    edits: edits.map(({ step }) => step),
    topK: startsWithTopK ? options.topK : 0,
    steps: on.slice(edits.length + (startsWithTopK ? 1 : 0)).map(({ step }) => step),
  };
}
