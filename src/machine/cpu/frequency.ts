// How fast the processors' clocks run, where the kernel tells. It changes all the time: a reading is not a measurement.
//
//   /sys/devices/system/cpu/cpuN/cpufreq/scaling_cur_freq   kHz, now
//                                       /cpuinfo_max_freq   kHz, at most
//   /proc/cpuinfo                                           "cpu MHz : 2096.010" on x86, also in VMs, which have no cpufreq

import type { HostFiles } from "./host-files.js";
import { cpuTopology, machineFiles } from "./topology.js";

/** In MHz; undefined where it is not told. */
export interface CpuFrequency {
  /** The slowest and the fastest processor's clock now. */
  readonly now: readonly [number, number] | undefined;
  /** The most that the fastest processor reaches. */
  readonly most: number | undefined;
}

/** Reads the clocks. It never throws. `options.root`: as for `cpuTopology`. */
export async function cpuFrequency(options: { readonly root?: string | undefined } = {}): Promise<CpuFrequency> {
  const files = await machineFiles(options.root);
  if (files === undefined) return { now: undefined, most: undefined };
  const { cpus } = await cpuTopology(options);
  const now = readClocks(files, cpus, "scaling_cur_freq");
  const measured = now.length > 0 ? now : clocksOfCpuinfo(files);
  const most = readClocks(files, cpus, "cpuinfo_max_freq");
  return {
    now: measured.length === 0 ? undefined : [Math.min(...measured), Math.max(...measured)],
    most: most.length === 0 ? undefined : Math.max(...most),
  };
}

function readClocks(files: HostFiles, cpus: readonly number[], name: string): number[] {
  const clocks = cpus.map((cpu) => files.count(`/sys/devices/system/cpu/cpu${cpu}/cpufreq/${name}`));
  return clocks.filter((clock) => clock !== undefined).map((kilohertz) => kilohertz / 1000);
}

function clocksOfCpuinfo(files: HostFiles): number[] {
  const lines = (files.text("/proc/cpuinfo") ?? "").matchAll(/^cpu MHz\s*:\s*(\d{1,6}(?:\.\d{1,6})?)$/gm);
  return [...lines].map((line) => Number(line[1])).filter((clock) => clock > 0);
}
