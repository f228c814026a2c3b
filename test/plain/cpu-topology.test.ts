// What cpuTopology reads from other machines' /sys and /proc, from this machine's, and from nonsense.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type CpuTopology, cpuTopology } from "cria";
import { describe, expect, it } from "vitest";
import { cpuMask, formatCpuList, parseCpuList } from "../../dist/machine/cpu/cpu-list.js";
import { cpuNoise, noiseBetween } from "../../dist/machine/cpu/noise.js";
import {
  allowed,
  cgroup1,
  cgroup2,
  epyc,
  laptop,
  type MachineFiles,
  machine,
  withMachine,
} from "../support/cpu-machines.js";
import fc from "../support/fast-check.js";

const read = (files: MachineFiles): Promise<CpuTopology> => withMachine(files, (root) => cpuTopology({ root }));

describe("lists of processors", () => {
  it("ranges and single numbers, in any order, each once", () => {
    expect(parseCpuList("0-3,8,10-11\n")).toEqual([0, 1, 2, 3, 8, 10, 11]);
    expect(parseCpuList("5,1,1-2")).toEqual([1, 2, 5]);
    expect(parseCpuList("")).toEqual([]);
  });

  it.each(["a", "1-", "-1", "3-1", "0-4294967295", "1;2", "0x3", "1 2"])("%s is not one", (text) => {
    expect(parseCpuList(text)).toBeUndefined();
  });

  it("parse(format(list)) = list", () => {
    const lists = fc.uniqueArray(fc.nat(300)).map((list) => list.sort((a, b) => a - b));
    fc.assert(
      fc.property(lists, (list) => {
        expect(parseCpuList(formatCpuList(list))).toEqual(list);
      }),
    );
  });

  it("masks have a bit for each, beyond 32 and 64 too", () => {
    expect(cpuMask([0, 2])).toBe("0x5");
    expect(cpuMask([33, 64])).toBe("0x10000000200000000");
  });
});

