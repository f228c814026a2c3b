// One reading of all that tells of disturbances, and what lies between two of them.
//
//   /proc/self/task/N/schedstat   "RAN WAITED SLICES": ns on a processor, ns in which the thread could have run and had none, runs
//   /proc/self/task/N/status      nonvoluntary_ctxt_switches: how often it had to give up its processor to another

import { type CpuNoise, cpuNoise, noiseBetween } from "../cpu/noise.js";
import { machineFiles } from "../cpu/topology.js";
import { type MeterMemory, readTotals, type StepTotals, threadsOf } from "./step-meter.js";

/** The counters of a worker's thread. */
interface ThreadCounts {
  readonly waitedMilliseconds: number;
  readonly involuntarySwitches: number;
}

export interface Reading {
  /** `performance.now()` */
  readonly time: number;
  readonly steps: StepTotals;
  readonly cpu: CpuNoise;
  /** By the threads' numbers. */
  readonly threads: ReadonlyMap<number, ThreadCounts>;
}

/** What happened between two readings. Shares are 0 to 1; undefined where the system does not tell. */
export interface Interval {
  /** When it ended, `performance.now()`. */
  readonly end: number;
  readonly seconds: number;
  readonly steps: StepTotals;
  readonly cpu: CpuNoise;
  readonly workers: number;
  /** How long the worker that waited the longest for a processor did. */
  readonly longestWaitMilliseconds: number | undefined;
  readonly involuntarySwitches: number | undefined;
}

export async function takeReading(meter: MeterMemory): Promise<Reading> {
  const cpu = await cpuNoise();
  const files = await machineFiles();
  const threads = new Map<number, ThreadCounts>();
  for (const id of files === undefined ? [] : threadsOf(meter)) {
    const waited = /^\d+ (\d+) /.exec(files!.text(`/proc/self/task/${id}/schedstat`) ?? "")?.[1];
    const status = files!.text(`/proc/self/task/${id}/status`) ?? "";
    const switches = /^nonvoluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1];
    if (waited === undefined || switches === undefined) continue;
    threads.set(id, { waitedMilliseconds: Number(waited) / 1e6, involuntarySwitches: Number(switches) });
  }
  return { time: performance.now(), steps: readTotals(meter), cpu, threads };
}

export function intervalBetween(before: Reading, after: Reading): Interval {
  const steps = Object.fromEntries(
    Object.entries(after.steps).map(([name, value]) => [
      name,
      name === "bestSingle" ? value : value - before.steps[name as keyof StepTotals],
    ]),
  ) as unknown as StepTotals;
  const threads = [...after.threads].flatMap(([id, now]) => {
    const then = before.threads.get(id);
    return then === undefined ? [] : [{ now, then }];
  });
  const known = threads.length > 0;
  return {
    end: after.time,
    seconds: (after.time - before.time) / 1000,
    steps,
    cpu: noiseBetween(before.cpu, after.cpu),
    workers: Math.max(1, after.threads.size),
    longestWaitMilliseconds: known
      ? Math.max(...threads.map(({ now, then }) => now.waitedMilliseconds - then.waitedMilliseconds))
      : undefined,
    involuntarySwitches: known
      ? threads.reduce((sum, { now, then }) => sum + now.involuntarySwitches - then.involuntarySwitches, 0)
      : undefined,
  };
}
