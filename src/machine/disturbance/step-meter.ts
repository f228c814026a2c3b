// What the steps of a team took, and what they would have taken at the best that this team has shown: the leader writes it, in shared
// memory of its own, and the caller's thread reads it while the team computes.
//
// Steps of the same kind should take the same time. A kind is a number of rows, a span of positions that they attend to, and how many other
// teams of the process compute meanwhile. The best of a kind is the lowest mean of its steps over GROUP_MILLISECONDS, so that a few lucky
// steps do not count.

/** Steps of one mean take so long together, and are so many at least. */
const GROUP_MILLISECONDS = 400;
const GROUP_STEPS = 5;
/** The longest span is this many times as long as the one before it; the first is FIRST_SPAN positions. */
const SPAN_RATIO = Math.SQRT2;
const FIRST_SPAN = 256;
/** A span's steps take at most so many times as long as those of the span before it: more than that is a disturbance. */
const SPAN_COST = 1.15;
const MOST_OTHERS = 7;
/** In one of so many steps the leader looks at the clock at each barrier. */
export const BARRIER_SAMPLES = 16;

// Words of the totals, f64 each.
const STEPS = 0;
const ROWS = 1;
const MILLISECONDS = 2;
const COMPARED = 3;
const EXPECTED = 4;
const SAMPLED = 5;
const AT_BARRIERS = 6;
const SINGLES = 7;
const SINGLE_MILLISECONDS = 8;
const BEST_SINGLE = 9;
const PAGES = 10;
const USED_PAGES = 11;
const CACHED_PAGES = 12;
const TOTALS = 16;
/** The numbers of the workers' threads follow, f64 each; 0: not known. Then their clocks: two f64 each, as BarrierTimes says. */
const MOST_THREADS = 256;
const CLOCKS = TOTALS + MOST_THREADS;

/** Where a team's meter lies. It survives structured cloning; where nothing is shared, each thread has its own. */
export type MeterMemory = ArrayBufferLike;

export const METER_BYTES = 8 * (CLOCKS + 2 * MOST_THREADS);

/** Since the team began. */
export interface StepTotals {
  readonly steps: number;
  readonly rows: number;
  /** In steps. */
  readonly milliseconds: number;
  /** Of it, in steps of kinds whose best is known, and what these would have taken at their best. */
  readonly compared: number;
  readonly expected: number;
  /** Of the steps in which the leader looked at the clock: their milliseconds, and those of it that it waited for others. */
  readonly sampled: number;
  readonly atBarriers: number;
  /** Steps of one row, and their milliseconds. */
  readonly singles: number;
  readonly singleMilliseconds: number;
  /** The milliseconds of the best step of one row; 0: not known. */
  readonly bestSingle: number;
}

/** Reads the totals. Any thread may do it. */
export function readTotals(memory: MeterMemory): StepTotals {
  const words = new Float64Array(memory, 0, TOTALS);
  const [steps, rows, milliseconds, compared, expected, sampled, atBarriers, singles, singleMilliseconds, bestSingle] =
    words as unknown as readonly [number, number, number, number, number, number, number, number, number, number];
  return {
    ...{ steps, rows, milliseconds, compared, expected },
    ...{ sampled, atBarriers, singles, singleMilliseconds, bestSingle },
  };
}

/** Pages of the KV cache, each of 64 positions. */
export interface CachePages {
  readonly pages: number;
  /** Held by texts that are worked on. */
  readonly used: number;
  /** Held by conversations that wait, or kept for texts that begin alike. They are given to others when there is no free page. */
  readonly cached: number;
}

/** Reads how full the KV cache is. Any thread may do it. */
export function readPages(memory: MeterMemory): CachePages {
  const words = new Float64Array(memory, 0, TOTALS);
  return { pages: words[PAGES]!, used: words[USED_PAGES]!, cached: words[CACHED_PAGES]! };
}

/** How long a worker's steps took in which it looked at the clock, ms; and of that, how long it waited at barriers for the others. */
export interface BarrierTimes {
  readonly sampled: number;
  readonly atBarriers: number;
}

/** A worker as the meter knows it. `thread`: its number; 0: not known. */
export interface MeteredWorker extends BarrierTimes {
  readonly thread: number;
}

/** The workers, in their order, as far as something is known of them. */
export function readWorkers(memory: MeterMemory): readonly MeteredWorker[] {
  const words = new Float64Array(memory);
  const workers = Array.from({ length: MOST_THREADS }, (_, worker) => ({
    thread: words[TOTALS + worker]!,
    sampled: words[CLOCKS + 2 * worker]!,
    atBarriers: words[CLOCKS + 2 * worker + 1]!,
  }));
  return workers.slice(0, workers.findLastIndex(({ thread, sampled }) => thread > 0 || sampled > 0) + 1);
}

