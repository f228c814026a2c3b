// The load of a pool: the figures of its instances as those of one model.

import type { LoadFigures } from "../../machine/disturbance/monitor.js";

/** Speeds and counts add up; shares are means, in which an instance counts for as long as it computed. */
export function loadOfAll(all: readonly LoadFigures[]): LoadFigures {
  const known = (of: (one: LoadFigures) => number | undefined) =>
    all.flatMap((one) => {
      const value = of(one);
      return value === undefined ? [] : [{ value, weight: one.seconds * one.computing }];
    });
  const sum = (of: (one: LoadFigures) => number | undefined) => {
    const values = known(of);
    return values.length === 0 ? undefined : values.reduce((total, { value }) => total + value, 0);
  };
  const count = (of: (one: LoadFigures) => number) => all.reduce((total, one) => total + of(one), 0);
  const mean = (of: (one: LoadFigures) => number | undefined) => {
    const values = known(of);
    const weight = values.reduce((total, one) => total + one.weight, 0);
    return weight === 0 ? undefined : values.reduce((total, one) => total + one.value * one.weight, 0) / weight;
  };
  const most = (of: (one: LoadFigures) => number | undefined) => {
    const values = known(of).map(({ value }) => value);
    return values.length === 0 ? undefined : Math.max(...values);
  };
  return {
    seconds: most(({ seconds }) => seconds) ?? 0,
    computing: (sum(({ computing }) => computing) ?? 0) / Math.max(1, all.length),
    stepsPerSecond: sum(({ stepsPerSecond }) => stepsPerSecond) ?? 0,
    rowsPerSecond: sum(({ rowsPerSecond }) => rowsPerSecond) ?? 0,
    lost: mean(({ lost }) => lost),
    bandwidth: sum(({ bandwidth }) => bandwidth),
    bestBandwidth: sum(({ bestBandwidth }) => bestBandwidth),
    throttled: mean(({ throttled }) => throttled),
    stolen: mean(({ stolen }) => stolen),
    waiting: mean(({ waiting }) => waiting),
    throttledPeriods: most(({ throttledPeriods }) => throttledPeriods),
    involuntarySwitches: sum(({ involuntarySwitches }) => involuntarySwitches),
    pressure: most(({ pressure }) => pressure),
    atBarriers: mean(({ atBarriers }) => atBarriers),
    workers: all.flatMap(({ workers }) => workers),
    total: {
      steps: count(({ total }) => total.steps),
      rows: count(({ total }) => total.rows),
      milliseconds: count(({ total }) => total.milliseconds),
    },
    tokenBytes: most(({ tokenBytes }) => tokenBytes) ?? 0,
    cache: {
      pages: count(({ cache }) => cache.pages),
      used: count(({ cache }) => cache.used),
      cached: count(({ cache }) => cache.cached),
    },
    disturbances: all.flatMap(({ disturbances }) => disturbances).sort((a, b) => Number(a.time) - Number(b.time)),
  };
}
