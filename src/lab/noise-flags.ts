// When figures are not to be trusted: somebody else took the time.

import type { CpuNoise } from "../machine/cpu/noise.js";
import { mean, standardDeviation } from "./statistics.js";

// Shares above which it is said.
const STOLEN = 0.01;
const SPREAD = 0.05;

/** What was counted while `samples` were taken, in words; none: nothing to speak of. */
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
