// The tokens that may still be chosen, in order of id, and the one operation that thins them out: keep the best ones until
// their weights reach a target. Weight 1 each and target k is top-k; probabilities and target p are top-p and typical.
//
// No sorting. The border between kept and dropped is found by radix selection: three rounds add up the weights per digit of
// the key and walk down from the highest digit, so the time is linear and no arrangement of the logits is a bad case.
//
//   key      31        21 20        10 9        0        a 32-bit float's bits, reordered so that integers compare as
//            [ digit 1  ][ digit 2  ][ digit 3 ]          the floats do

import { CriaError } from "../errors.js";

/** The digits of a key: how far to shift it right, and how many values the digit has. */
const DIGITS = [
  { shift: 21, values: 2048 },
  { shift: 10, values: 2048 },
  { shift: 0, values: 1024 },
] as const;

/** Spare room beside 2 k candidates, so that a small k is not thinned out too often. */
const SPARE = 512;

const float = new Float32Array(1);
const floatBits = new Int32Array(float.buffer);

/** An integer whose unsigned order is the order of 32-bit floats; -0 and 0 are the same. */
function orderOf(value: number): number {
  if (value === 0) return 0x80000000 | 0;
  float[0] = value;
  const bits = floatBits[0];
  return bits < 0 ? ~bits : bits ^ 0x80000000;
}

/** The candidates for the next token. All arrays are allocated once and reused for every token. */
export class Candidates {
  /** Token ids, ascending; the first `count` are valid, here and below. */
  readonly ids: Int32Array;
  /** The logit of each candidate. */
  readonly logits: Float32Array;
  /** What each candidate counts, relative to the others; at least 0. */
  readonly weights: Float64Array;
  count = 0;
  readonly #order: Int32Array;
  readonly #sums = new Float64Array(2048);
  readonly #topK: number;

  /** @param topK how many of the most likely tokens `gather` keeps, 0: all */
  constructor(vocabularySize: number, topK: number) {
    const capacity = topK === 0 ? vocabularySize : Math.min(vocabularySize, 2 * topK + SPARE);
    this.#topK = topK;
    this.ids = new Int32Array(capacity);
    this.logits = new Float32Array(capacity);
    this.weights = new Float64Array(capacity);
    this.#order = new Int32Array(capacity);
  }

  /**
   * Takes the `topK` most likely tokens (all if 0) that are not banned by a logit of -Infinity; of equal logits the lowest ids.
   *
   * @throws CriaError NAN_LOGITS if a logit is NaN or +Infinity, NO_CANDIDATES if every token is banned
   */
  gather(logits: Float32Array): void {
    const capacity = this.ids.length;
    let threshold = Number.NEGATIVE_INFINITY;
    this.count = 0;
    for (let id = nextAbove(logits, 0, threshold); id < logits.length; id = nextAbove(logits, id + 1, threshold)) {
      if (!(logits[id] < Number.POSITIVE_INFINITY)) throw notNumbers(id, logits[id]);
      if (this.count === capacity) threshold = this.#thinOut();
      this.ids[this.count] = id;
      this.logits[this.count] = logits[id];
      this.count++;
    }
    if (this.count === 0)
      throw new CriaError("NO_CANDIDATES", `all ${logits.length} tokens are banned: no token is left`);
    if (this.#topK > 0 && this.count > this.#topK) this.#thinOut();
  }

  /** Keeps the k most likely; returns the least logit kept: tokens with higher ids must be above it to displace one. */
  #thinOut(): number {
    this.weights.fill(1, 0, this.count);
    this.keepBest(this.logits, this.#topK, false);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.count; i++) if (this.logits[i] < least) least = this.logits[i];
    return least;
  }

  /** The highest logit of all candidates. */
  largestLogit(): number {
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < this.count; i++) if (this.logits[i] > largest) largest = this.logits[i];
    return largest;
  }

  /** Keeps the candidates with at least this logit. */
  keepFrom(leastLogit: number): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) if (this.logits[i] >= leastLogit) this.#move(i, kept++);
    this.count = kept;
  }

  /**
   * Keeps the best candidates, as few as have weights that add up to `target` (`strict`: to more than it), at least one. If
   * all of them together do not, all that have a weight stay.
   *
   * @param score the higher the better, (count); of equal scores the lowest ids are better
   */
  keepBest(score: Float32Array, target: number, strict: boolean): void {
    for (let i = 0; i < this.count; i++) this.#order[i] = orderOf(score[i]);
    const border = this.#border(target, strict);
    let total = border.weightAbove;
    let reached = false;
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const order = this.#order[i];
      if (order >>> 0 < border.order >>> 0 || (order === border.order && reached)) continue;
      if (order === border.order) {
        total += this.weights[i];
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
        const candidate = this.#order[i];
        if (((candidate ^ order) & known) === 0) sums[(candidate >>> shift) & (values - 1)] += this.weights[i];
      }
      let above = weightAbove;
      let found = -1;
      for (let digit = values - 1; digit >= 0; digit--) {
        if (sums[digit] === 0) continue;
        // Sums are rounded, so the last digit may miss a target that its parent reached: then it is the last one with weight.
        weightAbove = above;
        found = digit;
        above += sums[digit];
        if (strict ? above > target : above >= target) break;
      }
      order |= found << shift;
      known |= (values - 1) << shift;
    }
    return { order, weightAbove };
  }

  #move(from: number, to: number): void {
    this.ids[to] = this.ids[from];
    this.logits[to] = this.logits[from];
    this.weights[to] = this.weights[from];
  }
}

/** The first token from `id` on whose logit is above the threshold, or NaN; the number of tokens if there is none. */
function nextAbove(logits: Float32Array, id: number, threshold: number): number {
  let next = id;
  while (next < logits.length && logits[next] <= threshold) next++;
  return next;
}

/** The error for a logit that no probability can be made of. */
export function notNumbers(id: number, logit: number): CriaError {
  return new CriaError("NAN_LOGITS", `the logit of token ${id} is ${logit}: the model's numbers are broken`);
}
