// The chain of samplers that the options make.

import type { SamplerStep, SamplerSteps, StepContext } from "./samplers/definition.js";
import { type SamplerName, type SamplerOptions, samplers } from "./samplers/table.js";
import type { ResolvedSampling } from "./sampling-options.js";

const rows = new Map<SamplerName, SamplerSteps<SamplerOptions>>(samplers.map((row) => [row.name, row]));

/** The samplers that are on, in order, in the parts that `Sampler` runs. */
export interface Chain {
  /** At the beginning of the chain: they change the logits of all tokens. */
  readonly edits: readonly SamplerStep[];
  /** The next is top-k with this k, which needs no list of all tokens; 0: it is another sampler. */
  readonly topK: number;
  /** All others. */
  readonly steps: readonly SamplerStep[];
}

export function chainOf(options: ResolvedSampling, shared: Omit<StepContext, "nextLeastRatio">): Chain {
  const all = options.samplers.map((name) => rows.get(name)!);
  const used = options.greedy ? all.filter(({ effect }) => effect === "edits") : all;
  const on = used.flatMap((row, i) => {
    const step = row.step(options, { ...shared, nextLeastRatio: used[i + 1]?.leastRatio?.(options) ?? 0 });
    return step === undefined ? [] : [{ row, step }];
  });
  const firstOther = on.findIndex(({ row }) => row.effect !== "edits");
  const edits = firstOther < 0 ? on : on.slice(0, firstOther);
  const topK = on[edits.length]?.row.keeps?.(options) ?? 0;
  return {
    edits: edits.map(({ step }) => step),
    topK,
    steps: on.slice(edits.length + (topK > 0 ? 1 : 0)).map(({ step }) => step),
  };
}
