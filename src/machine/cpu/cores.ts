// Physical cores: which processors are the hardware threads (SMT siblings) of one core, its socket, and its kind on hybrid
// CPUs.
//
//   /sys/devices/system/cpu/cpuN/topology/core_cpus_list       "0,64"   (older kernels: thread_siblings_list)
//   /sys/devices/system/cpu/cpuN/topology/physical_package_id  "0"
//   /sys/devices/system/cpu/cpuN/cpu_capacity                  "1024"   the fastest core is 1024; not on every machine
//   /sys/devices/cpu_core/cpus, /sys/devices/cpu_atom/cpus     "0-15"   hybrid Intel

import { intersection, parseCpuList } from "./cpu-list.js";
import type { HostFiles } from "./host-files.js";

/** Of a hybrid CPU's two kinds of cores. */
export type CoreKind = "performance" | "efficiency";

/** A physical core. */
export interface Core {
  /** Its hardware threads. */
  readonly cpus: readonly number[];
  /** The kernel's number for its socket; undefined: not known. */
  readonly socket: number | undefined;
  /** Undefined where all cores are of one kind. */
  readonly kind: CoreKind | undefined;
}

/** The cores of the processors `online`, in the order of their first processor; undefined where the kernel does not tell. */
export function readCores(files: HostFiles, online: readonly number[]): readonly Core[] | undefined {
  const kindOf = coreKinds(files, online);
  const seen = new Set<number>();
  const cores: Core[] = [];
  for (const cpu of online) {
    if (seen.has(cpu)) continue;
    const topology = `/sys/devices/system/cpu/cpu${cpu}/topology`;
    const siblings = parseCpuList(
      files.word(`${topology}/core_cpus_list`) ?? files.word(`${topology}/thread_siblings_list`),
    );
    if (siblings === undefined || !siblings.includes(cpu)) return undefined;
    const cpus = intersection(siblings, online).filter((sibling) => !seen.has(sibling));
    for (const sibling of cpus) seen.add(sibling);
    cores.push({ cpus, socket: files.count(`${topology}/physical_package_id`), kind: kindOf(cpu) });
  }
  return cores;
}

function coreKinds(files: HostFiles, online: readonly number[]): (cpu: number) => CoreKind | undefined {
  const performance = parseCpuList(files.word("/sys/devices/cpu_core/cpus"));
  const efficiency = parseCpuList(files.word("/sys/devices/cpu_atom/cpus"));
  if (performance !== undefined && efficiency !== undefined) {
    return (cpu) => (performance.includes(cpu) ? "performance" : efficiency.includes(cpu) ? "efficiency" : undefined);
  }
  const capacity = (cpu: number) => files.count(`/sys/devices/system/cpu/cpu${cpu}/cpu_capacity`);
  const capacities = online.map(capacity);
  const most = Math.max(...capacities.map((one) => one ?? 0));
  // Cores of one design differ by a few per cent; the small ones have a third of the capacity, or less.
  const isFast = (one: number | undefined) => one === undefined || one >= 0.6 * most;
  if (capacities.every(isFast)) return () => undefined;
  return (cpu) => (isFast(capacity(cpu)) ? "performance" : "efficiency");
}
