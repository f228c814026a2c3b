// What `cria cpu` and `cria plan` say on machines of others: the trees of test/fixtures/cpu/write.mjs, and the texts in expected/ that a reader can check
// by hand. CRIA_UPDATE_EXPECTED=1 writes the texts again.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { demoModel } from "cria";
import { describe, expect, it } from "vitest";
import { planWorkers } from "../../dist/api/load/worker-plan.js";
import { cpuLines } from "../../dist/cli/cpu-output.js";
import { cpuReport } from "../../dist/cli/cpu-report.js";
import { planLines } from "../../dist/cli/plan-output.js";
import { plan } from "../../dist/lab/plan/plan.js";
import { formatCpuRuns, parseCpuList } from "../../dist/machine/cpu/cpu-list.js";
import { type CpuTopology, cpuTopology } from "../../dist/machine/cpu/topology.js";
import { machines } from "../fixtures/cpu/write.mjs";
import { withMachine } from "../support/cpu-machines.js";
import fc from "../support/fast-check.js";

const folder = fileURLToPath(new URL("../fixtures/cpu/expected/", import.meta.url));
const kernels = { build: "simd", reason: "of no matter here", problem: undefined, node: "20" } as const;

function expected(name: string, text: string): void {
  const file = join(folder, name);
  if (process.env["CRIA_UPDATE_EXPECTED"] === "1") {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, "utf8"));
}

/** A domain's pins lie inside the domain, on a core each; L3 groups and nodes have no processor in common. */
async function checkPins(topology: CpuTopology): Promise<void> {
  const { allowed, cores, l3Groups, nodes } = topology;
  for (const [word, groups] of [
    ["l3", l3Groups],
    ["node", nodes],
  ] as const) {
    for (const { id, cpus } of groups ?? []) {
      if (!cpus.some((cpu) => allowed.includes(cpu))) continue;
      const { pin, workers } = await planWorkers({ pin: `${word}:${id}` }, topology);
      const pins = pin?.pins?.flat() ?? [];
      expect(pins).toHaveLength(workers);
      for (const cpu of pins) expect(cpus).toContain(cpu);
      const coreOf = (cpu: number) => cores?.findIndex((core) => core.cpus.includes(cpu));
      expect(new Set(pins.map(coreOf)).size).toBe(workers);
    }
  }
  for (const groups of [l3Groups, nodes]) {
    const all = (groups ?? []).flatMap(({ cpus }) => cpus);
    expect(new Set(all).size).toBe(all.length);
  }
}

describe("cria cpu --simulate", () => {
  it.each(Object.keys(machines))("%s", async (name) => {
    await withMachine(machines[name]!(), async (root) => {
      const report = await cpuReport({ root }, kernels);
      const lines = cpuLines(report).filter((line) => !line.startsWith("kernels"));
      for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(140);
      expected(`${name}.txt`, `${lines.join("\n")}\n`);
      await checkPins(report.topology);
      const planned = await plan(demoModel, { root, kernels: "simd", contextSize: 512, sequences: 8, predict: false });
      expected(`${name}.plan.txt`, `${planLines(planned, undefined).join("\n")}\n`);
    });
  });
});

describe("runs of processors", () => {
  it.each<[readonly number[], string]>([
    [[], ""],
    [[5], "5"],
    [[0, 1], "0-1"],
    [[0, 2], "0,2"],
    [[0, 2, 4, 6, 1, 3, 5], "0-6:2,1-5:2"],
    [[3, 2, 1], "3,2,1"],
    [[0, 1, 2, 8, 12, 13], "0-2,8,12-13"],
  ])("%j is %s", (cpus, text) => {
    expect(formatCpuRuns(cpus)).toBe(text);
  });

  it("name the same processors", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), (cpus) => {
        expect(parseCpuList(formatCpuRuns(cpus))).toEqual([...cpus].sort((a, b) => a - b));
      }),
    );
  });

  it("a list for --pin may have steps", async () => {
    await withMachine(machines["wsl"]!(), async (root) => {
      const topology = await cpuTopology({ root });
      const { pin } = await planWorkers({ pin: "1-7:2" }, topology);
      expect(pin?.pins?.flat()).toEqual([1, 3, 5, 7]);
      await expect(planWorkers({ pin: "1-255:2" }, topology)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    });
  });
});
