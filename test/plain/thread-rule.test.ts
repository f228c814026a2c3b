// How many workers compute: the rule, on many machines. test/teams has a threads.test.ts with real workers.

import { describe, expect, it } from "vitest";
import { planWorkers } from "../../dist/api/load/worker-plan.js";
import { chooseThreads, type ThreadRequest } from "../../dist/machine/cpu/threads.js";
import { type CpuTopology, cpuTopology } from "../../dist/machine/cpu/topology.js";
import { allowed, cgroup1, cgroup2, epyc, laptop, type MachineFiles, withMachine } from "../support/cpu-machines.js";

const choose = (files: MachineFiles, request: Partial<ThreadRequest> = {}) =>
  withMachine(files, async (root) =>
    chooseThreads(await cpuTopology({ root }), {
      threads: undefined,
      threadsBatch: undefined,
      environment: undefined,
      ...request,
    }),
  );

describe("the rule", () => {
  it.each<[string, MachineFiles, string]>([
    ["a laptop of 4 cores with 2 threads each", laptop, "4 threads: 4 physical cores; quota none; affinity 8"],
    ["two sockets", epyc, "32 threads: 32 physical cores; quota none; affinity 64"],
    [
      "both threads of one core, and one of another",
      { ...laptop, ...allowed("0,4-5") },
      "2 threads: 2 physical cores; quota none; affinity 3",
    ],
    [
      "a quota of 1.5, of which one worker would leave a third",
      { ...laptop, ...cgroup1("150000", "100000", "own") },
      "2 threads: 4 physical cores; quota 1.5; affinity 8; the quota stops more than 1.5",
    ],
    [
      "a quota of 1.1, of which one worker leaves little",
      { ...laptop, ...cgroup1("110000", "100000", "own") },
      "1 thread: 4 physical cores; quota 1.1; affinity 8",
    ],
    [
      "7.65 of 64 processors",
      { ...epyc, ...cgroup2(["-", "max 100000", "765000 100000", "max 100000"]) },
      "7 threads: 32 physical cores; quota 7.65; affinity 64",
    ],
    [
      "a quota of less than one",
      { ...laptop, ...cgroup2(["-", "50000 100000"]) },
      "1 thread: 4 physical cores; quota 0.5; affinity 8",
    ],
    [
      "a group's set of processors",
      { ...laptop, ...cgroup2(["-", "max 100000"], "2,6") },
      "1 thread: 1 physical core; quota none; affinity 2",
    ],
    [
      "cores that are not known",
      { "/sys/devices/system/cpu/online": "0-2", ...allowed("0-2") },
      "3 threads: physical cores unknown; quota none; affinity 3",
    ],
  ])("%s", async (_, files, reason) => {
    const choice = await choose(files);
    expect(choice.reason).toBe(reason);
    expect(choice.threads).toBe(Number.parseInt(reason, 10));
    expect(choice.threadsBatch).toBe(choice.threads);
  });

  it("a machine of 512 cores gets the largest team", async () => {
    const topology = await withMachine(laptop, (root) => cpuTopology({ root }));
    const cpus = Array.from({ length: 512 }, (_, cpu) => cpu);
    const cores = cpus.map((cpu) => ({ cpus: [cpu], socket: 0, kind: undefined }));
    const request = { threads: undefined, threadsBatch: undefined, environment: undefined };
    expect(chooseThreads({ ...topology, allowed: cpus, cores }, request).threads).toBe(256);
  });

  it("the option outranks CRIA_THREADS, which outranks the rule", async () => {
    expect((await choose(laptop, { threads: 3, environment: "2" })).reason).toBe("3 threads: as asked");
    expect((await choose(laptop, { environment: "2" })).reason).toBe("2 threads: CRIA_THREADS");
    expect((await choose(laptop, { environment: "" })).threads).toBe(4);
  });

  it.each(["0", "-1", "1.5", "two", "257", "1e2"])("CRIA_THREADS=%s is refused", async (environment) => {
    await expect(choose(laptop, { environment })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: `CRIA_THREADS must be an integer in 1 .. 256; it is "${environment}"`,
    });
  });

  it("few processors take 64 workers in turns at most, many as many as there are", async () => {
    const topology = await withMachine(laptop, (root) => cpuTopology({ root }));
    const on = (cpus: number): CpuTopology => ({ ...topology, allowed: Array.from({ length: cpus }, (_, cpu) => cpu) });
    expect((await planWorkers({ threads: 64, threadsBatch: 64 }, on(2))).workers).toBe(64);
    expect((await planWorkers({ threads: 100 }, on(100))).workers).toBe(100);
    expect((await planWorkers({ threads: 256 }, { ...on(2), source: "navigator" })).workers).toBe(256);
    for (const [name, threads, cpus, most] of [
      ["threads", 65, 2, 64],
      ["threadsBatch", 128, 2, 64],
      ["threads", 256, 100, 100],
      ["threads", 257, 512, 256],
    ] as const) {
      await expect(planWorkers({ [name]: threads }, on(cpus))).rejects.toMatchObject({
        code: "INVALID_OPTION",
        message: `${name} must be an integer in 1 .. ${most}; it is ${threads}`,
      });
    }
    process.env["CRIA_THREADS"] = "128";
    try {
      await expect(planWorkers({}, on(2))).rejects.toMatchObject({
        code: "INVALID_OPTION",
        message: 'CRIA_THREADS must be an integer in 1 .. 64; it is "128"',
      });
      expect((await planWorkers({ threads: 2 }, on(2))).workers).toBe(2);
    } finally {
      delete process.env["CRIA_THREADS"];
    }
  });

  it("prefill may have more workers, or fewer", async () => {
    expect(await choose(laptop, { threadsBatch: 8 })).toEqual({
      threads: 4,
      threadsBatch: 8,
      decodeWorkers: 4,
      batchRows: 2,
      reason: "4 threads: 4 physical cores; quota none; affinity 8; 8 for prefill, as asked",
    });
    expect((await choose(laptop, { threadsBatch: 1 })).threadsBatch).toBe(1);
  });

  it.each([
    [144e6, 4, 2, "4 threads: 4 physical cores; quota none; affinity 8"],
    [16 * 2 ** 20, 4, 2, "4 threads: 4 physical cores; quota none; affinity 8"],
    [12e6, 2, 2, /^2 threads: .*; affinity 8; a token reads 12.0 MB of weights, too little for more; 4 for prefill$/],
    [1.8e6, 1, 5, /^1 thread: .*; affinity 8; a token reads 1.8 MB of weights, too little for more; 4 for prefill$/],
  ])("a token that reads %d bytes of weights has %d workers, and all from %d rows on", async (...expected) => {
    const [tokenBytes, threads, batchRows, reason] = expected;
    const choice = await choose(laptop, { tokenBytes });
    expect(choice).toMatchObject({ threads, decodeWorkers: threads, threadsBatch: 4, batchRows });
    expect(choice.reason).toMatch(reason);
    // Whoever asks for workers gets them.
    const asked = await choose(laptop, { tokenBytes, threads: 4 });
    expect(asked).toMatchObject({ threads: 4, threadsBatch: 4, batchRows: 2, reason: "4 threads: as asked" });
    const set = await choose(laptop, { tokenBytes, environment: "3" });
    expect(set).toMatchObject({ threads: 3, threadsBatch: 3, batchRows: 2, reason: "3 threads: CRIA_THREADS" });
  });

  it("says when workers are more than can run", async () => {
    const crowded = await choose({ ...laptop, ...allowed("0-1") }, { threads: 4 });
    expect(crowded).toMatchObject({ threads: 4, threadsBatch: 4, decodeWorkers: 2 });
    expect(crowded.reason).toBe("4 threads: as asked; decode uses 2, one for each CPU");
    const container = { ...laptop, ...cgroup1("150000", "100000", "own") };
    const stopped = await choose(container, { threads: 2 });
    expect(stopped).toMatchObject({ threads: 2, decodeWorkers: 2 });
    expect(stopped.reason).toBe("2 threads: as asked; the quota stops more than 1.5");
  });
});
