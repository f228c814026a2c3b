// How the processors of other machines are divided among the instances of a pool.

import { cpuTopology } from "cria";
import { describe, expect, it } from "vitest";
import { instanceRequests } from "../../dist/api/pool/pool-options.js";
import { parseCpuList } from "../../dist/machine/cpu/cpu-list.js";
import { domainsOf } from "../../dist/machine/cpu/domains.js";
import { allowed, epyc, laptop, type MachineFiles, withMachine } from "../support/cpu-machines.js";

const read = (files: MachineFiles) => withMachine(files, (root) => cpuTopology({ root }));
const machines = { laptop: await read(laptop), epyc: await read(epyc), bare: await read(allowed("0-3")) };

const lists = (...all: string[]) => all.map((list) => parseCpuList(list)!);

describe("domains", () => {
  it.each<[string, keyof typeof machines, unknown, string[]]>([
    ["two halves, the threads of a core together", "laptop", 2, ["0-1,4-5", "2-3,6-7"]],
    ["three parts of four cores", "laptop", 3, ["0,4", "1,5", "2-3,6-7"]],
    [
      "more than there are cores: a processor each, neighbours first",
      "laptop",
      8,
      ["0", "4", "1", "5", "2", "6", "3", "7"],
    ],
    ["halves of two sockets", "epyc", 2, ["0-15,32-47", "16-31,48-63"]],
    ["one of all", "laptop", 1, ["0-7"]],
    ["cores that are not told", "bare", 2, ["0-1", "2-3"]],
    ["nodes that are not told: one", "bare", "auto", ["0-3"]],
  ])("%s", (_, name, domains, expected) => {
    expect(domainsOf(machines[name], domains)).toEqual(lists(...expected));
  });

  it("of L3 groups and nodes are the groups themselves", () => {
    const { l3Groups, nodes } = machines.epyc;
    const cpus = (groups: typeof l3Groups) => groups!.map((group) => [...group.cpus].sort((a, b) => a - b));
    expect(domainsOf(machines.epyc, "l3")).toEqual(cpus(l3Groups));
    expect(domainsOf(machines.epyc, "node")).toEqual(cpus(nodes));
    expect(domainsOf(machines.epyc, "auto")).toEqual(cpus(nodes));
  });

  it("have only processors that are allowed", () => {
    const some = { ...machines.epyc, allowed: parseCpuList("1-3,33-34,40")! };
    expect(domainsOf(some, "l3")).toEqual(lists("1,33", "2-3,34", "40"));
    expect(
      domainsOf(some, 2)
        .flat()
        .sort((a, b) => a - b),
    ).toEqual(some.allowed);
  });

  it.each<[keyof typeof machines, unknown, RegExp]>([
    ["laptop", 0, /^instances must be "l3", "node", "auto", or an integer in 1 \.\. 8, the processors .*; it is 0$/],
    ["laptop", 9, /an integer in 1 \.\. 8, .*; it is 9$/],
    ["laptop", 1.5, /it is 1.5$/],
    ["laptop", "all", /it is "all"$/],
    ["bare", "l3", /^instances must be a number, because this machine does not tell its L3 groups; it is "l3"$/],
    ["bare", "node", /does not tell its NUMA nodes; it is "node"$/],
  ])("on %s, %j is refused", (name, domains, message) => {
    expect(() => domainsOf(machines[name], domains)).toThrow(message);
  });
});

describe("the options of an instance", () => {
  const optionsOf = async (name: keyof typeof machines, given: object, more: object = {}) =>
    (await instanceRequests(given, { ...machines[name], ...more })).map(({ options }) => options);

  it("pin it to its domain", async () => {
    expect(await optionsOf("laptop", { instances: 2, contextSize: 64 })).toEqual([
      { contextSize: 64, pin: "0-1,4-5" },
      { contextSize: 64, pin: "2-3,6-7" },
    ]);
  });

  it("do not pin one on the whole machine", async () => {
    expect(await optionsOf("laptop", { instances: 1 })).toEqual([{}]);
  });

  it("share out a quota, unless threads are asked for", async () => {
    const quota = { quota: { cpus: 4.5, folder: "/a", version: 2 } };
    expect(await optionsOf("laptop", { instances: 2 }, quota)).toMatchObject([{ threads: 2 }, { threads: 2 }]);
    expect(await optionsOf("laptop", { instances: 8 }, quota)).toMatchObject(new Array(8).fill({ threads: 1 }));
    expect(await optionsOf("laptop", { instances: 2, threads: 3 }, quota)).toMatchObject([
      { threads: 3 },
      { threads: 3 },
    ]);
  });

  it("divide the processors where nobody can be pinned", async () => {
    const elsewhere = { source: "os" };
    expect(await optionsOf("laptop", { instances: 4 }, elsewhere)).toEqual(new Array(4).fill({ threads: 2 }));
    await expect(optionsOf("epyc", { instances: "l3" }, elsewhere)).rejects.toThrow(/^instances is set, but/);
  });
});
