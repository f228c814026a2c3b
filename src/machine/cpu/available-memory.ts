// How much memory this process can still take before the kernel kills it: what the machine has left, and what its control groups leave it.
//
//   /proc/meminfo                 "MemAvailable:   23142420 kB"     free, and what the kernel can take back at once
//   version 2   memory.max        "8589934592", or "max"
//               memory.current    "5905580032"
//   version 1   memory.limit_in_bytes, memory.usage_in_bytes
//   both        memory.stat       "inactive_file 4521984" and "active_file 1024": of that use, the cache of files, which makes room
//
// In version 1, memory.stat has a second line for the group with all groups below it: total_inactive_file. usage_in_bytes counts those.

import { memoryFolders } from "./cgroup.js";
import { type HostFiles, integer } from "./host-files.js";
import { machineFiles } from "./topology.js";

export interface AvailableMemory {
  readonly bytes: number;
  /** What says so: "MemAvailable", or the folder of a control group. */
  readonly source: string;
}

/** What the tightest of all limits leaves. undefined: the system does not say (it does on Linux). `options.root`: as for `cpuTopology`. */
export async function availableMemory(
  options: { readonly root?: string | undefined } = {},
): Promise<AvailableMemory | undefined> {
  const files = await machineFiles(options.root);
  if (files === undefined) return undefined;
  const limits: AvailableMemory[] = [];
  const kilobytes = integer(/^MemAvailable:\s*(\d+) kB$/m.exec(files.text("/proc/meminfo") ?? "")?.[1]);
  if (kilobytes !== undefined) limits.push({ bytes: kilobytes * 1024, source: "MemAvailable" });
  for (const { folder, version } of memoryFolders(files)) {
    const bytes = version === 1 ? leftIn1(files, folder) : leftIn2(files, folder);
    if (bytes !== undefined) limits.push({ bytes, source: folder });
  }
  return limits.length === 0 ? undefined : limits.reduce((least, one) => (one.bytes < least.bytes ? one : least));
}

function leftIn1(files: HostFiles, folder: string): number | undefined {
  const limit = files.count(`${folder}/memory.limit_in_bytes`); // no limit: a number of 19 digits, which counts as none here too
  return left(limit, files.count(`${folder}/memory.usage_in_bytes`), cachedBytes(files, folder, "total_"));
}

function leftIn2(files: HostFiles, folder: string): number | undefined {
  const limit = files.count(`${folder}/memory.max`);
  return left(limit, files.count(`${folder}/memory.current`), cachedBytes(files, folder, ""));
}

function cachedBytes(files: HostFiles, folder: string, prefix: string): number {
  const stat = files.text(`${folder}/memory.stat`) ?? "";
  const line = (name: string) => integer(new RegExp(`^${prefix}${name} (\\d+)$`, "m").exec(stat)?.[1]) ?? 0;
  return line("inactive_file") + line("active_file");
}

function left(limit: number | undefined, used: number | undefined, cached: number): number | undefined {
  return limit === undefined || used === undefined ? undefined : Math.max(0, limit - Math.max(0, used - cached));
}
