// `cria cpu` as a user has it: on copies of other machines' /sys and /proc, and on this one.

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { loadModel } from "cria";
import { describe, expect, it } from "vitest";
import type { CpuReport } from "../../dist/cli/cpu-report.js";
import { allowed, cgroup1, cgroup2, epyc, laptop, type MachineFiles, withMachine } from "../support/cpu-machines.js";
import { runnableBuilds } from "../support/kernel-module.js";

const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const demo = fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));

function cria(args: readonly string[], environment: NodeJS.ProcessEnv = {}, flags: readonly string[] = []) {
  const env = { ...process.env, CRIA_THREADS: "", CRIA_KERNELS: "", ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, entry, "cpu", ...args], {
    encoding: "utf8",
    env,
  });
  return { code: status, out: stdout, err: stderr };
}

const on = (files: MachineFiles, args: readonly string[] = [], environment?: NodeJS.ProcessEnv) =>
  withMachine(files, async (root) => cria(["--root", root, ...args], environment));

/** The lines under one name. */
function section(out: string, name: string): string[] {
  const lines = out.split("\n");
  const first = lines.findIndex((line) => line.startsWith(name.padEnd(13)));
  const end = lines.findIndex((line, i) => i > first && !line.startsWith(" ".repeat(13)));
  return lines.slice(first, end).map((line) => line.slice(13));
}

const folder = "/sys/kernel/mm/transparent_hugepage";

