// What the tokens so far do to the next one's logits: repetition, frequency and presence penalties.

import type { Candidates } from "../candidates.js";
import type { Resolved } from "../option-rows.js";
import { MOST_RECENT, type SamplerDefinition, type SamplerStep } from "./definition.js";

export interface PenaltyOptions {
  /** Divides the positive and multiplies the negative logits of recent tokens; 0.01 .. 100, 1: off. Default 1. */
  readonly repeatPenalty?: number;
  /** Subtracted from a recent token's logit for each time it occurred; -100 .. 100, 0: off. Default 0. */
  readonly frequencyPenalty?: number;
  /** Subtracted from a recent token's logit once; -100 .. 100, 0: off. Default 0. */
  readonly presencePenalty?: number;
  /** How many tokens are recent, prompt included; 0: none, -1: all. Default 64. */
  readonly penaltyLastN?: number;
}

export const penalties: SamplerDefinition<"penalties", PenaltyOptions> = {
  name: "penalties",
  spellings: ["penalties"],
  effect: "edits",
  options: {
    repeatPenalty: {
      type: "number",
      from: 0.01,
      to: 100,
      default: 1,
      flags: ["--repeat-penalty"],
      help: "makes recent tokens less likely; 1: off",
    },
    presencePenalty: {
      type: "number",
      from: -100,
      to: 100,
      default: 0,
      flags: ["--presence-penalty"],
      help: "subtracted from the logits of recent tokens",
    },
    frequencyPenalty: {
      type: "number",
      from: -100,
      to: 100,
      default: 0,
      flags: ["--frequency-penalty"],
      help: "subtracted once for each time that they occurred",
    },
    penaltyLastN: {
      type: "integer",
      from: -1,
      to: MOST_RECENT,
      default: 64,
      flags: ["--repeat-last-n"],
      help: "how many tokens are recent; 0: none, -1: all",
    },
  },
  step: (options) => {
    const { repeatPenalty, frequencyPenalty, presencePenalty, penaltyLastN } = options;
    const idle = repeatPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0;
    return idle || penaltyLastN === 0 ? undefined : new Penalties(options);
  },
};

/**
 * For each token that occurs c > 0 times among the last n: a positive logit is divided by `repeatPenalty`, any other
 * multiplied by it (Keskar et al. 2019, CTRL, with the sign rule every engine adds); then `c * frequencyPenalty +
 * presencePenalty` is subtracted. As in llama.cpp, the prompt's tokens count too.
 */
class Penalties implements SamplerStep {
  readonly #strengths: Resolved<PenaltyOptions>;
  readonly #counts = new Map<number, number>();
  /** The last n tokens, a ring; empty where all tokens count, because then none is ever forgotten. */
  readonly #ring: Int32Array;
  #accepted = 0;

  constructor(strengths: Resolved<PenaltyOptions>) {
    this.#strengths = strengths;
    this.#ring = new Int32Array(Math.max(0, strengths.penaltyLastN));
  }

  accept(id: number): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    const length = this.#ring.length;
    if (length === 0) return;
    const place = this.#accepted % length;
    if (this.#accepted >= length) this.#forget(this.#ring[place]!);
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