/** A worker tells its thread's number (Linux). */
export async function tellThread(memory: MeterMemory, worker: number): Promise<void> {
  if (typeof process === "undefined" || process.platform !== "linux" || worker >= MOST_THREADS) return;
  const { readlinkSync } = await import("node:fs");
  try {
    const id = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    new Float64Array(memory, 8 * TOTALS, MOST_THREADS)[worker] = id;
  } catch {
    // Nothing is known of this thread then.
  }
}

/** A worker's own side: how long it waits for the others, in one step of BARRIER_SAMPLES. */
export class BarrierClock {
  readonly #times: Float64Array;
  #steps = 0;

  constructor(memory: MeterMemory, worker: number) {
    this.#times = new Float64Array(memory, 8 * (CLOCKS + 2 * Math.min(worker, MOST_THREADS - 1)), 2);
  }

  /** Whether the worker looks at the clock in its next step. */
  next(): boolean {
    return this.#steps++ % BARRIER_SAMPLES === BARRIER_SAMPLES - 1;
  }

  add({ sampled, atBarriers }: BarrierTimes): void {
    this.#times[0]! += sampled;
    this.#times[1]! += atBarriers;
  }
}

interface Kind {
  /** Of the group that is being counted. */
  steps: number;
  milliseconds: number;
  /** 0: not known. */
  best: number;
}

/** The leader's side. */
export class StepMeter {
  readonly #totals: Float64Array;
  readonly #kinds = new Map<number, Kind>();
  readonly #clock: BarrierClock;

  constructor(memory: MeterMemory) {
    this.#totals = new Float64Array(memory, 0, TOTALS);
    this.#clock = new BarrierClock(memory, 0);
  }

  /** Whether the leader looks at the clock at the barriers of the next step. */
  get samples(): boolean {
    return this.#totals[STEPS]! % BARRIER_SAMPLES === BARRIER_SAMPLES - 1;
  }

  /** How full the KV cache is now. */
  tellPages({ pages, used, cached }: CachePages): void {
    this.#totals[PAGES] = pages;
    this.#totals[USED_PAGES] = used;
    this.#totals[CACHED_PAGES] = cached;
  }

  /** A step has ended. */
  add(step: {
    readonly rows: number;
    /** Positions that its rows attend to, together. */
    readonly context: number;
    /** Other teams that compute. */
    readonly others: number;
    readonly milliseconds: number;
    /** Of it, at barriers; undefined: not measured. */
    readonly atBarriers: number | undefined;
  }): void {
    const { rows, context, others, milliseconds, atBarriers } = step;
    const totals = this.#totals;
    const span = context < FIRST_SPAN ? 0 : 1 + Math.floor(Math.log(context / FIRST_SPAN) / Math.log(SPAN_RATIO));
    const best = this.#bestOf(rows, span, Math.min(others, MOST_OTHERS), milliseconds);
    totals[STEPS]!++;
    totals[ROWS]! += rows;
    totals[MILLISECONDS]! += milliseconds;
    if (best > 0) {
      totals[COMPARED]! += milliseconds;
      totals[EXPECTED]! += best;
    }
    if (atBarriers !== undefined) {
      totals[SAMPLED]! += milliseconds;
      totals[AT_BARRIERS]! += atBarriers;
      this.#clock.add({ sampled: milliseconds, atBarriers });
    }
    if (rows > 1) return;
    totals[SINGLES]!++;
    totals[SINGLE_MILLISECONDS]! += milliseconds;
    if (best > 0 && (totals[BEST_SINGLE] === 0 || best < totals[BEST_SINGLE]!)) totals[BEST_SINGLE] = best;
  }

  /** The best of a step's kind before this step; 0: not known. */
  #bestOf(rows: number, span: number, others: number, milliseconds: number): number {
    const key = (at: number) => (rows * 64 + at) * (MOST_OTHERS + 1) + others;
    let kind = this.#kinds.get(key(span));
    if (kind === undefined) {
      kind = { steps: 0, milliseconds: 0, best: 0 };
      this.#kinds.set(key(span), kind);
    }
    const before = span === 0 ? 0 : (this.#kinds.get(key(span - 1))?.best ?? 0);
    if (before > 0 && (kind.best === 0 || kind.best > before * SPAN_COST)) kind.best = before * SPAN_COST;
    const { best } = kind;
    kind.steps++;
    kind.milliseconds += milliseconds;
    if (kind.milliseconds >= GROUP_MILLISECONDS && kind.steps >= GROUP_STEPS) {
      const mean = kind.milliseconds / kind.steps;
      if (kind.best === 0 || mean < kind.best) kind.best = mean;
      kind.steps = 0;
      kind.milliseconds = 0;
    }
    return best;
  }
}