describe("other machines", () => {
  it("a laptop: 4 cores of 2 threads, one L3", async () => {
    const topology = await read(laptop);
    expect(topology).toMatchObject({
      source: "sysfs",
      model: "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz",
      cpus: [0, 1, 2, 3, 4, 5, 6, 7],
      allowed: [0, 1, 2, 3, 4, 5, 6, 7],
      quota: undefined,
      governors: ["performance"],
      virtual: false,
      sockets: [{ id: 0, cpus: [0, 1, 2, 3, 4, 5, 6, 7] }],
      l3Groups: [{ id: 0, cpus: [0, 1, 2, 3, 4, 5, 6, 7] }],
    });
    expect(topology.cores?.map(({ cpus }) => cpus)).toEqual([
      [0, 4],
      [1, 5],
      [2, 6],
      [3, 7],
    ]);
    expect(topology.cores?.every(({ kind }) => kind === undefined)).toBe(true);
    const caches = topology.caches?.map(({ level, type, bytes, cpus }) => [level, type, bytes, cpus.length]);
    expect(caches).toEqual([
      ...Array.from({ length: 4 }, () => [
        [1, "data", 32768, 2],
        [1, "instruction", 32768, 2],
      ]).flat(),
      ...Array.from({ length: 4 }, () => [2, "unified", 262144, 2]),
      [3, "unified", 8 * 2 ** 20, 8],
    ]);
    expect(topology.caches?.every(({ lineBytes }) => lineBytes === 64)).toBe(true);
  });

  it("two EPYC sockets with four NUMA nodes each: sockets, nodes and L3 groups nest", async () => {
    const { cpus, cores, sockets, nodes, l3Groups } = await read(epyc);
    expect([cpus.length, cores?.length, sockets?.length, nodes?.length, l3Groups?.length]).toEqual([64, 32, 2, 8, 16]);
    expect(sockets?.map((socket) => formatCpuList(socket.cpus))).toEqual(["0-15,32-47", "16-31,48-63"]);
    expect(nodes?.map((node) => formatCpuList(node.cpus))[5]).toBe("20-23,52-55");
    expect(nodes?.[5]?.memoryBytes).toBe(64 * 2 ** 30);
    expect(l3Groups?.map((group) => formatCpuList(group.cpus)).slice(0, 3)).toEqual([
      "0-1,32-33",
      "2-3,34-35",
      "4-5,36-37",
    ]);
    expect(l3Groups?.map(({ id }) => id)).toEqual(Array.from({ length: 16 }, (_, id) => id));
    for (const group of l3Groups ?? []) {
      expect(nodes?.filter((node) => group.cpus.every((cpu) => node.cpus.includes(cpu)))).toHaveLength(1);
    }
  });

  it("ARM without cache information: caches and L3 groups are unknown, cores are known", async () => {
    const topology = await read({
      ...machine({ sockets: 1, nodesPerSocket: 1, l3PerNode: 1, coresPerL3: 4, smt: 1, model: "" }),
      "/proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n",
      "/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    });
    expect(topology).toMatchObject({ model: "Raspberry Pi 4 Model B Rev 1.4", caches: undefined, l3Groups: undefined });
    expect(topology.cores).toHaveLength(4);
    expect(topology.virtual).toBeUndefined();
  });

  it("hybrid Intel: two performance cores of two threads, four efficiency cores that share an L2", async () => {
    const core = (list: string): MachineFiles =>
      Object.fromEntries(
        parseCpuList(list)!.map((cpu) => [`/sys/devices/system/cpu/cpu${cpu}/topology/core_cpus_list`, list]),
      );
    const l2 = (cpu: number, shared: string, size: string): MachineFiles => {
      const cache = `/sys/devices/system/cpu/cpu${cpu}/cache/index0`;
      return {
        [`${cache}/level`]: "2",
        [`${cache}/type`]: "Unified",
        [`${cache}/size`]: size,
        [`${cache}/shared_cpu_list`]: shared,
      };
    };
    const { cores, caches, l3Groups } = await read({
      ...["0-1", "2-3", "4", "5", "6", "7"].reduce((all, list) => Object.assign(all, core(list)), {} as MachineFiles),
      ...[0, 1].reduce((all, cpu) => Object.assign(all, l2(cpu, "0-1", "1280K")), {} as MachineFiles),
      ...[2, 3].reduce((all, cpu) => Object.assign(all, l2(cpu, "2-3", "1280K")), {} as MachineFiles),
      ...[4, 5, 6, 7].reduce((all, cpu) => Object.assign(all, l2(cpu, "4-7", "2M")), {} as MachineFiles),
      "/sys/devices/system/cpu/online": "0-7",
      "/sys/devices/cpu_core/cpus": "0-3",
      "/sys/devices/cpu_atom/cpus": "4-7",
      ...allowed("0-7"),
    });
    expect(cores?.map(({ cpus, kind }) => [cpus.length, kind])).toEqual([
      [2, "performance"],
      [2, "performance"],
      ...Array.from({ length: 4 }, () => [1, "efficiency"]),
    ]);
    expect(caches?.map(({ bytes, cpus }) => [bytes, cpus.length])).toEqual([
      [1280 * 1024, 2],
      [1280 * 1024, 2],
      [2 * 2 ** 20, 4],
    ]);
    expect(l3Groups).toEqual([]); // caches are known, but there is no level 3 among them
  });

  it("big and little ARM cores are told apart by their capacity", async () => {
    const capacities = [250, 250, 850, 1024];
    const files: MachineFiles = { "/sys/devices/system/cpu/online": "0-3" };
    for (const [cpu, capacity] of capacities.entries()) {
      files[`/sys/devices/system/cpu/cpu${cpu}/cpu_capacity`] = `${capacity}\n`;
      files[`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`] = `${cpu}\n`; // an older kernel's name
    }
    const { cores } = await read(files);
    expect(cores?.map(({ kind }) => kind)).toEqual(["efficiency", "efficiency", "performance", "performance"]);
  });

  it("a virtual machine of two processors", async () => {
    const files = JSON.parse(readFileSync(new URL("../fixtures/cpu/firecracker-2.json", import.meta.url), "utf8"));
    const topology = await read(files);
    expect(topology).toMatchObject({
      model: "AMD EPYC",
      virtual: true,
      allowed: [0, 1],
      cpuset: [0, 1],
      quota: undefined,
      governors: undefined,
      cores: [{ cpus: [0] }, { cpus: [1] }],
      l3Groups: [{ id: 0, cpus: [0, 1] }],
    });
    const noise = await withMachine(files, (root) => cpuNoise({ root }));
    expect(noise).toEqual({
      periods: 0,
      throttledPeriods: 0,
      throttledMicroseconds: 0,
      ticks: 87633 + 10 + 24603 + 83470 + 156 + 53 + 126,
      stolenTicks: 126,
      idleTicks: 83470 + 156,
      pressureMicroseconds: 22251124,
    });
  });
});

describe("what the process may use", () => {
  it("an affinity mask", async () => {
    const { affinity, allowed: cpus } = await read({ ...laptop, ...allowed("0,4-5") });
    expect([affinity, cpus]).toEqual([
      [0, 4, 5],
      [0, 4, 5],
    ]);
  });

  it("an affinity mask that names processors that are off line", async () => {
    expect((await read({ ...laptop, ...allowed("0-127") })).allowed).toHaveLength(8);
  });

  it.each(["own", "host"] as const)(
    "a version 1 container with 1.5 processors of time, path as the %s sees it",
    async (seen) => {
      const { quota, cpuset } = await read({ ...laptop, ...cgroup1("150000", "100000", seen) });
      expect(quota).toEqual({ cpus: 1.5, folder: "/sys/fs/cgroup/cpu,cpuacct", version: 1 });
      expect(cpuset).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    },
  );

  it("version 1 without a quota says -1", async () => {
    expect((await read({ ...laptop, ...cgroup1("-1", "100000", "own") })).quota).toBeUndefined();
  });

  it("version 2: the tightest quota of all groups above counts", async () => {
    const { quota } = await read({ ...epyc, ...cgroup2(["-", "max 100000", "765000 100000", "2000000 100000"]) });
    expect(quota).toEqual({ cpus: 7.65, folder: "/sys/fs/cgroup/group1.slice/group2.slice", version: 2 });
  });

  it("version 2: a set of processors", async () => {
    const { cpuset, allowed: cpus } = await read({ ...laptop, ...cgroup2(["-", "max 100000"], "2-3") });
    expect([cpuset, cpus]).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });

  it("both versions mounted: the tighter one counts", async () => {
    const one = cgroup1("300000", "100000", "own");
    const two = cgroup2(["-", "200000 100000"]);
    const both = { ...laptop, ...one, ...two };
    for (const path of ["/proc/self/cgroup", "/proc/self/mountinfo"]) both[path] = one[path]! + two[path]!;
    expect((await read(both)).quota).toMatchObject({ cpus: 2, version: 2 });
  });

  it("a group outside the mounted part has the mounted group's limits", async () => {
    const files = cgroup2(["-", "50000 100000"]);
    files["/proc/self/mountinfo"] = "29 23 0:26 /../.. /sys/fs/cgroup/group1.slice rw - cgroup2 cgroup2 rw\n";
    files["/proc/self/cgroup"] = "0::/../../../etc\n";
    expect((await read({ ...laptop, ...files })).quota?.cpus).toBe(0.5);
  });

  it("a mount point with a space in it", async () => {
    const files: MachineFiles = {
      "/proc/self/mountinfo": "29 23 0:26 / /run/c\\040group rw - cgroup2 cgroup2 rw\n",
      "/proc/self/cgroup": "0::/\n",
      "/run/c group/cpu.max": "100000 100000\n",
    };
    expect((await read({ ...laptop, ...files })).quota?.cpus).toBe(1);
  });

  it("throttling is counted where the quota is", async () => {
    const noise = await withMachine({ ...laptop, ...cgroup2(["-", "max 100000", "765000 100000"]) }, (root) =>
      cpuNoise({ root }),
    );
    expect(noise).toMatchObject({ periods: 102, throttledPeriods: 2, throttledMicroseconds: 2000 });
    const older = await withMachine({ ...laptop, ...cgroup1("150000", "100000", "own") }, (root) => cpuNoise({ root }));
    expect(older).toMatchObject({ periods: 40, throttledPeriods: 7, throttledMicroseconds: 5000, ticks: undefined });
    expect(noiseBetween(older, { ...older, throttledPeriods: 9 })).toMatchObject({
      periods: 0,
      throttledPeriods: 2,
      ticks: undefined,
    });
  });
});

describe("this machine", () => {
  it("has the processors that Node counts", async () => {
    const topology = await cpuTopology();
    expect(topology.allowed.length).toBe(availableParallelism());
    for (const core of topology.cores ?? []) expect(core.cpus.length).toBeGreaterThan(0);
  });
});

describe("nonsense is unknown, and never throws", () => {
  it("an empty folder: what Node knows", async () => {
    expect(await read({ "/README": "" })).toMatchObject({ source: "os", cores: undefined, quota: undefined });
  });

  it("a root that does not exist", async () => {
    expect((await cpuTopology({ root: "/nonexistent/cria" })).source).toBe("os");
  });

  it.skipIf(process.platform === "win32")("directories, FIFOs, devices and loops in place of files", async () => {
    const root = mkdtempSync(join(tmpdir(), "cria-cpu-"));
    try {
      mkdirSync(join(root, "proc/self"), { recursive: true });
      mkdirSync(join(root, "proc/cpuinfo"));
      mkdirSync(join(root, "sys/devices/system/cpu/cpu0/topology"), { recursive: true });
      symlinkSync("/dev/zero", join(root, "sys/devices/system/cpu/cpu0/topology/core_cpus_list"));
      symlinkSync("self-loop", join(root, "sys/devices/system/cpu/self-loop"));
      execFileSync("mkfifo", [join(root, "sys/devices/system/cpu/online")]);
      expect((await cpuTopology({ root })).source).toBe("os");
      rmSync(join(root, "sys/devices/system/cpu/online"));
      symlinkSync("/dev/zero", join(root, "proc/self/status"));
      expect((await cpuTopology({ root })).source).toBe("os");
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it("cores that leave their own processor out, caches of size zero, quotas of nothing", async () => {
    const files = { ...laptop, ...cgroup2(["-", "0 100000", "100000 0", "-5 x"]) };
    files["/sys/devices/system/cpu/cpu2/topology/core_cpus_list"] = "7";
    files["/sys/devices/system/cpu/cpu0/cache/index3/size"] = "0K";
    const topology = await read(files);
    expect(topology).toMatchObject({ cores: undefined, sockets: undefined, quota: undefined });
    expect(topology.caches?.find(({ level }) => level === 3)?.bytes).toBeUndefined();
  });

  it("any file with anything in it", async () => {
    const files = { ...laptop, ...cgroup2(["-", "150000 100000"], "0-7") };
    await withMachine(files, (root) =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...Object.keys(files)),
          fc.string({ maxLength: 40 }),
          async (path, content) => {
            writeFileSync(join(root, path), content);
            const topology = await cpuTopology({ root });
            writeFileSync(join(root, path), files[path]!);
            expect(topology.cpus.length).toBeGreaterThan(0);
            for (const group of [...(topology.cores ?? []), ...(topology.l3Groups ?? [])]) {
              for (const cpu of group.cpus) expect(topology.cpus).toContain(cpu);
            }
          },
        ),
        { numRuns: 200 },
      ),
    );
  });
});
