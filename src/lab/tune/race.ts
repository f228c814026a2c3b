// Which of several settings is the fastest, in as few bursts as that takes. All of them run in turns, round by round, so that what happens
// to the machine happens to all. Each round compares every challenger with the reference, the setting that is there already: its ratio.
//
//   after each round   who cannot be faster than the reference by more than the tolerance leaves, and who is clearly slower than the best
//   after some rounds  the slower half leaves (successive halving)
//   the end            nobody is left, or the only one left is clearly faster, or the rounds are used up
//
// So most bursts go where it is hardest to tell.

/** How a challenger stands against the reference. */
export interface Standing {
  /** Its speed over the reference's. */
  readonly ratio: number;
  /** Half the width of the ratio's interval of confidence (95 %), relative; infinite after one round. */
  readonly error: number;
  readonly rounds: number;
}

export interface RaceOptions {
  /** Differences of less do not count. */
  readonly tolerance?: number;
  readonly least?: number;
  readonly most?: number;
  /** After so long, what is undecided stays so, once a few rounds have been run. */
  readonly milliseconds?: number;
}

/** What is below it, users do not feel, and machines do not repeat. */
export const TOLERANCE = 0.02;
const LEAST_ROUNDS = 3;
const ENOUGH_ROUNDS = 5;
const MOST_ROUNDS = 9;
const HALVINGS = [3, 5, 7];

/** Of the t distribution, two-sided, 95 %, by the number of samples. */
const T = [Infinity, Infinity, 12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31];

/** One comparison: challengers against a reference, by one figure. */
export class Heat<Entrant> {
  readonly #reference: Entrant;
  readonly #tolerance: number;
  readonly #least: number;
  readonly #rates = new Map<Entrant, number[]>();
  readonly #alive: Set<Entrant>;

  constructor(reference: Entrant, challengers: readonly Entrant[], { tolerance, least }: RaceOptions = {}) {
    this.#reference = reference;
    this.#tolerance = tolerance ?? TOLERANCE;
    this.#least = least ?? LEAST_ROUNDS;
    this.#alive = new Set(challengers);
  }

  /** Whether nothing is left to find out. */
  get over(): boolean {
    return this.#alive.size === 0;
  }

  /** Whether an entrant is to run in the next round. */
  wants(entrant: Entrant): boolean {
    return !this.over && (entrant === this.#reference || this.#alive.has(entrant));
  }

  add(entrant: Entrant, rate: number): void {
    const rates = this.#rates.get(entrant) ?? [];
    rates.push(rate);
    this.#rates.set(entrant, rates);
  }

  /** Ends a round: who is decided leaves. */
  judge(): void {
    const { length: round } = this.#rates.get(this.#reference) ?? [];
    if (round < this.#least) return;
    const standings = [...this.#alive].map((entrant) => ({ entrant, ...this.standing(entrant) }));
    const best = standings.reduce<Standing>((a, b) => (b.ratio > a.ratio ? b : a), {
      ratio: 1,
      error: 0,
      rounds: round,
    });
    for (const { entrant, ratio, error } of standings) {
      const slow = ratio * (1 + error) < 1 + this.#tolerance;
      const beaten = ratio * (1 + error) < best.ratio * (1 - best.error);
      if (slow || beaten) this.#alive.delete(entrant);
    }
    if (HALVINGS.includes(round) && this.#alive.size > 2) {
      const sorted = [...this.#alive].sort((a, b) => this.standing(b).ratio - this.standing(a).ratio);
      for (const entrant of sorted.slice(Math.ceil(sorted.length / 2))) this.#alive.delete(entrant);
    }
    if (this.#alive.size !== 1) return;
    const [last] = this.#alive;
    const { ratio, error } = this.standing(last!);
    if (ratio * (1 - error) > 1 + this.#tolerance) this.#alive.clear();
  }

  /** Of the rounds that an entrant and the reference both ran. */
  standing(entrant: Entrant): Standing {
    const own = this.#rates.get(entrant) ?? [];
    const others = this.#rates.get(this.#reference) ?? [];
    if (entrant === this.#reference) return { ratio: 1, error: 0, rounds: own.length };
    const logs = own.map((rate, round) => Math.log(rate / others[round]!)).sort((a, b) => a - b);
    // A burst that something else disturbed tells nothing: of many, the least and the largest are left out.
    const kept = logs.length >= 5 ? logs.slice(1, -1) : logs;
    const middle = kept.reduce((sum, log) => sum + log, 0) / kept.length;
    const variance = kept.reduce((sum, log) => sum + (log - middle) ** 2, 0) / Math.max(1, kept.length - 1);
    const t = T[kept.length] ?? 2.3;
    return { ratio: Math.exp(middle), error: t * Math.sqrt(variance / kept.length), rounds: logs.length };
  }
}

/** Of some entrants, the simplest first, the first that is as fast as the fastest, except for what does not count. */
export function choose<Entrant>(
  simplestFirst: readonly Entrant[],
  standingOf: (entrant: Entrant) => Standing,
  tolerance = TOLERANCE,
): Entrant {
  const ratioOf = (entrant: Entrant) => {
    const { ratio, error } = standingOf(entrant);
    // What is not clearly faster than the reference is as fast.
    return ratio > 1 && ratio * (1 - error) <= 1 + tolerance / 2 ? 1 : ratio;
  };
  const best = Math.max(...simplestFirst.map(ratioOf));
  return simplestFirst.find((entrant) => ratioOf(entrant) >= best * (1 - tolerance))!;
}

/**
 * Runs rounds until every heat is over.
 *
 * @param burst the speed of an entrant in a heat, measured now
 */
export async function race<Entrant>(
  entrants: readonly Entrant[],
  heats: readonly Heat<Entrant>[],
  burst: (entrant: Entrant, heat: Heat<Entrant>) => Promise<number>,
  { most = MOST_ROUNDS, milliseconds = Infinity }: RaceOptions = {},
): Promise<void> {
  const begin = performance.now();
  for (let round = 0; round < most && heats.some(({ over }) => !over); round++) {
    if (round >= ENOUGH_ROUNDS && performance.now() - begin > milliseconds) return;
    // Who runs first, and who after whom, changes from round to round.
    const shift = round % entrants.length;
    for (const entrant of [...entrants.slice(shift), ...entrants.slice(0, shift)]) {
      for (const heat of heats) {
        if (heat.wants(entrant)) heat.add(entrant, await burst(entrant, heat));
      }
    }
    for (const heat of heats) heat.judge();
  }
}
