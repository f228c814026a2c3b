// What control groups allow this process: a share of CPU time (quota), a set of processors, and how often the quota stopped it.
//
// /proc/self/cgroup says in which group the process is, for each hierarchy:
//
//   4:cpu,cpuacct:/docker/0123     version 1: number, controllers, path
//   0::/user.slice/a.scope         version 2
//
// and /proc/self/mountinfo where a hierarchy is mounted, and which of its groups the mount shows as its root (field 4):
//
//   36 25 0:31 /docker/0123 /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct
//
// A group is bound by its own limits and by those of all groups above it.

import { parseCpuList } from "./cpu-list.js";
import { type HostFiles, integer } from "./host-files.js";

/** The processor time that a control group grants. */
export interface CpuQuota {
  /** Processors' worth of time: 1.5 is 150 ms in each 100 ms. */
  readonly cpus: number;
  /** The group whose limit it is. */
  readonly folder: string;
  /** Of control groups. */
  readonly version: 1 | 2;
}

export interface CgroupLimits {
  /** The tightest quota of the group and all above it; undefined: none. */
  readonly quota: CpuQuota | undefined;
  /** The processors that the group may use; undefined: not known. */
  readonly cpuset: readonly number[] | undefined;
  /** The folder whose `cpu.stat` counts what this process is denied; undefined: not known. */
  readonly folder: string | undefined;
}

/** Reads the limits of this process's groups, in version 1, version 2, or both. */
export function readCgroupLimits(files: HostFiles): CgroupLimits {
  const mounts = readMounts(files);
  const groups = readGroups(files);
  const time = groupFolders(mounts, groups, "cpu");
  const sets = groupFolders(mounts, groups, "cpuset");

  let quota: CpuQuota | undefined;
  for (const { folder, version } of time) {
    const cpus = version === 1 ? quotaOf1(files, folder) : quotaOf2(files, folder);
    if (cpus !== undefined && cpus < (quota?.cpus ?? Number.POSITIVE_INFINITY)) quota = { cpus, folder, version };
  }
  const set = sets.map(({ folder, version }) =>
    parseCpuList(files.word(`${folder}/${version === 1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective"}`)),
  );
  const counting = time.find(({ folder }) => files.word(`${folder}/cpu.stat`) !== undefined);
  return { quota, cpuset: set.find((cpus) => cpus !== undefined), folder: quota?.folder ?? counting?.folder };
}

/** The folders of the groups that bound this process's memory. */
export function memoryFolders(files: HostFiles): readonly GroupFolder[] {
  return groupFolders(readMounts(files), readGroups(files), "memory");
}

interface Mount {
  readonly version: 1 | 2;
  /** Of version 1. */
  readonly controllers: readonly string[];
  readonly root: string;
  readonly point: string;
}

/** Version 1's groups by controller, version 2's under "". */
type Groups = ReadonlyMap<string, string>;

function readMounts(files: HostFiles): Mount[] {
  const mounts: Mount[] = [];
  for (const line of (files.text("/proc/self/mountinfo") ?? "").split("\n")) {
    const [before, after] = line.split(" - ");
    const [, , , root, point] = (before ?? "").split(" ");
    const [type, , options] = (after ?? "").split(" ");
    if (root === undefined || point === undefined || (type !== "cgroup" && type !== "cgroup2")) continue;
    mounts.push({
      version: type === "cgroup" ? 1 : 2,
      controllers: (options ?? "").split(","),
      root: unescapeOctal(root),
      point: unescapeOctal(point),
    });
  }
  return mounts;
}

/** mountinfo writes a space as \040. */
function unescapeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function readGroups(files: HostFiles): Groups {
  const groups = new Map<string, string>();
  for (const line of (files.text("/proc/self/cgroup") ?? "").split("\n")) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    for (const controller of match[1]!.split(",")) groups.set(controller, match[2]!);
  }
  return groups;
}

export interface GroupFolder {
  readonly folder: string;
  readonly version: 1 | 2;
}

/** The folders of this process's groups of a controller, each followed by those above it, up to where it is mounted. */
function groupFolders(mounts: readonly Mount[], groups: Groups, controller: string): GroupFolder[] {
  const folders: GroupFolder[] = [];
  for (const { version, controllers, root, point } of mounts) {
    if (version === 1 && !controllers.includes(controller)) continue;
    const path = groups.get(version === 1 ? controller : "");
    if (path === undefined) continue;
    const names = below(root, path);
    for (let depth = names.length; depth >= 0; depth--) {
      folders.push({ folder: [point, ...names.slice(0, depth)].join("/"), version });
    }
  }
  return folders;
}

/** The names that lead from a mount's root to a group. A group outside of it (`/../other`) is as good as the root itself. */
function below(root: string, path: string): string[] {
  const rootNames = root.split("/").filter(Boolean);
  const names = path.split("/").filter(Boolean);
  if (names.includes("..") || !rootNames.every((name, i) => names[i] === name)) return [];
  return names.slice(rootNames.length);
}

function quotaOf1(files: HostFiles, folder: string): number | undefined {
  const quota = files.count(`${folder}/cpu.cfs_quota_us`); // -1: none
  const period = files.count(`${folder}/cpu.cfs_period_us`);
  return ratio(quota, period);
}

/** cpu.max: "max 100000", or "150000 100000". */
function quotaOf2(files: HostFiles, folder: string): number | undefined {
  const [quota, period] = (files.word(`${folder}/cpu.max`) ?? "").split(" ");
  return ratio(integer(quota), integer(period));
}

function ratio(quota: number | undefined, period: number | undefined): number | undefined {
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : undefined;
}
