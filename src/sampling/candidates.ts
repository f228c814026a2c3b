// The tokens that may still be chosen, in order of id, and what samplers do to them: change logits, thin them out, draw. To thin
// out is to keep the best ones until their weights reach a target: with weights of 1 and target k this is top-k, with probabilities
// and target p it is top-p and typical.
//
// No sorting. The border between kept and dropped is found by radix selection: three rounds add up the weights per digit of
// the key and walk down from the highest digit, so the time is linear, whatever the order of the logits.
//
//   key      31        21 20        10 9        0        a 32-bit float's bits, reordered so that integers compare as
//            [ digit 1  ][ digit 2  ][ digit 3 ]          the floats do

import { CriaError } from "../errors.js";
import { exp, log } from "./exponential.js";

/** The digits of a key: how far to shift it right, and how many values the digit has. */
const DIGITS = [
  { shift: 21, values: 2048 },
  { shift: 10, values: 2048 },
  { shift: 0, values: 1024 },
] as const;

/** Spare room beside 2 k candidates, so that a small k is not thinned out too often. */
const SPARE = 512;

/** exp(-50) is 2e-22: too small to be drawn, or to change a sum of probabilities. */
const NEGLIGIBLE = -50;

/** A lower temperature counts as this. No two different logits are then near enough to share, and no quotient overflows. */
const LEAST_TEMPERATURE = 1e-20;

const float = new Float32Array(1);
const floatBits = new Int32Array(float.buffer);

/** An integer whose unsigned order is the order of 32-bit floats; -0 and 0 are the same. */
function orderOf(value: number): number {
  if (value === 0) return 0x80000000 | 0;
  float[0] = value;
  const bits = floatBits[0]!;
  return bits < 0 ? ~bits : bits ^ 0x80000000;
}

/** The candidates for the next token. All arrays are allocated once and reused for every token. */
export class Candidates {
  /** Token ids, ascending; the first `count` are valid, here and below. */
  readonly ids: Int32Array;
  /** The logit of each candidate. */
  readonly logits: Float32Array;
  /** The weight of each candidate, relative to the others; at least 0. */
  readonly weights: Float64Array;
  count = 0;
  readonly #order: Int32Array;
  readonly #sums = new Float64Array(2048);
  readonly #topK: number;
  /** From `begin` to `gather`: the logits of all tokens. */
  #whole: Float32Array | undefined;

  /** @param topK how many of the most likely tokens `gather` keeps, 0: all */
  constructor(vocabularySize: number, topK: number) {
    const capacity = topK === 0 ? vocabularySize : Math.min(vocabularySize, 2 * topK + SPARE);
    this.#topK = topK;
    this.ids = new Int32Array(capacity);
    this.logits = new Float32Array(capacity);
    this.weights = new Float64Array(capacity);
    this.#order = new Int32Array(capacity);
  }

  /** Begins with all tokens. Until `gather` they can only be edited, and that changes `logits`, (vocab), itself. */
  begin(logits: Float32Array): void {
    this.#whole = logits;
  }

  /** Changes the logit of a token, if it is a candidate. */
  edit(id: number, change: (logit: number) => number): void {
    if (this.#whole !== undefined) {
      this.#whole[id] = change(this.#whole[id]!);
      return;
    }
    const place = this.#placeOf(id);
    if (place >= 0) this.logits[place] = change(this.logits[place]!);
  }

