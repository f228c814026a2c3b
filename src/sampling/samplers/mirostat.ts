// Mirostat 2 (Basu et al. 2020, "Mirostat: a neural text decoding algorithm that directly controls perplexity", algorithm 2): drops
// what is too surprising, and learns from each token how much is.

import type { Candidates } from "../candidates.js";
import { log } from "../exponential.js";
import type { GroupRow } from "../option-rows.js";
import type { Random } from "../random.js";

/** Mirostat 2: keeps the surprise of the tokens near a target. */
export interface MirostatOptions {
  /** The target, in bits; 0 .. 100. Default 5. */
  readonly tau?: number;
  /** How fast it learns; 0 .. 1. Default 0.1. */
  readonly eta?: number;
}

export const mirostatOptions: GroupRow<MirostatOptions> = {
  type: "group",
  fields: {
    tau: {
      type: "number",
      from: 0,
      to: 100,
      default: 5,
      flags: ["--mirostat-ent"],
      help: "the surprise that mirostat keeps to, in bits",
    },
    eta: {
      type: "number",
      from: 0,
      to: 1,
      default: 0.1,
      flags: ["--mirostat-lr"],
      help: "how fast mirostat learns",
    },
  },
};

export class Mirostat {
  readonly #options: Required<MirostatOptions>;
  /** The most surprise that a token may have. */
  #most: number;

  constructor(options: Required<MirostatOptions>) {
    this.#options = options;
    this.#most = 2 * options.tau;
  }

  /** Drops what is too surprising, except the most likely token, and draws; returns the place of the chosen one. */
  draw(candidates: Candidates, random: Random): number {
    const largest = candidates.largestLogit();
    const least = largest + log(candidates.weigh()) - this.#most * Math.LN2;
    if (least > largest) candidates.keepTop(1);
    else candidates.keepFrom(least);
    const sum = candidates.weigh();
    const chosen = candidates.at(random.nextFraction() * sum);
    const surprise = log(sum / candidates.weights[chosen]!) / Math.LN2;
    this.#most -= this.#options.eta * (surprise - this.#options.tau);
    return chosen;
  }
}
