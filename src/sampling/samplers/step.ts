// What a sampler is: one step of the chain from logits to a token.

import type { Candidates } from "../candidates.js";

export interface SamplerStep {
  /** Changes the logits of candidates, or drops some of them; at least one stays. */
  apply(candidates: Candidates): void;
  /** Takes note of a token of the prompt or of the answer. */
  accept?(id: number): void;
}
