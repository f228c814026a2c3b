// Disturbances: who or what takes time from the workers while they compute, and what it costs. What it costs is measured by the steps
// themselves, against this process's own best, where that is known; else it is estimated from the counters that name the cause.

import type { Interval } from "./reading.js";

/**
 * throttled: a control group's quota stopped the workers. stolen: the hypervisor ran another machine. processors: other threads or programs
 * ran on the workers' processors. memory: steps are slower than this process has shown that they can be, and none of the others explains it:
 * most often others use the memory's bandwidth or the caches, or the clock is lower.
 */
export type DisturbanceKind = "throttled" | "stolen" | "processors" | "memory";

/** What disturbed a model, and what it cost. */
export interface Disturbance {
  readonly kind: DisturbanceKind;
  /** The share of the work that was lost while it computed, 0 to 1: at 0.4, it did 0.6 of what it could have done. */
  readonly lost: number;
  /** How long this was observed. What goes on is told again every second. */
  readonly seconds: number;
  /** What was counted, in words: "stopped in 5 of 10 periods", "a worker waited 48 % of the time for a processor". */
  readonly signs: readonly string[];
  /** When the observation ended. */
  readonly time: Date;
}

/** The least share of its time for which a team must compute, so that anything can be said. */
const COMPUTES = 0.2;
/** The least loss that is a disturbance. */
const LEAST_LOST = 0.1;
/** The least share of time that makes a counter the cause; it must be this much of the loss, too. */
const LEAST_SIGN = 0.03;
const SHARE_OF_LOSS = 0.25;
/** The least share of a quota's periods in which it stopped somebody. */
const LEAST_STOPPED = 0.2;
const LOSING_AT_BARRIERS = 0.1;

/** What share of the time in steps each counter takes. undefined: the system does not tell. */
export interface Shares {
  readonly throttled: number | undefined;
  readonly stolen: number | undefined;
  readonly processors: number | undefined;
}

export function sharesOf({ steps, cpu, workers, longestWaitMilliseconds }: Interval): Shares {
  const inSteps = steps.milliseconds;
  const count = Math.max(1, workers.length);
  const share = (milliseconds: number | undefined) =>
    milliseconds === undefined || inSteps === 0 ? undefined : Math.min(1, Math.max(0, milliseconds / inSteps));
  const { throttledMicroseconds, stolenTicks } = cpu;
  return {
    // Both are counted on every processor, and a team stands still while one of its workers does.
    throttled: share(throttledMicroseconds === undefined ? undefined : throttledMicroseconds / 1000 / count),
    stolen: share(stolenTicks === undefined ? undefined : (10 * stolenTicks) / count),
    processors: share(longestWaitMilliseconds),
  };
}

/** The share of the time that the counters explain: where nothing better is known. */
function estimate({ throttled = 0, stolen = 0, processors = 0 }: Shares): number {
  return 1 - (1 - Math.max(throttled, processors)) * (1 - stolen);
}

/** The share of the work in steps that was lost against the best of their kinds. undefined: no best is known for most of them. */
export function lostAgainstBest({ steps }: Pick<Interval, "steps">): number | undefined {
  if (steps.compared === 0 || steps.compared < steps.milliseconds / 2) return undefined;
  return Math.max(0, 1 - steps.expected / steps.compared);
}

/** What disturbed a team in this interval; undefined: nothing, or it computed too little to tell. */
export function disturbanceIn(interval: Interval, time = new Date()): Disturbance | undefined {
  const { seconds, steps, cpu } = interval;
  if (steps.milliseconds < 1000 * COMPUTES * seconds) return undefined;
  const shares = sharesOf(interval);
  const { throttled = 0, stolen = 0, processors = 0 } = shares;
  const lost = lostAgainstBest(interval) ?? estimate(shares);
  if (lost < LEAST_LOST) return undefined;
  const causes = (Object.entries(shares) as [keyof Shares, number | undefined][])
    .map(([kind, share = 0]) => ({ kind, share }))
    .filter(({ share }) => share >= LEAST_SIGN && share >= SHARE_OF_LOSS * lost)
    .sort((a, b) => b.share - a.share);
  // Workers that a quota has stopped are counted as waiting for a processor, too.
  const stopped = (cpu.throttledPeriods ?? 0) / (cpu.periods || 1);
  const kind = stopped >= LEAST_STOPPED ? "throttled" : (causes[0]?.kind ?? "memory");
  const signs: string[] = [];
  if (throttled >= LEAST_SIGN || stopped >= LEAST_STOPPED) {
    signs.push(`stopped by the quota in ${cpu.throttledPeriods ?? "?"} of ${cpu.periods ?? "?"} periods`);
  }
  if (stolen >= LEAST_SIGN) signs.push(`the hypervisor took ${percent(stolen)} of the time`);
  if (processors >= LEAST_SIGN) signs.push(`a worker waited ${percent(processors)} of the time for a processor`);
  if (steps.sampled > 0 && steps.atBarriers / steps.sampled >= LOSING_AT_BARRIERS) {
    signs.push(`the leader waited ${percent(steps.atBarriers / steps.sampled)} of the time for the others`);
  }
  if (steps.singles > 0 && steps.bestSingle > 0) {
    const now = steps.singleMilliseconds / steps.singles;
    signs.push(`a token takes ${now.toFixed(1)} ms, at best ${steps.bestSingle.toFixed(1)}`);
  }
  return { kind, lost, seconds, signs, time };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
