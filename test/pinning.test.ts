// Where workers are pinned: what a request means on other machines, and, on Linux, what the kernel says of this one's threads.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CriaError, loadModel } from "cria";
import { describe, expect, it } from "vitest";
import { pinnedCpus, pinsOf } from "../dist/machine/cpu/pin-plan.js";
import { cpuTopology } from "../dist/machine/cpu/topology.js";
import { allowed, epyc, laptop, type MachineFiles, withMachine } from "./cpu-machines.js";

const demo = fileURLToPath(new URL("../models/cria-demo-Q4_K_S.gguf", import.meta.url));

const plan = (files: MachineFiles, request: true | string) =>
  withMachine(files, async (root) => pinnedCpus(await cpuTopology({ root }), request));

describe("a request", () => {
  it("of true takes one processor of every core before the cores' second ones", async () => {
    const cpus = await plan(laptop, true);
    const { cores } = await withMachine(laptop, (root) => cpuTopology({ root }));
    expect([...cpus].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const coreOf = (cpu: number) => cores!.findIndex((core) => core.cpus.includes(cpu));
    expect(new Set(cpus.slice(0, 4).map(coreOf)).size).toBe(4);
  });

  it("of physical takes one processor of every core", async () => {
    expect(await plan(laptop, "physical")).toHaveLength(4);
  });

  it("of a group takes its processors, of those that the process may use", async () => {
    const { l3Groups, nodes } = await withMachine(epyc, (root) => cpuTopology({ root }));
    const sorted = (cpus: readonly number[]) => [...cpus].sort((a, b) => a - b);
    expect(sorted(await plan(epyc, "l3:1"))).toEqual(sorted(l3Groups![1]!.cpus));
    expect(sorted(await plan(epyc, "node:1"))).toEqual(sorted(nodes![1]!.cpus));
    const some = l3Groups![1]!.cpus.slice(0, 2);
    expect(sorted(await plan({ ...epyc, ...allowed(`0,${some.join(",")}`) }, "l3:1"))).toEqual(sorted(some));
  });

  it("of a list takes these", async () => {
    expect([...(await plan(laptop, "0,2-3"))].sort()).toEqual([0, 2, 3]);
  });

  it.each([
    ["l3:99", /this machine has l3:0/],
    ["nonsense", /it can be true, "physical", "l3:N", "node:N", or a list/],
    ["4,200", /may not use 200/],
    ["", /it can be/],
  ])("of %j is refused, with what there is", async (request, message) => {
    const refused = await plan(laptop, request).catch((error: CriaError) => error);
    expect(refused).toBeInstanceOf(CriaError);
    expect((refused as CriaError).message).toMatch(message);
  });

  it("gives each worker a processor, and all of them to workers that are more", () => {
    expect(pinsOf([2, 0, 1], 2)).toEqual([[2], [0]]);
    expect(pinsOf([2, 0], 3)).toEqual([
      [0, 2],
      [0, 2],
      [0, 2],
    ]);
  });
});

const canPin = existsSync("/proc/thread-self") && spawnSync("taskset", ["--version"]).status === 0;

describe.skipIf(!canPin)("a model whose workers are pinned", () => {
  it("says where the kernel has them, and computes the same", async () => {
    const topology = await cpuTopology();
    const first = topology.allowed[0]!;
    const model = await loadModel(demo, { threads: 1, pin: String(first) });
    expect(model.info.pinning).toEqual({ request: String(first), workers: [[first]], problem: undefined });
    const free = await loadModel(demo, { threads: 1 });
    expect(free.info.pinning).toBeUndefined();
    const options = { temperature: 0, maxTokens: 8 };
    expect((await model.complete("One day", options)).text).toBe((await free.complete("One day", options)).text);
    await model.dispose();
    await free.dispose();
  });

  it("has by default as many workers as processors were named", async () => {
    const { allowed } = await cpuTopology();
    const model = await loadModel(demo, { pin: String(allowed[0]) });
    expect(model.info.threads).toBe(1);
    await model.dispose();
  });
});
