// Other machines' /sys and /proc, as folders of text files: what cpuTopology reads when it is given a root.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Path to content. */
export type MachineFiles = Record<string, string>;

/** Writes the files under a new folder, gives it to `use`, and removes it. */
export async function withMachine<Result>(
  files: MachineFiles,
  use: (root: string) => Promise<Result>,
): Promise<Result> {
  // A large machine has thousands of files: where folders can lie in memory, they do.
  const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "cria-cpu-"));
  try {
    const folders = new Set(Object.keys(files).map((path) => dirname(join(root, path))));
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    for (const [path, content] of Object.entries(files)) writeFileSync(join(root, path), content);
    return await use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

export interface Machine {
  readonly sockets: number;
  readonly nodesPerSocket: number;
  readonly l3PerNode: number;
  readonly coresPerL3: number;
  readonly smt: number;
  readonly model: string;
  /** By level: 1 data, 2, 3; as the kernel writes them, "32K". */
  readonly caches?: readonly [string, string, string];
}

/** A machine numbered as Linux numbers most: first one processor of every core, then the second of every core. */
export function machine(spec: Machine): MachineFiles {
  const { sockets, nodesPerSocket, l3PerNode, coresPerL3, smt } = spec;
  const files: MachineFiles = {};
  const cores = sockets * nodesPerSocket * l3PerNode * coresPerL3;
  const cpus = cores * smt;
  const siblings = (first: number, count: number) =>
    Array.from({ length: smt }, (_, thread) => {
      const from = first + thread * cores;
      return count === 1 ? `${from}` : `${from}-${from + count - 1}`;
    }).join(",");
  for (let cpu = 0; cpu < cpus; cpu++) {
    const core = cpu % cores;
    const folder = `/sys/devices/system/cpu/cpu${cpu}`;
    files[`${folder}/topology/core_cpus_list`] = `${siblings(core, 1)}\n`;
    files[`${folder}/topology/physical_package_id`] = `${Math.floor(core / (cores / sockets))}\n`;
    files[`${folder}/cpufreq/scaling_governor`] = "performance\n";
    if (spec.caches === undefined) continue;
    const group = siblings(core - (core % coresPerL3), coresPerL3);
    const [l1, l2, l3] = spec.caches;
    const rows = [
      ["1", "Data", l1, siblings(core, 1)],
      ["1", "Instruction", "32K", siblings(core, 1)],
      ["2", "Unified", l2, siblings(core, 1)],
      ["3", "Unified", l3, group],
    ] as const;
    for (const [index, [level, type, size, shared]] of rows.entries()) {
      const cache = `${folder}/cache/index${index}`;
      files[`${cache}/level`] = `${level}\n`;
      files[`${cache}/type`] = `${type}\n`;
      files[`${cache}/size`] = `${size}\n`;
      files[`${cache}/coherency_line_size`] = "64\n";
      files[`${cache}/shared_cpu_list`] = `${shared}\n`;
    }
  }
  const nodes = sockets * nodesPerSocket;
  for (let node = 0; node < nodes; node++) {
    const folder = `/sys/devices/system/node/node${node}`;
    files[`${folder}/cpulist`] = `${siblings((node * cores) / nodes, cores / nodes)}\n`;
    files[`${folder}/meminfo`] =
      `Node ${node} MemTotal:       ${64 * 2 ** 20} kB\nNode ${node} MemFree:        1024 kB\n`;
  }
  files["/sys/devices/system/node/online"] = nodes === 1 ? "0\n" : `0-${nodes - 1}\n`;
  files["/sys/devices/system/cpu/online"] = `0-${cpus - 1}\n`;
  files["/proc/cpuinfo"] = `processor\t: 0\nmodel name\t: ${spec.model}\nflags\t\t: fpu sse2 avx2\n`;
  return { ...files, ...allowed(`0-${cpus - 1}`) };
}

export const laptop = machine({
  sockets: 1,
  nodesPerSocket: 1,
  l3PerNode: 1,
  coresPerL3: 4,
  smt: 2,
  model: "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz",
  caches: ["32K", "256K", "8192K"],
});

/** Two sockets, four NUMA nodes in each, two L3 caches in each of those, two cores with two threads each: 64 processors. */
export const epyc = machine({
  sockets: 2,
  nodesPerSocket: 4,
  l3PerNode: 2,
  coresPerL3: 2,
  smt: 2,
  model: "AMD EPYC 7302 16-Core Processor",
  caches: ["32K", "512K", "16384K"],
});

/** An affinity mask. */
export function allowed(list: string): MachineFiles {
  return { "/proc/self/status": `Name:\tnode\nUmask:\t0022\nCpus_allowed_list:\t${list}\nMems_allowed_list:\t0\n` };
}

/** A version 2 group whose quotas are given from the outside in, such as `["max", "765000 100000"]`. */
export function cgroup2(quotas: readonly string[], cpuset?: string): MachineFiles {
  const files: MachineFiles = {
    "/proc/self/mountinfo":
      "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n23 1 8:1 / /sys rw - sysfs sysfs rw\n",
  };
  let path = "";
  for (const [depth, quota] of quotas.entries()) {
    if (depth > 0) path += `/group${depth}.slice`;
    // The root group has no limits of its own.
    if (depth > 0) files[`/sys/fs/cgroup${path}/cpu.max`] = `${quota}\n`;
    files[`/sys/fs/cgroup${path}/cpu.stat`] =
      `usage_usec 1000\nnr_periods ${100 + depth}\nnr_throttled ${depth}\nthrottled_usec ${depth * 1000}\n`;
  }
  files["/proc/self/cgroup"] = `0::${path === "" ? "/" : path}\n`;
  if (cpuset !== undefined) files[`/sys/fs/cgroup${path}/cpuset.cpus.effective`] = `${cpuset}\n`;
  return files;
}

/** `/proc/meminfo` of a machine with so many bytes left. */
export function meminfo(available: number): MachineFiles {
  const lines = [
    "MemTotal:       32000000 kB",
    "MemFree:          100000 kB",
    `MemAvailable:   ${available / 1024} kB`,
  ];
  return { "/proc/meminfo": `${lines.join("\n")}\n` };
}

/** The memory of a control group: its limit as the kernel writes it, bytes used, and bytes of them that are the cache of files. */
export interface MemoryGroup {
  readonly limit: string;
  readonly used: number;
  readonly cached: number;
}

/** Version 2 groups below the root, from the outside in. */
export function memoryGroups2(groups: readonly MemoryGroup[]): MachineFiles {
  const files = { ...cgroup2(["max", ...groups.map(() => "max")]) };
  let path = "/sys/fs/cgroup";
  for (const [depth, { limit, used, cached }] of groups.entries()) {
    path += `/group${depth + 1}.slice`;
    files[`${path}/memory.max`] = `${limit}\n`;
    files[`${path}/memory.current`] = `${used}\n`;
    files[`${path}/memory.stat`] = `anon ${used - cached}\ninactive_file ${cached - 4096}\nactive_file 4096\n`;
  }
  return files;
}

/** A version 1 group, in a mount that shows it as its root. */
export function memoryGroup1({ limit, used, cached }: MemoryGroup): MachineFiles {
  const folder = "/sys/fs/cgroup/memory";
  return {
    "/proc/self/cgroup": "4:memory:/docker/0f3a\n",
    "/proc/self/mountinfo": `36 25 0:31 /docker/0f3a ${folder} ro,nosuid - cgroup cgroup rw,memory\n`,
    [`${folder}/memory.limit_in_bytes`]: `${limit}\n`,
    [`${folder}/memory.usage_in_bytes`]: `${used}\n`,
    [`${folder}/memory.stat`]: `cache ${cached}\ninactive_file 0\nactive_file 0\ntotal_inactive_file ${cached}\ntotal_active_file 0\n`,
  };
}

/** A version 1 container that sees its own group as the root of the mount, or by its path on the host. */
export function cgroup1(quota: string, period: string, seen: "own" | "host"): MachineFiles {
  const group = seen === "own" ? "/" : "/docker/0f3a";
  return {
    "/proc/self/cgroup": `12:memory:${group}\n4:cpu,cpuacct:${group}\n3:cpuset:${group}\n1:name=systemd:${group}\n`,
    "/proc/self/mountinfo":
      `700 690 0:30 ${group} /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:11 - cgroup cgroup rw,cpu,cpuacct\n` +
      `701 690 0:31 ${group} /sys/fs/cgroup/cpuset ro,nosuid master:12 - cgroup cgroup rw,cpuset\n`,
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": `${quota}\n`,
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": `${period}\n`,
    "/sys/fs/cgroup/cpu,cpuacct/cpu.stat": "nr_periods 40\nnr_throttled 7\nthrottled_time 5000000\n",
    "/sys/fs/cgroup/cpuset/cpuset.effective_cpus": "0-7\n",
  };
}
