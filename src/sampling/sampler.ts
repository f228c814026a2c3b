// Sampling: from the logits of the last position to the next token.
//
//   logits -> + bias -> the samplers, in the order of the option `samplers` -> draw
//                   \-> temperature 0: penalties and DRY, then argmax
//
// The meaning of each sampler is llama.cpp's. Candidates stay in order of id up to the draw, all sums run in that order, and exp and
// log are our own: the same logits, options and seed give the same token on every machine.

import { CriaError } from "../errors.js";
import type { TokenBreakers } from "../tokenizer/sequence-breakers.js";
import { allBanned, Candidates, notNumbers } from "./candidates.js";
import { type Chain, chainOf } from "./chain.js";
import { logprobsOf, type TokenLogprob } from "./logprobs.js";
import { Random } from "./random.js";
import { resolveSampling } from "./resolve-sampling.js";
import type { SamplerStep } from "./samplers/definition.js";
import { Mirostat } from "./samplers/mirostat.js";
import type { ResolvedSampling, SamplingOptions } from "./sampling-options.js";

export type { TokenLogprob } from "./logprobs.js";
export type { SamplingOptions } from "./sampling-options.js";

/** A chosen token. The log probabilities are there if the option `logprobs` is set; they are of the raw logits. */
export interface SampledToken {
  readonly id: number;
  readonly logprob?: number;
  readonly top?: readonly TokenLogprob[];
}

const NO_BREAKERS: TokenBreakers = { singles: new Int32Array(0), sequences: [] };

/** Chooses the tokens of one sequence: it has the sequence's history and its stream of random numbers. */
export class Sampler {
  readonly #options: ResolvedSampling;
  readonly #vocabularySize: number;
  readonly #random: Random;
  readonly #chain: Chain;
  /** The steps that remember tokens. */
  readonly #accepting: readonly SamplerStep[];
  /** The logits after bias and penalties; absent where neither is in use. */
  readonly #edited: Float32Array | undefined;
  readonly #candidates: Candidates;
  readonly #mirostat: Mirostat | undefined;

  /**
   * @param vocabularySize the number of logits
   * @param breakers the `sequenceBreakers` of DRY, in tokens
   * @throws CriaError INVALID_OPTION
   */
  constructor(options: SamplingOptions, vocabularySize: number, breakers: TokenBreakers = NO_BREAKERS) {
    this.#options = resolveSampling(options, vocabularySize);
    this.#vocabularySize = vocabularySize;
    this.#random = Random.seeded(this.#options.seed);
    this.#chain = chainOf(this.#options, { random: this.#random, breakers });
    const { edits, steps, topK } = this.#chain;
    this.#accepting = [...edits, ...steps].filter((step) => step.accept !== undefined);
    const copies = edits.length > 0 || this.#options.logitBias.size > 0;
    this.#edited = copies ? new Float32Array(vocabularySize) : undefined;
    this.#candidates = new Candidates(vocabularySize, this.#options.greedy ? 1 : topK);
    this.#mirostat = this.#options.mirostat && new Mirostat(this.#options.mirostat);
  }

  /** The seed in use, given or chosen. */
  get seed(): number {
    return this.#options.seed;
  }

  /** Appends a token of the prompt or of the answer to the history that penalties look at. */
  accept(id: number): void {
    for (const step of this.#accepting) step.accept!(id);
  }

  /**
   * Chooses the next token; does not `accept` it.
   *
   * @param logits (vocab), left as they are; -Infinity bans a token
   * @param raw the logits whose log probabilities are reported
   * @throws CriaError NAN_LOGITS if a logit is NaN or +Infinity, NO_CANDIDATES if every token is banned, INVALID_LOGITS if
   *   their number is not that of the tokens
   */
  sample(logits: Float32Array, raw = logits): SampledToken {
    if (logits.length !== this.#vocabularySize) {
      throw new CriaError(
        "INVALID_LOGITS",
        `${logits.length} logits for a vocabulary of ${this.#vocabularySize} tokens`,
      );
    }
    const edited = this.#edit(logits);
    const id = this.#options.greedy ? argmax(edited) : this.#draw();
    const { topLogprobs } = this.#options;
    return topLogprobs === undefined ? { id } : { id, ...logprobsOf(raw, id, topLogprobs) };
  }

  /** Bias, and the edits at the beginning of the chain. */
  #edit(logits: Float32Array): Float32Array {
    const edited = this.#edited ?? logits;
    if (edited !== logits) edited.set(logits);
    for (const [id, bias] of this.#options.logitBias) edited[id]! += bias;
    this.#candidates.begin(edited);
    for (const step of this.#chain.edits) step.apply(this.#candidates);
    return edited;
  }

  #draw(): number {
    const candidates = this.#candidates;
    candidates.gather();
    for (const step of this.#chain.steps) step.apply(candidates);
    const place =
      this.#mirostat === undefined
        ? candidates.at(this.#random.nextFraction() * candidates.weigh())
        : this.#mirostat.draw(candidates, this.#random);
    return candidates.ids[place]!;
  }
}

/** The token with the highest logit; of several the lowest id. */
function argmax(logits: Float32Array): number {
  let best = -1;
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (logit <= largest) continue;
    if (!(logit < Number.POSITIVE_INFINITY)) throw notNumbers(id, logit);
    largest = logit;
    best = id;
  }
  if (best < 0) throw allBanned(logits.length);
  return best;
}
