// Top-k (Fan et al. 2018): the k most likely tokens.

import type { SamplerDefinition } from "./definition.js";

export interface TopKOptions {
  /** Only the k most likely tokens; 0: all. Default 40. */
  readonly topK?: number;
}

export const topK: SamplerDefinition<"topK", TopKOptions> = {
  name: "topK",
  spellings: ["top_k"],
  effect: "drops",
  options: {
    topK: {
      type: "integer",
      from: 0,
      to: 2 ** 31 - 1,
      default: 40,
      flags: ["--top-k"],
      help: "only the N most likely tokens; 0: all",
    },
  },
  step: ({ topK: k }) => (k === 0 ? undefined : { apply: (candidates) => candidates.keepTop(k) }),
  keeps: ({ topK: k }) => k,
};
