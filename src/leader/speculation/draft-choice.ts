// How many drafts each text has in the next step: as many as bring the most tokens in a given time.

/** Drafts are made if they are expected to bring this many times the tokens. */
const LEAST_GAIN = 1.05;

/** What is expected of a step. */
export interface DraftTerms {
  /** Rows of the step without drafts: each brings one token. */
  readonly rows: number;
  /** The most drafts of all texts together. */
  readonly most: number;
  /** Milliseconds of a step of so many rows; 0: not known. */
  readonly cost: (rows: number) => number;
  /** Milliseconds that it takes to make so many drafts. */
  readonly makingCost: (counts: readonly number[]) => number;
}

export interface DraftChoice {
  /** For each text. */
  readonly counts: readonly number[];
  /** Whether drafts that seem likely do not pay because steps of more rows seem to take too long. */
  readonly tooSlow: boolean;
}

/**
 * Takes the likeliest drafts one by one: those of a text are less and less likely, so that each comes after the ones before it.
 *
 * @param chances for each text the probabilities of its drafts, falling
 */
export function chooseDrafts(
  chances: readonly (readonly number[])[],
  { rows, most, cost, makingCost }: DraftTerms,
): DraftChoice {
  const counts = chances.map(() => 0);
  const base = cost(rows);
  if (base === 0) return { counts, tooSlow: false }; // steps without drafts come first, to be compared with
  let best = [...counts];
  let bestGain = LEAST_GAIN;
  let sum = 0;
  for (let drafts = 1; drafts <= most; drafts++) {
    let next = -1;
    let chance = 0;
    for (let i = 0; i < chances.length; i++) {
      const one = chances[i]![counts[i]!] ?? 0;
      if (one <= chance) continue;
      chance = one;
      next = i;
    }
    if (next < 0) break;
    counts[next]!++;
    sum += chance;
    const gain = (((rows + sum) / rows) * base) / (cost(rows + drafts) + makingCost(counts));
    if (gain <= bestGain) continue;
    bestGain = gain;
    best = [...counts];
  }
  const none = best.every((count) => count === 0);
  return { counts: best, tooSlow: none && sum / rows >= LEAST_GAIN - 1 };
}
