// Rounds that count. Two engines do not suffer alike from a third program: the threads of one wait for each other more often than those
// of the other. So a round that others disturbed is run again, and a row whose rounds differ too much is measured again from the
// beginning. Both have an end; a row that stays noisy says so. No round is thrown away for its result.

import type { Reading } from "./machine-load.js";

/** What disturbed a row, for its line of the results. */
export interface Noise {
  /** Before and after the row. */
  readonly load: readonly [before: number, after: number];
  /** Percent, before and after the row. */
  readonly pressure: readonly [before: number, after: number];
  /** What others took of one processor, and the part of it that the hypervisor took, while the rounds ran that count. */
  readonly others: number;
  readonly steal: number;
  /** Of the rounds that count: how many were disturbed. */
  readonly disturbedRounds: number;
  /** The best pair's ratio over the worst one's. */
  readonly spread: number;
  /** How often the row was measured. */
  readonly attempts: number;
}

// What others may take of a round, in seconds, and as a part of its time on one processor.
const ALLOWED_SECONDS = 0.1;
const ALLOWED_PART = 0.1;
/** A larger spread is noise. */
export const ALLOWED_SPREAD = 1.3;

// For each round that is wanted, how many may be disturbed and run again; and how often a row is measured, at most.
const PATIENCE = 1;
const MOST_ATTEMPTS = 3;

export function isNoisy({ disturbedRounds, spread }: Pick<Noise, "disturbedRounds" | "spread">): boolean {
  return disturbedRounds > 0 || spread > ALLOWED_SPREAD;
}

export interface Row<T> {
  /** How many rounds count. */
  readonly rounds: number;
  readonly round: () => Promise<T>;
  /** The best ratio of the rounds over the worst one. */
  readonly spreadOf: (values: readonly T[]) => number;
  /** Undefined where the machine does not tell what it does. */
  readonly read: () => Reading | undefined;
}

/** Measures a row, again while it is noisy: the last time, or the least noisy one. */
export async function measureRow<T>(row: Row<T>): Promise<{ values: T[]; noise: Noise | undefined }> {
  let best: Attempt<T> | undefined;
  for (let attempts = 1; ; attempts++) {
    const attempt = await measureOnce(row);
    if (best === undefined || !isNoisier(attempt, best)) best = attempt;
    if (best.noise === undefined) return { values: best.values, noise: undefined };
    if (!isNoisy(best.noise) || attempts === MOST_ATTEMPTS) {
      return { values: best.values, noise: { ...best.noise, attempts } };
    }
  }
}

interface Attempt<T> {
  readonly values: T[];
  readonly noise: Omit<Noise, "attempts"> | undefined;
}

function isNoisier<T>({ noise: a }: Attempt<T>, { noise: b }: Attempt<T>): boolean {
  if (a === undefined || b === undefined) return false;
  return a.disturbedRounds !== b.disturbedRounds ? a.disturbedRounds > b.disturbedRounds : a.spread > b.spread;
}

/** Runs rounds until enough were undisturbed, or too many were disturbed: then the least disturbed ones count. */
async function measureOnce<T>({ rounds, round, spreadOf, read }: Row<T>): Promise<Attempt<T>> {
  const begin = read();
  const done: { value: T; elapsed: number; others: number; steal: number }[] = [];
  const excess = ({ elapsed, others }: { elapsed: number; others: number }) =>
    others - Math.max(ALLOWED_SECONDS, ALLOWED_PART * elapsed);
  const calm = () => done.filter((one) => excess(one) <= 0);
  while (calm().length < rounds && done.length < rounds * (1 + PATIENCE)) {
    const before = read();
    const value = await round();
    const after = read();
    const passed = (of: "atSeconds" | "othersSeconds" | "stealSeconds") => (after?.[of] ?? 0) - (before?.[of] ?? 0);
    done.push({
      value,
      elapsed: passed("atSeconds"),
      others: passed("othersSeconds"),
      steal: passed("stealSeconds"),
    });
  }
  const end = read();
  const part = (one: (typeof done)[number]) => one.others / one.elapsed;
  const least = [...done].sort((a, b) => part(a) - part(b)).slice(0, rounds);
  const counted = calm().length === rounds ? calm() : done.filter((one) => least.includes(one));
  const values = counted.map(({ value }) => value);
  if (begin === undefined || end === undefined) return { values, noise: undefined };
  const sum = (of: "elapsed" | "others" | "steal") => counted.reduce((total, one) => total + one[of], 0);
  return {
    values,
    noise: {
      load: [begin.load, end.load],
      pressure: [begin.pressure, end.pressure],
      others: Math.max(0, sum("others") / sum("elapsed")),
      steal: sum("steal") / sum("elapsed"),
      disturbedRounds: counted.filter((one) => excess(one) > 0).length,
      spread: spreadOf(values),
    },
  };
}
