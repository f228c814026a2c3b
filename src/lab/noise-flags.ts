// Signs that figures cannot be trusted: other programs took processor time, or there are too few of them.

import type { CpuNoise } from "../machine/cpu/noise.js";
import type { Disturbance } from "../machine/disturbance/disturbance.js";
import { mean, standardDeviation } from "./statistics.js";

// Shares above which a sign is reported.
const STOLEN = 0.01;
const SPREAD = 0.05;
// A team waits for the processors that it fills itself: the caller's thread for its workers'. Others show above that.
const PRESSURE = 0.2;

/** What was counted while `samples` were taken, in `milliseconds`, in words; empty where nothing is above its share. */
export function noiseFlags(noise: CpuNoise, samples: readonly number[], milliseconds?: number): readonly string[] {
  const flags: string[] = [];
  const { periods, throttledPeriods, ticks, stolenTicks, pressureMicroseconds } = noise;
  if (throttledPeriods !== undefined && throttledPeriods > 0) {
    flags.push(`throttled in ${throttledPeriods} of ${periods ?? "?"} periods`);
  }
  if (stolenTicks !== undefined && ticks !== undefined && stolenTicks > STOLEN * ticks) {
    flags.push(`${percent(stolenTicks / ticks)} stolen`);
  }
  if (pressureMicroseconds !== undefined && milliseconds !== undefined) {
    const pressure = pressureMicroseconds / 1000 / milliseconds;
    if (pressure > PRESSURE) flags.push(`CPU pressure ${percent(Math.min(1, pressure))}`);
  }
  const spread = standardDeviation(samples) / mean(samples);
  if (spread > SPREAD) flags.push(`spread ${percent(spread)}`);
  return flags;
}

/** What was observed of disturbances, a flag for each kind: "processors cost 42 % for 3.0 s". */
export function disturbanceFlags(disturbances: readonly Disturbance[]): readonly string[] {
  const kinds = [...new Set(disturbances.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const alike = disturbances.filter((one) => one.kind === kind);
    const seconds = alike.reduce((sum, one) => sum + one.seconds, 0);
    const lost = alike.reduce((sum, one) => sum + one.lost * one.seconds, 0) / seconds;
    return `${kind} cost ${percent(lost)} for ${seconds.toFixed(1)} s`;
  });
}

/** What to say of samples without a spread. */
export function sampleFlags(samples: readonly number[]): readonly string[] {
  return samples.length === 1 ? ["one repetition: no spread"] : [];
}

/** What to say of a limit that a measurement passed. */
export function limitFlags({ rounds, share }: { rounds: number | undefined; share: number }): readonly string[] {
  if (share > 1) return [`over the limit: that, or the time, was disturbed`];
  return rounds === undefined ? [] : [`limit disturbed: the best of ${rounds} rounds counts`];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
