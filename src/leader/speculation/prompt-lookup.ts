// Prompt lookup: a text that repeats an earlier part of itself, such as code that is being edited, most likely goes on as it did there.
//
//   ... const total = sum ( items ) ; return total ... const total = sum ( ?
//       `------- 6 tokens -------´  ^ place             `------- 6 tokens -------´
//
// A caller who knows what will most likely come gives it as a prediction. It is looked up as if it stood before the text.
//
// Every token says whether the guess was right, whether or not it was a draft: what drafts are worth is thus learned for nothing.

import type { HitRates } from "./hit-rates.js";

/** A match has this many tokens at least: the index is of pairs. */
const LEAST = 2;
/** How many earlier places of a pair are looked at, and how far back a match is counted. */
const MOST_PLACES = 16;
const LONGEST = 64;
/** A match that begins so soon behind the end of the one before goes on with it, after an edit: it counts as one of RESUMED tokens. */
const NEAR = 48;
const RESUMED = 9;
/** Less likely guesses never pay. */
const LEAST_CHANCE = 0.02;
/** Token ids are below it. */
const IDS = 2 ** 24;

/** Tokens that may come next, and for each the probability that it comes after those before it, and they come. */
export interface Proposal {
  readonly tokens: readonly number[];
  readonly chances: readonly number[];
}

export class PromptLookup {
  readonly #tokens: readonly number[];
  readonly #rates: readonly HitRates[];
  /** What is looked up: the prediction, and the text as far as it is read. */
  readonly #read: number[];
  /** By pair of tokens: the last place after it. */
  readonly #places = new Map<number, number>();
  /** For each place the one before it, after the same pair; 0: none. */
  readonly #earlier: number[] = [];
  /** How much of the text is read. */
  #length = 0;
  /** What comes next is guessed to be what is here; -1: nothing is guessed. */
  #place = -1;
  #matched = 0;
  /** Where the last match has ended; -1: there was none. */
  #left = -1;

  /**
   * @param tokens the text, which grows; whoever shortens it takes a new lookup
   * @param rates that learn from this text; the first of them are its own
   * @param prediction what most likely comes after the text as it is now
   */
  constructor(tokens: readonly number[], rates: readonly HitRates[], prediction: ArrayLike<number> = []) {
    this.#tokens = tokens;
    this.#rates = rates;
    this.#read = [];
    for (let i = 0; i < prediction.length; i++) this.#add(prediction[i]!, false);
  }

  /** Reads the text on, and finds what may come next: `most` tokens at most. */
  propose(most: number): Proposal {
    this.#readOn();
    const tokens: number[] = [];
    const chances: number[] = [];
    if (this.#place < 0) return { tokens, chances };
    const read = this.#read;
    let chance = 1;
    for (let i = 0; i < most; i++) {
      const from = this.#place + i;
      chance *= this.#rates[0]!.of(this.#matched + i);
      if (chance < LEAST_CHANCE) break;
      // A text that repeats its last words goes on with what is guessed itself.
      tokens.push(from < read.length ? read[from]! : tokens[from - read.length]!);
      chances.push(chance);
    }
    return { tokens, chances };
  }

  #readOn(): void {
    const tokens = this.#tokens;
    const begins = this.#length === 0;
    const hasPrediction = begins && this.#read.length > 0;
    for (; this.#length < tokens.length; this.#length++) {
      const token = tokens[this.#length]!;
      if (this.#place >= 0) this.#check(token);
      this.#add(token, this.#length === tokens.length - 1); // only from its end on does a text go on
    }
    if (!hasPrediction) return;
    this.#place = 0;
    this.#left = 0;
    this.#matched = RESUMED;
  }

  /** The token that has come is the one that was guessed, or it is not. */
  #check(token: number): void {
    const hit = this.#read[this.#place] === token;
    for (const rates of this.#rates) rates.add(this.#matched, hit);
    if (hit) {
      this.#place++;
      this.#matched++;
    } else {
      this.#left = this.#place;
      this.#place = -1;
    }
  }

  /** Enters a token. `follow`: what comes next is guessed, if it is not yet. */
  #add(token: number, follow: boolean): void {
    const place = this.#read.push(token);
    if (place < LEAST) return;
    const pair = this.#read[place - 2]! * IDS + token;
    const earlier = this.#places.get(pair) ?? 0;
    if (this.#place < 0 && follow) this.#find(earlier);
    this.#earlier[place] = earlier;
    this.#places.set(pair, place);
  }

  /**
   * The place with the longest match, of those after the same pair, from `last` on; of several the last one, or the one closest behind the
   * last match.
   */
  #find(last: number): void {
    const read = this.#read;
    const end = read.length;
    this.#matched = 0;
    for (let place = last, seen = 0; place > 0 && seen < MOST_PLACES; place = this.#earlier[place]!, seen++) {
      let matched = LEAST;
      while (matched < LONGEST && matched < place && read[place - 1 - matched] === read[end - 1 - matched]) matched++;
      const resumes = this.#left >= 0 && place > this.#left && place <= this.#left + NEAR;
      if (resumes) matched = Math.max(matched, RESUMED);
      if (matched < this.#matched || (matched === this.#matched && !resumes)) continue;
      this.#matched = matched;
      this.#place = place;
    }
  }
}
