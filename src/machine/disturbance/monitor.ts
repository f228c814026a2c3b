// Watches a team while it computes: a reading every half second, as long as there are steps.

import { type Disturbance, disturbanceIn, lostAgainstBest, sharesOf } from "./disturbance.js";
import { type Interval, intervalBetween, type Reading, takeReading, type WorkerTimes } from "./reading.js";
import { type CachePages, type MeterMemory, readPages, readTotals } from "./step-meter.js";

/** How a model has run in the last seconds in which it computed: `model.load()`. Shares are 0 to 1. */
export interface LoadFigures {
  /** What the figures cover: at most the last 10 s in which the model was watched. 0: it has not computed yet. */
  readonly seconds: number;
  /** The share of them in which it computed. */
  readonly computing: number;
  /** Steps a second, and rows (tokens of prompts and of text) a second, while it computed. */
  readonly stepsPerSecond: number;
  readonly rowsPerSecond: number;
  /** The share of its work that it lost against its own best. undefined: no best is known yet. */
  readonly lost: number | undefined;
  /** Bytes of weights that steps of one row read in a second, and the most that they have read. undefined: there were none. */
  readonly bandwidth: number | undefined;
  readonly bestBandwidth: number | undefined;
  /** Shares of its computing time: stopped by a quota; taken by the hypervisor; its most disturbed worker waiting for a processor. */
  readonly throttled: number | undefined;
  readonly stolen: number | undefined;
  readonly waiting: number | undefined;
  /** Periods in which the quota stopped it. */
  readonly throttledPeriods: number | undefined;
  /** How often workers had to give up a processor to others. */
  readonly involuntarySwitches: number | undefined;
  /** The share of time in which some task of the machine waited for a processor (PSI). Of a team that fills the machine it may be its own. */
  readonly pressure: number | undefined;
  /** The share of its steps in which the leader waited for the other workers; from one step in 16. */
  readonly atBarriers: number | undefined;
  /** Its workers, the leader first. */
  readonly workers: readonly WorkerLoad[];
  /** Since the model was loaded: steps, their rows, and how long they took, ms. */
  readonly total: { readonly steps: number; readonly rows: number; readonly milliseconds: number };
  /** Bytes of weights that a step of one row reads. */
  readonly tokenBytes: number;
  /** The KV cache, now. */
  readonly cache: CachePages;
  /** What disturbed it. */
  readonly disturbances: readonly Disturbance[];
}

/** How a worker has spent its time in steps. undefined: it is not known. */
export interface WorkerLoad {
  /** The share of it in which it waited for other workers; from one step in 16. */
  readonly atBarriers: number | undefined;
  /** The share of it in which it waited for a processor. */
  readonly waiting: number | undefined;
}

const INTERVAL_MILLISECONDS = 500;
/** Intervals that `load` covers. */
const KEPT = 20;