  /** Where a token is among the candidates; -1: it is not one of them. */
  #placeOf(id: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ids[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return low < this.count && this.ids[low] === id ? low : -1;
  }

  /**
   * Takes the `topK` most likely tokens (all if 0) that are not banned by a logit of -Infinity; of equal logits those with the lowest ids.
   *
   * @throws CriaError NAN_LOGITS if a logit is NaN or +Infinity, NO_CANDIDATES if every token is banned
   */
  gather(): void {
    const logits = this.#whole!;
    this.#whole = undefined;
    const capacity = this.ids.length;
    let threshold = Number.NEGATIVE_INFINITY;
    this.count = 0;
    for (let id = nextAbove(logits, 0, threshold); id < logits.length; id = nextAbove(logits, id + 1, threshold)) {
      if (!(logits[id]! < Number.POSITIVE_INFINITY)) throw notNumbers(id, logits[id]!);
      if (this.count === capacity) threshold = this.#thinOut();
      this.ids[this.count] = id;
      this.logits[this.count] = logits[id]!;
      this.count++;
    }
    if (this.count === 0) throw allBanned(logits.length);
    if (this.#topK > 0) this.keepTop(this.#topK);
  }

  /** Keeps the k most likely; returns the least logit kept: tokens with higher ids must be above it to displace one. */
  #thinOut(): number {
    this.keepTop(this.#topK);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.count; i++) if (this.logits[i]! < least) least = this.logits[i]!;
    return least;
  }

  /** Keeps the k most likely; of equal logits those with the lowest ids. */
  keepTop(k: number): void {
    if (this.count <= k) return;
    this.weights.fill(1, 0, this.count);
    this.keepBest(this.logits, k, false);
  }

  /** The highest logit of all candidates. */
  largestLogit(): number {
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < this.count; i++) if (this.logits[i]! > largest) largest = this.logits[i]!;
    return largest;
  }

  /** Divides the logits. */
  cool(temperature: number): void {
    const divisor = Math.max(temperature, LEAST_TEMPERATURE);
    for (let i = 0; i < this.count; i++) this.logits[i]! /= divisor;
  }

  /** Sets the weights to softmax(logits) times their sum, which is returned; the most likely one's is 1. */
  weigh(): number {
    const { logits, weights, count } = this;
    const largest = this.largestLogit();
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const below = logits[i]! - largest;
      weights[i] = below > NEGLIGIBLE ? exp(below) : 0;
      sum += weights[i]!;
    }
    return sum;
  }

  /** After `weigh`, which returned `sum`: how far a logit is above the log of its probability, and the entropy in nats. */
  surprise(sum: number): { readonly logSum: number; readonly entropy: number } {
    const logSum = this.largestLogit() + log(sum);
    let entropy = 0;
    for (let i = 0; i < this.count; i++) entropy += (this.weights[i]! / sum) * (logSum - this.logits[i]!);
    return { logSum, entropy };
  }

  /** The place of the candidate at `target` of 0 .. the sum of the weights. */
  at(target: number): number {
    let sum = 0;
    let chosen = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.weights[i] === 0) continue;
      sum += this.weights[i]!;
      chosen = i; // the last one with a weight, should rounding put the target at the very end
      if (target < sum) break;
    }
    return chosen;
  }

  /** Keeps the candidates with at least this logit. */
  keepFrom(leastLogit: number): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) if (this.logits[i]! >= leastLogit) this.#move(i, kept++);
    this.count = kept;
  }

  /** Keeps the candidates for whose places `keeps` is true. */
  keepWhere(keeps: (i: number) => boolean): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) if (keeps(i)) this.#move(i, kept++);
    this.count = kept;
  }

  /**
   * Keeps the best candidates, as few as have weights that add up to `target` (`strict`: to more than it), at least one. If
   * all of them together do not, all that have a weight stay.
   *
   * @param score the higher the better, (count); of equal scores the lowest ids are better
   */
  keepBest(score: Float32Array, target: number, strict: boolean): void {
    for (let i = 0; i < this.count; i++) this.#order[i] = orderOf(score[i]!);
    const border = this.#border(target, strict);
    let total = border.weightAbove;
    let reached = false;
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const order = this.#order[i]!;
      if (order >>> 0 < border.order >>> 0 || (order === border.order && reached)) continue;
      if (order === border.order) {
        total += this.weights[i]!;
        reached = strict ? total > target : total >= target;
      }
      this.#move(i, kept++);
    }
    this.count = kept;
  }

  /** The score at which, going down, the target is reached, and the weight of the candidates above it. */
  #border(target: number, strict: boolean): { readonly order: number; readonly weightAbove: number } {
    const sums = this.#sums;
    let order = 0;
    let known = 0; // a mask of the digits found so far
    let weightAbove = 0;
    for (const { shift, values } of DIGITS) {
      sums.fill(0, 0, values);
      for (let i = 0; i < this.count; i++) {
        const candidate = this.#order[i]!;
        if (((candidate ^ order) & known) === 0) sums[(candidate >>> shift) & (values - 1)]! += this.weights[i]!;
      }
      let above = weightAbove;
      let found = -1;
      for (let digit = values - 1; digit >= 0; digit--) {
        if (sums[digit] === 0) continue;
        // Sums are rounded, so the last digit may miss a target that its parent reached: then it is the last one with weight.
        weightAbove = above;
        found = digit;
        above += sums[digit]!;
        if (strict ? above > target : above >= target) break;
      }
      order |= found << shift;
      known |= (values - 1) << shift;
    }
    return { order, weightAbove };
  }

  #move(from: number, to: number): void {
    this.ids[to] = this.ids[from]!;
    this.logits[to] = this.logits[from]!;
    this.weights[to] = this.weights[from]!;
  }
}

/** The first token from `id` on whose logit is above the threshold, or NaN; the number of tokens if there is none. */
function nextAbove(logits: Float32Array, id: number, threshold: number): number {
  let next = id;
  while (next < logits.length && logits[next]! <= threshold) next++;
  return next;
}

/** The error for a logit that has no probability. */
export function notNumbers(id: number, logit: number): CriaError {
  return brokenNumber(`the logit of token ${id}`, logit);
}

/** The error for a result that is not a number, such as those of weights that are NaN. */
export function brokenNumber(name: string, value: number): CriaError {
  return new CriaError("NAN_LOGITS", `${name} is ${value}: the model's numbers are broken`);
}

/** The error where no token is left to choose. */
export function allBanned(tokens: number): CriaError {
  return new CriaError("NO_CANDIDATES", `all ${tokens} tokens are banned: no token is left`);
}
