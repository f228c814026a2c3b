// cria cpu --watch: what takes processor time from programs on this machine, second by second. In a terminal the line of the moment is
// written over, and those with a disturbance stay; elsewhere every second has its line.

import { abortable } from "../abort.js";
import { type CpuNoise, cpuNoise, noiseBetween } from "../machine/cpu/noise.js";
import { Interrupted } from "./failure.js";
import { interruptible } from "./interrupt.js";

const SECOND = 1000; // ms

/** What happened in a second. Shares are 0 to 1; undefined where the system does not tell. */
export interface CpuSecond {
  readonly time: Date;
  readonly seconds: number;
  /** Of all processors' time, what was spent on programs, and what the hypervisor took. */
  readonly busy: number | undefined;
  readonly stolen: number | undefined;
  /** Of this program's control group: periods of the quota, those in which it stopped somebody, and how long, on all processors. */
  readonly periods: number | undefined;
  readonly throttledPeriods: number | undefined;
  readonly throttledSeconds: number | undefined;
  /** The share of the time in which some task waited for a processor (PSI). */
  readonly pressure: number | undefined;
  /** What would slow down a model that computes. */
  readonly disturbances: readonly ("stolen" | "throttled" | "processors")[];
}

// From here on it is a disturbance.
const STOLEN = 0.03;
const PRESSURE = 0.25;

/** What lies between two readings. */
export function cpuSecond(noise: CpuNoise, seconds: number, time: Date): CpuSecond {
  const { ticks, idleTicks, stolenTicks, periods, throttledPeriods, throttledMicroseconds, pressureMicroseconds } =
    noise;
  const share = (part: number | undefined) => (part === undefined || !ticks ? undefined : part / ticks);
  const stolen = share(stolenTicks);
  const pressure = pressureMicroseconds === undefined ? undefined : Math.min(1, pressureMicroseconds / 1e6 / seconds);
  return {
    ...{ time, seconds, stolen, periods, throttledPeriods, pressure },
    busy: ticks === undefined || idleTicks === undefined ? undefined : share(ticks - idleTicks - (stolenTicks ?? 0)),
    throttledSeconds: throttledMicroseconds === undefined ? undefined : throttledMicroseconds / 1e6,
    disturbances: [
      ...((stolen ?? 0) >= STOLEN ? (["stolen"] as const) : []),
      ...((throttledPeriods ?? 0) > 0 ? (["throttled"] as const) : []),
      ...((pressure ?? 0) >= PRESSURE ? (["processors"] as const) : []),
    ],
  };
}

/** A second as a line for people. */
export function cpuSecondLine(second: CpuSecond): string {
  const { time, busy, stolen, periods, throttledPeriods, pressure, disturbances } = second;
  const percent = (share: number | undefined) =>
    (share === undefined ? "?" : `${(100 * share).toFixed(0)} %`).padStart(5);
  const stopped = throttledPeriods === undefined ? "?" : `${throttledPeriods} of ${periods ?? "?"}`;
  const named = disturbances.length === 0 ? "" : `   ! ${disturbances.join(", ")}`;
  return (
    `${time.toTimeString().slice(0, 8)}  busy ${percent(busy)}  stolen ${percent(stolen)}  ` +
    `stopped by quota ${stopped.padStart(8)}  tasks waited ${percent(pressure)}${named}`
  );
}

/** Prints a second after the other until Ctrl-C. */
export async function watchCpu({
  root,
  json,
}: {
  readonly root: string | undefined;
  readonly json: boolean;
}): Promise<void> {
  const refreshes = process.stdout.isTTY === true && !json;
  const read = () => cpuNoise(root === undefined ? {} : { root });
  try {
    await interruptible(async (signal) => {
      let before = await read();
      let begin = performance.now();
      for (;;) {
        await abortable(new Promise((resolve) => setTimeout(resolve, SECOND)), signal);
        const after = await read();
        const now = performance.now();
        const second = cpuSecond(noiseBetween(before, after), (now - begin) / 1000, new Date());
        before = after;
        begin = now;
        if (json) process.stdout.write(`${JSON.stringify(second)}\n`);
        else if (refreshes) {
          const end = second.disturbances.length > 0 ? "\n" : "";
          process.stdout.write(`\r\x1b[K${cpuSecondLine(second)}${end}`);
        } else process.stdout.write(`${cpuSecondLine(second)}\n`);
      }
    });
  } catch (error) {
    if (refreshes) process.stdout.write("\n");
    if (!(error instanceof Interrupted)) throw error; // Ctrl-C is how it ends
  }
}
