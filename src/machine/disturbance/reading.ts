// One reading of all that tells of disturbances, and what lies between two of them.
//
//   /proc/self/task/N/schedstat   "RAN WAITED SLICES": ns on a processor, ns in which the thread could have run and had none, runs
//   /proc/self/task/N/status      nonvoluntary_ctxt_switches: how often it had to give up its processor to another

import { type CpuNoise, cpuNoise, noiseBetween } from "../cpu/noise.js";
import { machineFiles } from "../cpu/topology.js";
import { type MeteredWorker, type MeterMemory, readTotals, readWorkers, type StepTotals } from "./step-meter.js";

/** The counters of a worker. Those of its thread are undefined where the system does not tell. */
interface WorkerCounts extends MeteredWorker {
  readonly waitedMilliseconds: number | undefined;
  readonly involuntarySwitches: number | undefined;
}

/** What a worker did between two readings, ms. */
export interface WorkerTimes {
  /** It could have run, and had no processor; undefined where the system does not tell. */
  readonly waited: number | undefined;
  /** In steps in which it looked at the clock, and of that, at barriers. */
  readonly sampled: number;
  readonly atBarriers: number;
}

export interface Reading {
  /** `performance.now()` */
  readonly time: number;
  readonly steps: StepTotals;
  readonly cpu: CpuNoise;
  readonly workers: readonly WorkerCounts[];
}

/** What happened between two readings. Shares are 0 to 1; undefined where the system does not tell. */
export interface Interval {
  /** When it ended, `performance.now()`. */
  readonly end: number;
  readonly seconds: number;
  readonly steps: StepTotals;
  readonly cpu: CpuNoise;
  readonly workers: readonly WorkerTimes[];
  /** How long the worker that waited the longest for a processor did. */
  readonly longestWaitMilliseconds: number | undefined;
  readonly involuntarySwitches: number | undefined;
}

export async function takeReading(meter: MeterMemory): Promise<Reading> {
  const cpu = await cpuNoise();
  const files = await machineFiles();
  const workers = readWorkers(meter).map((worker): WorkerCounts => {
    const file = (name: string) =>
      worker.thread === 0 ? "" : (files?.text(`/proc/self/task/${worker.thread}/${name}`) ?? "");
    const waited = /^\d+ (\d+) /.exec(file("schedstat"))?.[1];
    const switches = /^nonvoluntary_ctxt_switches:\s*(\d+)/m.exec(file("status"))?.[1];
    const known = waited !== undefined && switches !== undefined;
    return {
      ...worker,
      waitedMilliseconds: known ? Number(waited) / 1e6 : undefined,
      involuntarySwitches: known ? Number(switches) : undefined,
    };
  });
  return { time: performance.now(), steps: readTotals(meter), cpu, workers };
}

export function intervalBetween(before: Reading, after: Reading): Interval {
  const steps = Object.fromEntries(
    Object.entries(after.steps).map(([name, value]) => [
      name,
      name === "bestSingle" ? value : value - before.steps[name as keyof StepTotals],
    ]),
  ) as unknown as StepTotals;
  const workers = after.workers.map((now, i): WorkerTimes & { readonly switches: number | undefined } => {
    const then = before.workers[i];
    const difference = (of: (counts: WorkerCounts) => number | undefined) => {
      const [first, last] = [then && of(then), of(now)];
      return first === undefined || last === undefined ? undefined : last - first;
    };
    return {
      waited: difference(({ waitedMilliseconds }) => waitedMilliseconds),
      sampled: now.sampled - (then?.sampled ?? 0),
      atBarriers: now.atBarriers - (then?.atBarriers ?? 0),
      switches: difference(({ involuntarySwitches }) => involuntarySwitches),
    };
  });
  const known = workers.filter(({ waited }) => waited !== undefined);
  return {
    end: after.time,
    seconds: (after.time - before.time) / 1000,
    steps,
    cpu: noiseBetween(before.cpu, after.cpu),
    workers,
    longestWaitMilliseconds: known.length > 0 ? Math.max(...known.map(({ waited }) => waited!)) : undefined,
    involuntarySwitches: known.length > 0 ? known.reduce((sum, { switches }) => sum + switches!, 0) : undefined,
  };
}
