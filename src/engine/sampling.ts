// Sampling: from the logits of the last position to the next token.
//
//   logits -> + bias -> penalties -> top-k -> typical -> top-p -> min-p -> temperature -> draw
//                           \-> temperature 0: argmax
//
// The order and the meaning of each step are llama.cpp's. Candidates stay in order of id up to the draw, all sums run in that
// order, and exp and log are our own: the same logits, options and seed give the same token on every machine.

import { CriaError } from "../errors.js";
import { Candidates, notNumbers } from "./candidates.js";
import { exp, log } from "./exponential.js";
import { logprobsOf, type TokenLogprob } from "./logprobs.js";
import { Penalties } from "./penalties.js";
import { Random } from "./random.js";
import { type ResolvedSampling, resolveSampling, type SamplingOptions } from "./sampling-options.js";

export type { TokenLogprob } from "./logprobs.js";
export type { SamplingOptions } from "./sampling-options.js";

/** A chosen token. The log probabilities are there if the option `logprobs` is set; they are of the raw logits. */
export interface SampledToken {
  readonly id: number;
  readonly logprob?: number;
  readonly top?: readonly TokenLogprob[];
}

/** exp(-50) is 2e-22: too small to be drawn, or to change a sum of probabilities. */
const NEGLIGIBLE = -50;

/** Chooses tokens, one sequence's: it has the sequence's history and its stream of random numbers. */
export class Sampler {
  readonly #options: ResolvedSampling;
  readonly #vocabularySize: number;
  readonly #random: Random;
  readonly #penalties: Penalties;
  /** The logits after bias and penalties; absent where neither is in use. */
  readonly #edited: Float32Array | undefined;
  /** Absent if greedy. */
  readonly #candidates: Candidates | undefined;
  readonly #typicality: Float32Array | undefined;
  readonly #logMinP: number;

  /**
   * @param vocabularySize the number of logits
   * @throws CriaError INVALID_OPTION
   */
  constructor(options: SamplingOptions, vocabularySize: number) {
    this.#options = resolveSampling(options, vocabularySize);
    this.#vocabularySize = vocabularySize;
    this.#random = Random.seeded(this.#options.seed);
    this.#penalties = new Penalties(this.#options);
    const edits = this.#penalties.active || this.#options.logitBias.size > 0;
    this.#edited = edits ? new Float32Array(vocabularySize) : undefined;
    const { temperature, topK, typicalP, minP } = this.#options;
    this.#candidates = temperature > 0 ? new Candidates(vocabularySize, topK) : undefined;
    this.#typicality = temperature > 0 && typicalP < 1 ? new Float32Array(this.#candidates!.ids.length) : undefined;
    this.#logMinP = log(minP);
  }

  /** The seed in use, given or chosen. */
  get seed(): number {
    return this.#options.seed;
  }

  /** Appends a token of the prompt or of the answer to the history that penalties look at. */
  accept(id: number): void {
    this.#penalties.accept(id);
  }

  /**
   * Chooses the next token; does not `accept` it.
   *
   * @param logits (vocab), left as they are; -Infinity bans a token
   * @throws CriaError NAN_LOGITS if a logit is NaN or +Infinity, NO_CANDIDATES if every token is banned, INVALID_LOGITS if
   *   there are not as many as tokens
   */
  sample(logits: Float32Array): SampledToken {
    if (logits.length !== this.#vocabularySize) {
      throw new CriaError(
        "INVALID_LOGITS",
        `${logits.length} logits for a vocabulary of ${this.#vocabularySize} tokens`,
      );
    }
    const edited = this.#edit(logits);
    const id = this.#candidates === undefined ? argmax(edited) : this.#draw(edited, this.#candidates);
    const { logprobs } = this.#options;
    return logprobs === undefined ? { id } : { id, ...logprobsOf(logits, id, logprobs) };
  }

  #edit(logits: Float32Array): Float32Array {
    const edited = this.#edited;
    if (edited === undefined) return logits;
    edited.set(logits);
    for (const [id, bias] of this.#options.logitBias) edited[id] += bias;
    this.#penalties.apply(edited);
    return edited;
  }

  #draw(logits: Float32Array, candidates: Candidates): number {
    const { temperature, topP, minP, typicalP } = this.#options;
    candidates.gather(logits);
    if (typicalP < 1) this.#keepTypical(candidates, typicalP);
    // Both top-p and min-p keep a beginning of the same order, so they may change places, if only top-p's probabilities are
    // still of all candidates: then the expensive one of the two sees few.
    const nucleus = topP < 1 ? topP * weigh(candidates, 1) : 0;
    if (minP > 0) candidates.keepFrom(candidates.largestLogit() + this.#logMinP);
    if (topP < 1) candidates.keepBest(candidates.logits, nucleus, false);
    const target = this.#random.nextFraction() * weigh(candidates, temperature);
    let sum = 0;
    let chosen = 0;
    for (let i = 0; i < candidates.count; i++) {
      if (candidates.weights[i] === 0) continue;
      sum += candidates.weights[i];
      chosen = i; // the last one with a weight, should rounding put the target at the very end
      if (target < sum) break;
    }
    return candidates.ids[chosen];
  }

  /** Keeps the candidates whose surprise -log p is closest to its mean, the entropy, until their probabilities exceed p. */
  #keepTypical(candidates: Candidates, p: number): void {
    const typicality = this.#typicality!;
    const sum = weigh(candidates, 1);
    const { logits, weights, count } = candidates;
    const logSum = candidates.largestLogit() + log(sum);
    let entropy = 0;
    for (let i = 0; i < count; i++) entropy += (weights[i] / sum) * (logSum - logits[i]);
    for (let i = 0; i < count; i++) typicality[i] = -Math.abs(logSum - logits[i] - entropy);
    candidates.keepBest(typicality, p * sum, true);
  }
}

/** Sets the weights to softmax(logits / temperature) times their sum, which is returned; the most likely one's is 1. */
function weigh(candidates: Candidates, temperature: number): number {
  const { logits, weights, count } = candidates;
  const largest = candidates.largestLogit();
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const below = (logits[i] - largest) / temperature;
    weights[i] = below > NEGLIGIBLE ? exp(below) : 0;
    sum += weights[i];
  }
  return sum;
}

/** The token with the highest logit; of several the lowest id. */
function argmax(logits: Float32Array): number {
  let best = -1;
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id];
    if (logit <= largest) continue;
    if (!(logit < Number.POSITIVE_INFINITY)) throw notNumbers(id, logit);
    largest = logit;
    best = id;
  }
  if (best < 0) throw new CriaError("NO_CANDIDATES", `all ${logits.length} tokens are banned: no token is left`);
  return best;
}
