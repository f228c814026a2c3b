// cpuTopology: what machine this process runs on, and how much of it it may use.

import { armModel } from "./arm-models.js";
import { type CpuCache, readCaches } from "./caches.js";
import { type CpuQuota, readCgroupLimits } from "./cgroup.js";
import { type Core, readCores } from "./cores.js";
import { intersection, parseCpuList } from "./cpu-list.js";
import { type HostFiles, hostFiles } from "./host-files.js";

/** A set of processors by the kernel's number for it. */
export interface CpuGroup {
  readonly id: number;
  readonly cpus: readonly number[];
}

/** Processors and the memory that is near them. */
export interface NumaNode extends CpuGroup {
  readonly memoryBytes: number | undefined;
}

/** The machine as this process sees it. What is not known is undefined. Processors go by the kernel's numbers. */
export interface CpuTopology {
  /** Where it was read: Linux's /sys and /proc; node:os, which knows neither cores nor caches; or a browser's navigator. */
  readonly source: "sysfs" | "os" | "navigator";
  /** Such as "AMD EPYC 7763 64-Core Processor". */
  readonly model: string | undefined;
  /** Logical processors that are on line: hardware threads. */
  readonly cpus: readonly number[];
  /** Those of them that this process may use: its affinity mask, within its control group's set. */
  readonly allowed: readonly number[];
  /** The affinity mask alone. */
  readonly affinity: readonly number[] | undefined;
  /** The control group's set alone. */
  readonly cpuset: readonly number[] | undefined;
  /** CPU time that the control groups allow. */
  readonly quota: CpuQuota | undefined;
  readonly cores: readonly Core[] | undefined;
  readonly sockets: readonly CpuGroup[] | undefined;
  readonly nodes: readonly NumaNode[] | undefined;
  /** Processors that share a last-level cache of level 3 (a CCX, a chiplet), numbered from 0 by their first processor. */
  readonly l3Groups: readonly CpuGroup[] | undefined;
  readonly caches: readonly CpuCache[] | undefined;
  /** The policies that set the frequency, such as "performance"; undefined where there is none to read, as in most VMs. */
  readonly governors: readonly string[] | undefined;
  /** Whether this is a virtual machine, as far as the CPU tells (x86). */
  readonly virtual: boolean | undefined;
}

/**
 * Reads what machine this is. It never throws: files that are missing or make no sense leave `undefined`.
 *
 * @param options.root a folder to read `proc/` and `sys/` from, instead of this machine's: a copy of another machine's, for instance
 */
export async function cpuTopology(options: { readonly root?: string } = {}): Promise<CpuTopology> {
  const files = await machineFiles(options.root);
  return (files === undefined ? undefined : readTopology(files)) ?? hostTopology();
}

/** The files that describe this machine (or the copy under `root`); undefined on hosts that have none. */
export async function machineFiles(root?: string): Promise<HostFiles | undefined> {
  if (typeof process === "undefined" || process.versions?.node === undefined) return undefined;
  return root !== undefined || process.platform === "linux" || process.platform === "android"
    ? hostFiles(root ?? "")
    : undefined;
}

function readTopology(files: HostFiles): CpuTopology | undefined {
  const affinity = readAffinity(files);
  const cpus = parseCpuList(files.word("/sys/devices/system/cpu/online")) ?? affinity;
  if (cpus === undefined || cpus.length === 0) return undefined;
  const { quota, cpuset } = readCgroupLimits(files);
  const caches = readCaches(files, cpus);
  const cores = readCores(files, cpus);
  return {
    source: "sysfs",
    ...readModel(files),
    cpus,
    allowed: intersection(intersection(cpus, affinity), cpuset),
    affinity,
    cpuset,
    quota,
    cores,
    sockets: cores === undefined ? undefined : socketsOf(cores),
    nodes: readNodes(files, cpus),
    l3Groups: caches?.filter(({ level }) => level === 3).map((cache, id) => ({ id, cpus: cache.cpus })),
    caches,
    governors: readGovernors(files, cpus),
  };
}

/** The processors that a thread may run on: the process's main thread, or that of another status file. */
export function readAffinity(files: HostFiles, status = "/proc/self/status"): number[] | undefined {
  const line = /^Cpus_allowed_list:\s*(.*)$/m.exec(files.text(status) ?? "");
  return parseCpuList(line?.[1]);
}

function readModel(files: HostFiles): { model: string | undefined; virtual: boolean | undefined } {
  const cpuinfo = files.text("/proc/cpuinfo") ?? "";
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.+)$`, "m").exec(cpuinfo)?.[1]?.trim();
  // ARM's cpuinfo has no model name; boards have one in their device tree, which ends in a NUL.
  const board = files.word("/proc/device-tree/model")?.replace(/\0+$/, "");
  return {
    model:
      field("model name") ??
      field("cpu model") ??
      board ??
      field("Hardware") ??
      armModel(field("CPU implementer"), field("CPU part")),
    virtual: field("flags")?.split(" ").includes("hypervisor"),
  };
}

function socketsOf(cores: readonly Core[]): CpuGroup[] | undefined {
  const sockets = new Map<number, number[]>();
  for (const { socket, cpus } of cores) {
    if (socket === undefined) return undefined;
    sockets.set(socket, [...(sockets.get(socket) ?? []), ...cpus]);
  }
  return [...sockets].map(([id, cpus]) => ({ id, cpus: cpus.sort((a, b) => a - b) })).sort((a, b) => a.id - b.id);
}

function readNodes(files: HostFiles, online: readonly number[]): NumaNode[] | undefined {
  const ids = parseCpuList(files.word("/sys/devices/system/node/online"));
  return ids?.map((id) => {
    const folder = `/sys/devices/system/node/node${id}`;
    const memory = /MemTotal:\s*(\d+) kB/.exec(files.text(`${folder}/meminfo`) ?? "")?.[1];
    return {
      id,
      cpus: intersection(parseCpuList(files.word(`${folder}/cpulist`)) ?? [], online),
      memoryBytes: memory === undefined ? undefined : Number(memory) * 1024,
    };
  });
}

function readGovernors(files: HostFiles, cpus: readonly number[]): string[] | undefined {
  const found = new Set<string>();
  for (const cpu of cpus) {
    const governor = files.word(`/sys/devices/system/cpu/cpu${cpu}/cpufreq/scaling_governor`);
    if (governor !== undefined) found.add(governor);
  }
  return found.size === 0 ? undefined : [...found];
}

/** What hosts without /sys and /proc tell: how many processors there are. */
async function hostTopology(): Promise<CpuTopology> {
  const inNode = typeof process !== "undefined" && process.versions?.node !== undefined;
  const os = inNode ? await import("node:os") : undefined;
  const count = os?.availableParallelism() ?? navigator.hardwareConcurrency;
  const cpus = Array.from({ length: count }, (_, cpu) => cpu);
  return {
    source: inNode ? "os" : "navigator",
    model: os?.cpus()[0]?.model,
    cpus,
    allowed: cpus,
    affinity: undefined,
    cpuset: undefined,
    quota: undefined,
    cores: undefined,
    sockets: undefined,
    nodes: undefined,
    l3Groups: undefined,
    caches: undefined,
    governors: undefined,
    virtual: undefined,
  };
}
