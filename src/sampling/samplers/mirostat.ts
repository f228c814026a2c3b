// Mirostat 2 (Basu et al. 2020, "Mirostat: a neural text decoding algorithm that directly controls perplexity", algorithm 2): drops
// what is too surprising, and learns from each token how much is.

import type { Candidates } from "../candidates.js";
import { log } from "../exponential.js";
import type { Random } from "../random.js";

export interface MirostatAim {
  /** The surprise to keep to, -log2 of the tokens' probabilities. */
  readonly tau: number;
  /** How fast to learn. */
  readonly eta: number;
}

export class Mirostat {
  readonly #aim: MirostatAim;
  /** The most surprise that a token may have. */
  #most: number;

  constructor(aim: MirostatAim) {
    this.#aim = aim;
    this.#most = 2 * aim.tau;
  }

  /** Drops what is too surprising, but for the most likely token, and draws; returns the place of the chosen one. */
  draw(candidates: Candidates, random: Random): number {
    const largest = candidates.largestLogit();
    const least = largest + log(candidates.weigh()) - this.#most * Math.LN2;
    if (least > largest) candidates.keepTop(1);
    else candidates.keepFrom(least);
    const sum = candidates.weigh();
    const chosen = candidates.at(random.nextFraction() * sum);
    const surprise = log(sum / candidates.weights[chosen]) / Math.LN2;
    this.#most -= this.#aim.eta * (surprise - this.#aim.tau);
    return chosen;
  }
}