export interface MonitorOptions {
  readonly meter: MeterMemory;
  /** Bytes of weights that a step of one row reads. */
  readonly tokenBytes: number;
  readonly onDisturbance: ((disturbance: Disturbance) => void) | undefined;
  /** Whether calls are under way. */
  readonly isBusy: () => boolean;
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #kept: { readonly first: Reading; readonly last: Reading; readonly interval: Interval }[] = [];
  #disturbances: Disturbance[] = [];
  #last: Reading | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #reading = false;
  /** The reading from which what goes on is told next. */
  #from: Reading | undefined;
  #disturbed = 0;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  /** The team is given work. */
  wake(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.#tick(), INTERVAL_MILLISECONDS);
    (this.#timer as { unref?: () => void }).unref?.();
    this.#last = undefined;
    void this.#tick();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #tick(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    let disturbance: Disturbance | undefined;
    try {
      const before = this.#last;
      const now = await takeReading(this.#options.meter);
      if (this.#timer === undefined) return;
      this.#last = now;
      if (before !== undefined) disturbance = this.#take(before, now);
    } finally {
      this.#reading = false;
    }
    // What the caller's function throws is the caller's, as of any listener.
    if (disturbance !== undefined) this.#options.onDisturbance?.(disturbance);
  }

  /** What there is to tell after one more interval. */
  #take(before: Reading, now: Reading): Disturbance | undefined {
    const interval = intervalBetween(before, now);
    if (interval.steps.steps === 0) {
      if (!this.#options.isBusy()) this.close(); // until there is work again
      this.#disturbed = 0;
      return undefined;
    }
    this.#kept.push({ first: before, last: now, interval });
    if (this.#kept.length > KEPT) this.#kept.shift();
    if (disturbanceIn(interval) === undefined) {
      this.#disturbed = 0;
      return undefined;
    }
    // The first interval may have been disturbed for a part of it only, so what it cost is told after the second; then every other time.
    this.#disturbed++;
    if (this.#disturbed === 1) return undefined;
    if (this.#disturbed === 2) this.#from = before;
    else if (this.#disturbed % 2 === 1) return undefined;
    const told = disturbanceIn(intervalBetween(this.#from!, now));
    this.#from = now;
    if (told === undefined) return undefined;
    this.#disturbances.push(told);
    return told;
  }

  /** The figures of the intervals that are kept. */
  load(): LoadFigures {
    const { tokenBytes, meter } = this.#options;
    const oldest = this.#kept[0]?.first.time ?? Number.POSITIVE_INFINITY;
    const now = Date.now() - performance.now();
    this.#disturbances = this.#disturbances.filter(({ time }) => time.getTime() - now >= oldest);
    const all = mergeIntervals(this.#kept.map(({ interval }) => interval));
    const { steps, cpu, seconds } = all;
    const shares = sharesOf(all);
    const totals = readTotals(meter);
    const { bestSingle } = totals;
    const bandwidth = (milliseconds: number) => (1000 * tokenBytes) / milliseconds;
    return {
      seconds,
      computing: seconds === 0 ? 0 : Math.min(1, steps.milliseconds / 1000 / seconds),
      stepsPerSecond: steps.milliseconds === 0 ? 0 : (1000 * steps.steps) / steps.milliseconds,
      rowsPerSecond: steps.milliseconds === 0 ? 0 : (1000 * steps.rows) / steps.milliseconds,
      lost: lostAgainstBest(all),
      bandwidth: steps.singles === 0 ? undefined : bandwidth(steps.singleMilliseconds / steps.singles),
      bestBandwidth: bestSingle === 0 ? undefined : bandwidth(bestSingle),
      throttled: shares.throttled,
      stolen: shares.stolen,
      waiting: shares.processors,
      throttledPeriods: cpu.throttledPeriods,
      involuntarySwitches: all.involuntarySwitches,
      pressure:
        cpu.pressureMicroseconds === undefined || seconds === 0
          ? undefined
          : Math.min(1, cpu.pressureMicroseconds / 1e6 / seconds),
      atBarriers: steps.sampled === 0 ? undefined : steps.atBarriers / steps.sampled,
      workers: all.workers.map(({ waited, sampled, atBarriers }) => ({
        atBarriers: sampled === 0 ? undefined : Math.min(1, atBarriers / sampled),
        waiting:
          waited === undefined || steps.milliseconds === 0 ? undefined : Math.min(1, waited / steps.milliseconds),
      })),
      total: { steps: totals.steps, rows: totals.rows, milliseconds: totals.milliseconds },
      tokenBytes,
      cache: readPages(meter),
      disturbances: [...this.#disturbances],
    };
  }
}

/** Intervals as one. */
function mergeIntervals(intervals: readonly Interval[]): Interval {
  const sum = <Part extends object>(of: (interval: Interval) => Part, empty: Part): Part =>
    intervals.reduce<Part>((total, interval) => {
      const part = of(interval);
      return Object.fromEntries(
        Object.entries(part).map(([name, value]) => {
          const before = (total as Record<string, number | undefined>)[name];
          return [name, value === undefined ? before : (before ?? 0) + (value as number)];
        }),
      ) as Part;
    }, empty);
  const counts = sum(
    ({ seconds, longestWaitMilliseconds, involuntarySwitches }) => ({
      seconds,
      longestWaitMilliseconds,
      involuntarySwitches,
    }),
    { seconds: 0, longestWaitMilliseconds: undefined, involuntarySwitches: undefined },
  );
  return {
    ...counts,
    end: intervals.at(-1)?.end ?? 0,
    workers: mergeWorkers(intervals.map(({ workers }) => workers)),
    steps: sum(({ steps }) => steps, NO_STEPS),
    cpu: sum(({ cpu }) => cpu, NO_NOISE),
  };
}

function mergeWorkers(intervals: readonly (readonly WorkerTimes[])[]): readonly WorkerTimes[] {
  return (intervals.at(-1) ?? []).map((_, worker) => {
    const all = intervals.flatMap((workers) => workers[worker] ?? []);
    const waits = all.flatMap(({ waited }) => waited ?? []);
    return {
      waited: waits.length === 0 ? undefined : waits.reduce((sum, one) => sum + one, 0),
      sampled: all.reduce((sum, { sampled }) => sum + sampled, 0),
      atBarriers: all.reduce((sum, { atBarriers }) => sum + atBarriers, 0),
    };
  });
}

const NO_STEPS = {
  ...{ steps: 0, rows: 0, milliseconds: 0, compared: 0, expected: 0 },
  ...{ sampled: 0, atBarriers: 0, singles: 0, singleMilliseconds: 0, bestSingle: 0 },
};

const NO_NOISE = {
  periods: undefined,
  throttledPeriods: undefined,
  throttledMicroseconds: undefined,
  ticks: undefined,
  stolenTicks: undefined,
  idleTicks: undefined,
  pressureMicroseconds: undefined,
};
