// What the tokens so far do to the next one's logits: repetition, frequency and presence penalties.

import type { Candidates } from "../candidates.js";
import type { SamplerStep } from "./step.js";

/** How strongly tokens among the last ones are made less (or more) likely. */
export interface PenaltyStrengths {
  readonly repeatPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** How many of the last tokens count; -1: all. */
  readonly penaltyLastN: number;
}

/**
 * For each token that occurs c > 0 times among the last n: a positive logit is divided by `repeatPenalty`, any other
 * multiplied by it (Keskar et al. 2019, CTRL, with the sign rule every engine adds); then `c * frequencyPenalty +
 * presencePenalty` is subtracted. As in llama.cpp, the prompt's tokens count too.
 */
export class Penalties implements SamplerStep {
  readonly #strengths: PenaltyStrengths;
  readonly #counts = new Map<number, number>();
  /** The last n tokens, a ring; empty where all tokens count, because then none is ever forgotten. */
  readonly #ring: Int32Array;
  #accepted = 0;

  constructor(strengths: PenaltyStrengths) {
    this.#strengths = strengths;
    this.#ring = new Int32Array(Math.max(0, strengths.penaltyLastN));
  }

  accept(id: number): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    const length = this.#ring.length;
    if (length === 0) return;
    const place = this.#accepted % length;
    if (this.#accepted >= length) this.#forget(this.#ring[place]);
    this.#ring[place] = id;
    this.#accepted++;
  }

  #forget(id: number): void {
    const count = this.#counts.get(id)! - 1;
    if (count === 0) this.#counts.delete(id);
    else this.#counts.set(id, count);
  }

  apply(candidates: Candidates): void {
    const { repeatPenalty, frequencyPenalty, presencePenalty } = this.#strengths;
    for (const [id, count] of this.#counts) {
      const subtracted = count * frequencyPenalty + presencePenalty;
      candidates.edit(id, (logit) => (logit > 0 ? logit / repeatPenalty : logit * repeatPenalty) - subtracted);
    }
  }
}
