// Signs that figures cannot be trusted: other programs took processor time.

import type { CpuNoise } from "../machine/cpu/noise.js";
import { mean, standardDeviation } from "./statistics.js";

// Shares above which a sign is reported.
const STOLEN = 0.01;
const SPREAD = 0.05;

/** What was counted while `samples` were taken, in words; empty where nothing is above its share. */
export function noiseFlags(noise: CpuNoise, samples: readonly number[]): readonly string[] {
  const flags: string[] = [];
  const { periods, throttledPeriods, ticks, stolenTicks } = noise;
  if (throttledPeriods !== undefined && throttledPeriods > 0) {
    flags.push(`throttled in ${throttledPeriods} of ${periods ?? "?"} periods`);
  }
  if (stolenTicks !== undefined && ticks !== undefined && stolenTicks > STOLEN * ticks) {
    flags.push(`${percent(stolenTicks / ticks)} stolen`);
  }
  const spread = standardDeviation(samples) / mean(samples);
  if (spread > SPREAD) flags.push(`spread ${percent(spread)}`);
  return flags;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
