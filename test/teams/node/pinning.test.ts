// Which processors workers are pinned to: on other machines as a plan, on this one for real, and what is said when it does not work.

import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cpuTopology, type LoadOptions, loadModel } from "cria";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { parseCpuList } from "../../../dist/machine/cpu/cpu-list.js";
import { pinnedCpus, pinsOf } from "../../../dist/machine/cpu/pin-plan.js";
import { allowed, epyc, laptop, type MachineFiles, withMachine } from "../../support/cpu-machines.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));

const read = (files: MachineFiles) => withMachine(files, (root) => cpuTopology({ root }));
const machines = { laptop: await read(laptop), epyc: await read(epyc), bare: await read(allowed("0-3")) };

/** What a request means on a machine, of which perhaps only some processors are allowed. */
function plan(name: keyof typeof machines, request: true | string, only?: string): readonly number[] {
  const machine = machines[name];
  return pinnedCpus({ ...machine, allowed: only === undefined ? machine.allowed : parseCpuList(only)! }, request);
}

describe("which processors", () => {
  it.each<[string, keyof typeof machines, true | string, string | undefined, number[]]>([
    ["every core's first thread, then the second ones", "laptop", true, undefined, [0, 1, 2, 3, 4, 5, 6, 7]],
    ["every core's first thread", "laptop", "physical", undefined, [0, 1, 2, 3]],
    ["every core's first thread that is allowed", "laptop", "physical", "1,4-5", [4, 1]],
    ["an L3 group", "epyc", "l3:2", undefined, [4, 5, 36, 37]],
    ["a NUMA node", "epyc", "node:7", "28-29,32-63", [28, 29, 62, 63, 60, 61]],
    ["a list, cores first", "laptop", "0,4,1-2", undefined, [0, 1, 2, 4]],
    ["a group, as far as it is allowed", "epyc", "l3:2", "5-37", [36, 5, 37]],
    ["cores that are not told: as they come", "bare", true, undefined, [0, 1, 2, 3]],
  ])("%s", (_, name, request, only, cpus) => {
    expect(plan(name, request, only)).toEqual(cpus);
  });

  it("fast cores before slow ones", async () => {
    const kinds = { "/sys/devices/cpu_core/cpus": "2-3,6-7", "/sys/devices/cpu_atom/cpus": "0-1,4-5" };
    const hybrid = await read({ ...laptop, ...kinds });
    expect(pinnedCpus(hybrid, true)).toEqual([2, 3, 0, 1, 6, 7, 4, 5]);
    expect(pinnedCpus(hybrid, "physical")).toEqual([2, 3, 0, 1]);
  });

  it.each<[string, keyof typeof machines, string, string | undefined, RegExp]>([
    ["a group that is not there", "epyc", "l3:16", undefined, /^pin must be one of l3:0, .*, l3:15; it is "l3:16"$/],
    ["groups that are not told", "bare", "l3:0", undefined, /does not tell/],
    ["cores that are not told", "bare", "physical", undefined, /does not tell/],
    [
      "processors that are not allowed",
      "laptop",
      "2-5",
      "0-3",
      /among 0-3 \(this process may not use 4-5\); it is "2-5"/,
    ],
    ["a group without an allowed processor", "epyc", "l3:9", "0-3", /among 0-3, which this process may use/],
    [
      "a word that it does not know",
      "laptop",
      "numa",
      undefined,
      /must be true, "physical", "l3:N", "node:N", or a list/,
    ],
    ["an empty list", "laptop", "", undefined, /must be true.*; it is ""$/],
    ["a huge list", "laptop", "0-999999", undefined, /must be true.*; it is "0-999999"$/],
  ])("%s is refused", (_, name, request, only, message) => {
    expect(() => plan(name, request, only)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
    expect(() => plan(name, request, only)).toThrow(message);
  });

  it("a processor for each worker; all of them for every worker where they are too few", () => {
    expect(pinsOf([4, 1], 2)).toEqual([[4], [1]]);
    expect(pinsOf([4, 1], 3)).toEqual([
      [1, 4],
      [1, 4],
      [1, 4],
    ]);
  });
});

describe("options", () => {
  it.each([3, { cpus: 1 }, Number.NaN])("pin: %s is refused", async (pin) => {
    await expect(loadModel(demo, { pin } as unknown as LoadOptions)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });
});

const onLinux = process.platform === "linux";

describe.skipIf(!onLinux)("for real", () => {
  const folder = mkdtempSync(join(tmpdir(), "cria-pin-"));
  const path = process.env["PATH"];
  afterEach(() => {
    process.env["PATH"] = path;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const hasTaskset = () => {
    try {
      execFileSync("taskset", ["-p", `${process.pid}`]);
      return true;
    } catch {
      return false;
    }
  };

  /** The masks of all threads of this process, as the kernel tells them from outside. */
  const masks = () =>
    readdirSync("/proc/self/task").map(
      (thread) =>
        /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/self/task/${thread}/status`, "utf8"))?.[1] ?? "",
    );

  /** Loads, runs and disposes of the demo model; what it says of its pins, and the process's warnings. */
  const pinning = async (options: LoadOptions) => {
    const warnings: string[] = [];
    const listen = (warning: Error & { code?: string }) => {
      if (warning.code === "CRIA_PIN") warnings.push(warning.message);
    };
    process.on("warning", listen);
    const model = await loadModel(demo, options);
    try {
      const { text } = await model.complete("Once upon a time", { maxTokens: 8, temperature: 0 });
      expect(text).not.toBe("");
      await new Promise((resolve) => setTimeout(resolve, 10)); // warnings come in the next turn
      return { ...model.info, during: masks(), warnings };
    } finally {
      await model.dispose();
      process.off("warning", listen);
    }
  };

  it.skipIf(!hasTaskset() || availableParallelism() < 2)("each worker on a processor of its own", async () => {
    const before = masks();
    const { allowed: cpus } = await cpuTopology();
    const pair = `${cpus[0]},${cpus[1]}`;
    const info = await pinning({ pin: pair, threads: 2 });
    expect(info.pinning).toEqual({ request: pair, workers: [[cpus[0]], [cpus[1]]], problem: undefined });
    expect(info.warnings).toEqual([]);
    for (const cpu of cpus.slice(0, 2)) expect(info.during.filter((mask) => mask === `${cpu}`)).toHaveLength(1);
    expect(masks()).toEqual(expect.arrayContaining(before)); // nobody else was moved
  });

  it.skipIf(!hasTaskset())("a list of one processor makes a team of one", async () => {
    const { allowed: cpus } = await cpuTopology();
    const info = await pinning({ pin: `${cpus.at(-1)}` });
    expect(info).toMatchObject({ threads: 1, pinning: { workers: [[cpus.at(-1)]], problem: undefined } });
    expect(info.threadsReason).toMatch(/^1 thread: .*affinity 1$/);
  });

  it("without taskset: a warning, and the model runs", async () => {
    process.env["PATH"] = folder;
    const { pinning: got, warnings } = await pinning({ pin: true, threads: 2 });
    expect(got?.problem).toMatch(/taskset .* is not installed/);
    expect(got?.workers).toHaveLength(2);
    expect(warnings).toEqual([`pin true did not work: ${got?.problem}`]);
  });

  it.each([
    ["fails", "echo no permission >&2; exit 1", /^no permission$/],
    ["fails without a word", "exit 3", /code 3/],
    ["says that it worked", "exit 0", /^asked for \d+, the kernel says /],
  ])("a taskset that %s is not believed", async (_, script, problem) => {
    writeFileSync(join(folder, "taskset"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "taskset"), 0o755);
    process.env["PATH"] = folder;
    const { allowed: cpus } = await cpuTopology();
    const { pinning: got } = await pinning({ pin: `${cpus[0]}`, threads: 1 });
    if (cpus.length > 1) expect(got?.problem).toMatch(problem);
    expect(got?.workers).toEqual([cpus]);
    rmSync(join(folder, "taskset"));
  });
});