describe("other machines", () => {
  it("a laptop that reports everything", async () => {
    const frequency: MachineFiles = {};
    for (let cpu = 0; cpu < 8; cpu++) {
      frequency[`/sys/devices/system/cpu/cpu${cpu}/cpufreq/scaling_cur_freq`] = `${1_800_000 + 1000 * cpu}\n`;
      frequency[`/sys/devices/system/cpu/cpu${cpu}/cpufreq/cpuinfo_max_freq`] = "4000000\n";
    }
    const { code, out } = await on({
      ...laptop,
      ...frequency,
      ...cgroup1("350000", "100000", "own"),
      [`${folder}/enabled`]: "always [madvise] never\n",
      [`${folder}/defrag`]: "always defer [defer+madvise] madvise never\n",
      [`${folder}/hpage_pmd_size`]: "2097152\n",
      "/proc/stat": "cpu  100 0 50 800 0 0 0 50 0 0\ncpu0 1 2 3\n",
      "/proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n",
    });
    expect(code).toBe(0);
    expect(section(out, "model")).toEqual(["Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz"]);
    expect(section(out, "processors")).toEqual([
      "8 online: 0-7",
      "8 allowed: 0-7 (affinity 0-7; control group 0-7)",
      "quota: 3.5 processors' time, of /sys/fs/cgroup/cpu,cpuacct (cgroup v1)",
    ]);
    expect(section(out, "cores")).toEqual(["4"]);
    expect(section(out, "SMT siblings")).toEqual(["0,4  1,5  2,6  3,7"]);
    expect(section(out, "sockets")).toEqual(["0: 0-7"]);
    expect(section(out, "NUMA nodes")).toEqual(["0: 0-7, 64 GiB"]);
    expect(section(out, "caches")).toEqual([
      "L1 data 32 KiB x 4, each of 2 processors, lines of 64 bytes",
      "L1 instruction 32 KiB x 4, each of 2 processors, lines of 64 bytes",
      "L2 unified 256 KiB x 4, each of 2 processors, lines of 64 bytes",
      "L3 unified 8 MiB x 1, each of 8 processors, lines of 64 bytes",
    ]);
    expect(section(out, "frequency")).toEqual(["governor performance; now 1800 to 1807 MHz; at most 4000 MHz"]);
    expect(section(out, "huge pages")).toEqual([
      "transparent of 2 MiB: madvise, so weights do not lie in them; defrag defer+madvise",
    ]);
    expect(section(out, "disturbance")).toEqual([
      "stolen by the hypervisor: 5.00 % of all time",
      "stopped by the quota: 7 of 40 periods, 0.01 s",
      "tasks waited for a processor: 1.5 s",
    ]);
    expect(section(out, "threads")).toEqual([
      "4 threads: 4 physical cores; quota 3.5; affinity 8; the quota stops more than 3.5",
      "decode 4, prefill 4",
    ]);
    expect(section(out, "--pin")).toEqual([
      "physical  4 workers: 0-3",
      "l3:0      4 workers: 0-3",
      "node:0    4 workers: 0-3",
    ]);
  });

  it("two sockets: the words of --pin are those with a processor that is allowed", async () => {
    const { out } = await on({ ...epyc, ...allowed("0-3,36-37") });
    expect(section(out, "sockets")).toEqual(["0: 0-15,32-47", "1: 16-31,48-63"]);
    expect(section(out, "L3 groups")).toHaveLength(16);
    expect(section(out, "--pin")).toEqual([
      "physical  6 workers: 0-3,36-37",
      "l3:0      2 workers: 0-1",
      "l3:1      2 workers: 2-3",
      "l3:2      2 workers: 36-37",
      "node:0    4 workers: 0-3",
      "node:1    2 workers: 36-37",
    ]);
  });

  it("more threads than processors, as asked", async () => {
    const { out } = await on({ ...laptop, ...allowed("0-1") }, ["-t", "3", "-tb", "4"]);
    expect(section(out, "threads")[1]).toBe("decode 2, prefill 4");
    expect(section(out, "--pin")[0]).toBe("physical  4 workers: each on any of 0-1");
  });

  it("CRIA_THREADS, and a version 2 quota", async () => {
    const { out } = await on({ ...epyc, ...cgroup2(["-", "max 100000", "765000 100000"]) }, [], { CRIA_THREADS: "5" });
    expect(section(out, "processors")[2]).toMatch(/^quota: 7.65 processors' time, .* \(cgroup v2\)$/);
    expect(section(out, "threads")).toEqual(["5 threads: CRIA_THREADS", "decode 5, prefill 5"]);
  });

  it("big and little cores", async () => {
    const kinds = { "/sys/devices/cpu_core/cpus": "2-3,6-7", "/sys/devices/cpu_atom/cpus": "0-1,4-5" };
    expect(section((await on({ ...laptop, ...kinds })).out, "cores")).toEqual(["4: 2 performance, 2 efficiency"]);
  });

  it("a machine that reports next to nothing", async () => {
    const { code, out } = await on(allowed("0-2"));
    expect(code).toBe(0);
    for (const name of ["model", "cores", "SMT siblings", "sockets", "NUMA nodes", "L3 groups", "caches", "huge pages"])
      expect(section(out, name), name).toEqual(["unknown"]);
    expect(section(out, "threads")[0]).toBe("3 threads: physical cores unknown; quota none; affinity 3");
    expect(section(out, "--pin")).toEqual(["a list of processors, such as 0,2-5"]);
  });

  it("a machine that is not Linux", async () => {
    const { out } = await on({ "/README": "" });
    expect(section(out, "model")[0]).toMatch(/; this system reports no more$/);
    expect(section(out, "--pin")).toEqual(["only Linux reports and pins processors"]);
  });

  it("names from files cannot steer the terminal", async () => {
    const { out } = await on({ ...laptop, "/proc/cpuinfo": "model name\t: evil\u001b[2J CPU\n" });
    expect(out).not.toContain("\u001b");
    expect(section(out, "model")[0]).toContain("evil");
  });
});

describe("this machine", () => {
  it("agrees with a model loaded on it", async () => {
    const model = await loadModel(demo);
    const { threads, threadsBatch, threadsReason } = model.info;
    await model.dispose();
    const report = JSON.parse(cria(["--json"], { CRIA_THREADS: process.env["CRIA_THREADS"] }).out) as CpuReport;
    // A small model decodes with fewer.
    expect(report.plan).toMatchObject({ threads: threadsBatch, threadsBatch });
    expect(threads).toBeLessThanOrEqual(report.plan.threads);
    expect(threadsReason).toContain(report.plan.reason.replace(/^.*?: /, ""));
    expect(report.topology.allowed).toHaveLength(availableParallelism());
    expect(report.kernels.node).toBe(process.versions.node);
  });

  it("says why wide kernels do not run", () => {
    const flags = ["--no-liftoff"];
    const { kernels } = JSON.parse(cria(["--json", "--kernels", "wide"], {}, flags).out) as CpuReport;
    expect(kernels).toMatchObject({ build: expect.stringMatching(/^(relaxed|vnni)$/), reason: "--kernels" });
    expect(kernels.problem).toMatch(
      /^wide kernels do not run: they need Node 24.5|^wide kernels do not run: .*--no-liftoff/,
    );
    expect(cria(["--kernels", "wide"], {}, flags).out).toContain(`\n             ${kernels.problem}\n`);
  });

  it.each(runnableBuilds)("runs the %s kernels where CRIA_KERNELS asks for them", (build) => {
    const { kernels } = JSON.parse(cria(["--json"], { CRIA_KERNELS: build }).out) as CpuReport;
    expect(kernels).toMatchObject({ build, reason: "CRIA_KERNELS" });
  });

  it("says why the kernels are not faster ones", () => {
    const [line] = section(cria([]).out, "kernels");
    const fastest = ["vnni", "dotprod", "relaxed", "simd"].find((build) =>
      (runnableBuilds as string[]).includes(build),
    );
    expect(line).toMatch(new RegExp(`^${fastest}: the fastest build that this host runs`));
    const lacking = process.arch === "arm64" ? "no ARM dot product" : "no VNNI dot product";
    expect(line!.includes(lacking)).toBe(fastest !== "vnni" && fastest !== "dotprod");
  });

  it.each<[string, readonly string[], NodeJS.ProcessEnv, RegExp]>([
    ["an argument", ["now"], {}, /"now": cpu takes options only/],
    ["-t 0", ["-t", "0"], {}, /-t must be an integer in 1 \.\. \d+; it is 0/],
    ["CRIA_THREADS=many", [], { CRIA_THREADS: "many" }, /CRIA_THREADS must be .*; it is "many"/],
    [
      "--kernels avx",
      ["--kernels", "avx"],
      {},
      /--kernels must be one of wide, vnni, dotprod, relaxed, simd; it is "avx"/,
    ],
    ["CRIA_KERNELS=avx", [], { CRIA_KERNELS: "avx" }, /CRIA_KERNELS must be one of .*; it is "avx"/],
  ])("refuses %s with one line and code 2", (_, args, environment, message) => {
    const { code, out, err } = cria(args, environment);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(message);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });
});
