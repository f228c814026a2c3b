// How often guesses are right, as of late.

/** What is taken for a rate before anything is known counts as much as so many guesses. */
const PRIOR_GUESSES = 3;
/** A guess counts half as much once so many others have come. */
const HALF_LIFE = 24;
const DECAY = 0.5 ** (1 / HALF_LIFE);

export class HitRate {
  #tries = PRIOR_GUESSES;
  #hits: number;

  /** @param prior what it is before anything is known */
  constructor(prior: number) {
    this.#hits = PRIOR_GUESSES * prior;
  }

  get value(): number {
    return this.#hits / this.#tries;
  }

  /** A guess was right, or it was not. */
  add(hit: boolean): void {
    this.#tries = this.#tries * DECAY + 1;
    this.#hits = this.#hits * DECAY + (hit ? 1 : 0);
  }
}

/** Of texts that repeat earlier parts of themselves: the least number of tokens that the two parts have in common, and its rate. */
const CLASSES = [
  { from: 2, prior: 0.3 },
  { from: 3, prior: 0.45 },
  { from: 4, prior: 0.55 },
  { from: 5, prior: 0.65 },
  { from: 7, prior: 0.72 },
  { from: 9, prior: 0.78 },
  { from: 13, prior: 0.83 },
  { from: 17, prior: 0.87 },
  { from: 33, prior: 0.9 },
] as const;

/** How often a text that repeats an earlier part of itself goes on as it did there, by how many tokens the parts have in common so far. */
export class HitRates {
  readonly #rates: readonly HitRate[];

  /** @param learned rates to begin with */
  constructor(learned?: HitRates) {
    this.#rates = CLASSES.map(({ from, prior }) => new HitRate(learned?.of(from) ?? prior));
  }

  /** The rate after a match of `matched` tokens. */
  of(matched: number): number {
    return this.#rates[classOf(matched)]!.value;
  }

  /** The text went on as before, or it did not. */
  add(matched: number, hit: boolean): void {
    this.#rates[classOf(matched)]!.add(hit);
  }
}

function classOf(matched: number): number {
  let at = CLASSES.length - 1;
  while (at > 0 && CLASSES[at]!.from > matched) at--;
  return at;
}
