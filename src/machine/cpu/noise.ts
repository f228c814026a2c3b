// Signs that others take CPU time from this process: a quota that stops it, a hypervisor that runs another machine, other processes that
// want the same processors. Counters since the machine or the group began; a measurement reads them before and after.
//
//   cpu.stat of a control group   nr_periods, nr_throttled; throttled_time in ns (version 1) or throttled_usec (version 2)
//   /proc/stat                    "cpu  user nice system idle iowait irq softirq steal ...", in ticks
//   /proc/pressure/cpu            "some avg10=... avg60=... avg300=... total=MICROSECONDS" in which a task waited for a processor

import { readCgroupLimits } from "./cgroup.js";
import { type HostFiles, integer } from "./host-files.js";
import { machineFiles } from "./topology.js";

/** Counters; undefined where the host does not keep them. */
export interface CpuNoise {
  /** Periods of the quota in which the process ran, and those in which it was stopped because the quota was used up. */
  readonly periods: number | undefined;
  readonly throttledPeriods: number | undefined;
  readonly throttledMicroseconds: number | undefined;
  /** Ticks of all processors, and those of them in which the hypervisor ran another machine. */
  readonly ticks: number | undefined;
  readonly stolenTicks: number | undefined;
  /** Ticks in which processors had nothing to do. */
  readonly idleTicks: number | undefined;
  /** Time in which some task on this machine waited for a processor. */
  readonly pressureMicroseconds: number | undefined;
}

/** Reads the counters. It never throws. `options.root`: as for `cpuTopology`. */
export async function cpuNoise(options: { readonly root?: string } = {}): Promise<CpuNoise> {
  const files = await machineFiles(options.root);
  return { ...throttling(files), ...steal(files), pressureMicroseconds: pressure(files) };
}

/** What was counted between two readings. */
export function noiseBetween(before: CpuNoise, after: CpuNoise): CpuNoise {
  const difference = (name: keyof CpuNoise) => {
    const [from, to] = [before[name], after[name]];
    // They begin anew where the process was moved to another group.
    return from === undefined || to === undefined || to < from ? undefined : to - from;
  };
  return {
    periods: difference("periods"),
    throttledPeriods: difference("throttledPeriods"),
    throttledMicroseconds: difference("throttledMicroseconds"),
    ticks: difference("ticks"),
    stolenTicks: difference("stolenTicks"),
    idleTicks: difference("idleTicks"),
    pressureMicroseconds: difference("pressureMicroseconds"),
  };
}

function throttling(files: HostFiles | undefined) {
  const folder = files === undefined ? undefined : readCgroupLimits(files).folder;
  const text = folder === undefined ? "" : (files?.text(`${folder}/cpu.stat`) ?? "");
  const field = (name: string) => integer(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  const nanoseconds = field("throttled_time");
  return {
    periods: field("nr_periods"),
    throttledPeriods: field("nr_throttled"),
    throttledMicroseconds: nanoseconds === undefined ? field("throttled_usec") : Math.round(nanoseconds / 1000),
  };
}

function steal(files: HostFiles | undefined) {
  const line = /^cpu +(\d+(?: \d+){7,})/.exec(files?.text("/proc/stat") ?? "")?.[1];
  // Guests' time, in fields 9 and 10, is counted in user's and nice's already.
  const ticks = line?.split(" ").slice(0, 8).map(Number);
  return {
    ticks: ticks?.reduce((sum, one) => sum + one, 0),
    stolenTicks: ticks?.[7],
    idleTicks: ticks && ticks[3]! + ticks[4]!,
  };
}

function pressure(files: HostFiles | undefined): number | undefined {
  return integer(/^some .*\btotal=(\d+)/m.exec(files?.text("/proc/pressure/cpu") ?? "")?.[1]);
}
