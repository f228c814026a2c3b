// A plan is held against the memory that is left, before anything is allocated: what other machines leave, and what the refusal says.

import { loadModel, MemoryError } from "cria";
import { openGguf } from "cria/gguf";
import { describe, expect, it } from "vitest";
import { memoryRefusal } from "../../dist/api/load/memory-check.js";
import { type PlannedModel, planModel } from "../../dist/api/load/plan-model.js";
import { availableMemory } from "../../dist/machine/cpu/available-memory.js";
import { compileKernels } from "../../dist/machine/kernels.js";
import { type MachineFiles, meminfo, memoryGroup1, memoryGroups2, withMachine } from "../support/cpu-machines.js";
import { fixtureModel } from "../support/fixture-model.js";

const GIB = 2 ** 30;

describe("the memory that is left", () => {
  const outer = { limit: String(8 * GIB), used: 5 * GIB, cached: 3 * GIB };
  const inner = { limit: String(4 * GIB), used: 3.5 * GIB, cached: GIB };
  const none = { limit: "max", used: 5 * GIB, cached: 0 };
  it.each<[string, MachineFiles, number | undefined, string | undefined]>([
    ["of a machine without limits", meminfo(20 * GIB), 20 * GIB, "MemAvailable"],
    [
      "of a machine that has less than its group may use",
      { ...meminfo(GIB), ...memoryGroups2([outer]) },
      GIB,
      "MemAvailable",
    ],
    [
      "of a group: its files' cache makes room",
      { ...meminfo(20 * GIB), ...memoryGroups2([outer]) },
      6 * GIB,
      "/group1.slice",
    ],
    [
      "of the tightest of nested groups",
      { ...meminfo(20 * GIB), ...memoryGroups2([outer, inner]) },
      1.5 * GIB,
      "/group2.slice",
    ],
    ["of the outer group", { ...meminfo(20 * GIB), ...memoryGroups2([inner, outer]) }, 1.5 * GIB, "/group1.slice"],
    ["of a group without a limit", { ...meminfo(20 * GIB), ...memoryGroups2([none]) }, 20 * GIB, "MemAvailable"],
    [
      "of a group that is full",
      { ...meminfo(20 * GIB), ...memoryGroups2([{ ...outer, used: 9 * GIB, cached: 8192 }]) },
      0,
      "/group1.slice",
    ],
    ["of a version 1 group", { ...meminfo(20 * GIB), ...memoryGroup1(outer) }, 6 * GIB, "/sys/fs/cgroup/memory"],
    [
      "of a version 1 group without a limit",
      { ...meminfo(20 * GIB), ...memoryGroup1({ ...outer, limit: "9223372036854771712" }) },
      20 * GIB,
      "MemAvailable",
    ],
    ["of a machine that does not say", {}, undefined, undefined],
    [
      "where the numbers are not numbers",
      { "/proc/meminfo": "MemAvailable: much\n", ...memoryGroups2([{ ...outer, limit: "-1" }]) },
      undefined,
      undefined,
    ],
  ])("%s", async (_, files, bytes, source) => {
    const available = await withMachine({ "/sys/devices/system/cpu/online": "0\n", ...files }, (root) =>
      availableMemory({ root }),
    );
    expect(available?.bytes).toBe(bytes);
    if (source !== undefined) expect(available?.source).toMatch(new RegExp(`${source}$`));
  });

  it("of this machine: some, on Linux", async () => {
    const available = await availableMemory();
    if (process.platform === "linux") expect(available!.bytes).toBeGreaterThan(2 ** 20);
    else expect(available).toBeUndefined();
  });
});

const shape = {
  dim: 64,
  layers: 64,
  heads: 2,
  kvHeads: 1,
  headDim: 32,
  ffn: 96,
  vocab: 512,
  format: () => "Q8_0" as const,
} as const;
const file = await fixtureModel(shape);
const options = { threads: 2, contextSize: 2048, sequences: 4 };
const plan = async (changes = {}): Promise<PlannedModel> =>
  planModel(await openGguf(file), { ...options, ...changes }, await compileKernels());
const WORKERS = (2 * 16 + 32) * 2 ** 20;
const refusal = (planned: PlannedModel, bytes: number, copied = 0) =>
  memoryRefusal(planned, { bytes, source: "MemAvailable" }, copied);

describe("a plan that is too large", () => {
  it("is refused from its first byte too many, with what workers and tokenizer take, and the copy of a model in memory", async () => {
    const planned = await plan();
    const { total } = planned.plan;
    expect(refusal(planned, total + WORKERS)).toBeUndefined();
    expect(refusal(planned, total + WORKERS - 1)).toMatch(
      /^the model takes [\d.]+ MiB \(weights .* scratch .*\), its 2 workers and tokenizer 64.0 MiB; this process can take [\d.]+ MiB \(MemAvailable\); it fits with /,
    );
    expect(refusal(planned, total + WORKERS + 99, 100)).toContain("and a copy of its bytes");
    expect(refusal(planned, total + WORKERS + 100, 100)).toBeUndefined();
  });

  it("names options with which the plan does fit", async () => {
    const planned = await plan();
    const { total, kvCache } = planned.plan;
    for (const part of [0.99, 0.9, 0.6, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02]) {
      const bytes = total - kvCache + Math.floor(kvCache * part) + WORKERS;
      const ways = /it fits with (.*); ignoreMemory/.exec(refusal(planned, bytes)!)![1]!.split(", or with ");
      for (const way of ways) {
        const changes = [...way.matchAll(/(\w+) (?:(\d+)|"(\w+)")/g)].map(([, name, number, word]) => [
          name!,
          word ?? Number(number),
        ]);
        expect(changes.length).toBeGreaterThan(0);
        expect(refusal(await plan(Object.fromEntries(changes)), bytes)).toBeUndefined();
      }
    }
  });

  it("says so where no cache is small enough", async () => {
    const planned = await plan();
    const { total, kvCache } = planned.plan;
    expect(refusal(planned, total - kvCache + WORKERS)).toContain("no KV cache is small enough");
  });

  it("is refused by loadModel before a worker starts, unless the memory is to be ignored", async () => {
    const available = await availableMemory();
    const layerBytes = 2 ** 20 * 128; // a sequence of 2^20 positions, in f16
    const sequences = Math.ceil((available?.bytes ?? 0) / shape.layers / layerBytes) + 1;
    if (available === undefined || sequences > 30) return; // no limit, or one that no plan for this model passes
    let workers = 0;
    const count = () => void workers++;
    process.on("worker", count);
    const loading = loadModel(file, { ...options, contextSize: 2 ** 20, sequences });
    await expect(loading).rejects.toBeInstanceOf(MemoryError);
    await expect(loading).rejects.toMatchObject({ code: "MEMORY_EXCEEDED" });
    process.off("worker", count);
    expect(workers).toBe(0);
    // The memory of pages that nobody touches is never used.
    const model = await loadModel(file, { ...options, contextSize: 2 ** 20, sequences, ignoreMemory: true });
    expect(model.info.memory.total).toBeGreaterThan(available.bytes);
    await model.dispose();
  });
});
