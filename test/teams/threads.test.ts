// How many workers compute: the rule on many machines, and that teams of any size, and steps of any part of them, compute the same.

import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type LoadOptions, loadModel } from "cria";
import { afterEach, describe, expect, it } from "vitest";
import { chooseThreads, type ThreadRequest } from "../../dist/machine/cpu/threads.js";
import { cpuTopology } from "../../dist/machine/cpu/topology.js";
import { allowed, cgroup1, cgroup2, epyc, laptop, type MachineFiles, withMachine } from "../support/cpu-machines.js";

const demo = fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));

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
      "a quota of 1.5 is one worker's time",
      { ...laptop, ...cgroup1("150000", "100000", "own") },
      "1 thread: 4 physical cores; quota 1.5; affinity 8",
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

  it("the option counts before CRIA_THREADS, and that before the rule", async () => {
    expect((await choose(laptop, { threads: 3, environment: "2" })).reason).toBe("3 threads: as asked");
    expect((await choose(laptop, { environment: "2" })).reason).toBe("2 threads: CRIA_THREADS");
    expect((await choose(laptop, { environment: "" })).threads).toBe(4);
  });

  it.each(["0", "-1", "1.5", "two", "257", "1e2"])("CRIA_THREADS=%s is refused", async (environment) => {
    await expect(choose(laptop, { environment })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: `CRIA_THREADS is "${environment}"; it can be an integer in 1 .. 256`,
    });
  });

  it("prefill may have more workers, or fewer", async () => {
    expect(await choose(laptop, { threadsBatch: 8 })).toEqual({
      threads: 4,
      threadsBatch: 8,
      decodeWorkers: 4,
      reason: "4 threads: 4 physical cores; quota none; affinity 8; 8 for prefill, as asked",
    });
    expect((await choose(laptop, { threadsBatch: 1 })).threadsBatch).toBe(1);
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

describe("a model", () => {
  afterEach(() => {
    delete process.env["CRIA_THREADS"];
  });

  const withModel = async <Result>(
    options: LoadOptions,
    use: (model: Awaited<ReturnType<typeof loadModel>>) => Result,
  ) => {
    const model = await loadModel(demo, options);
    try {
      return await use(model);
    } finally {
      await model.dispose();
    }
  };

  it("tells how many workers it has, and why", async () => {
    process.env["CRIA_THREADS"] = "1";
    const info = await withModel({}, (model) => model.info);
    expect(info).toMatchObject({ threads: 1, threadsBatch: 1, threadsReason: "1 thread: CRIA_THREADS" });
    const asked = await withModel({ threads: 1, threadsBatch: 2 }, (model) => model.info);
    expect(asked).toMatchObject({ threads: 1, threadsBatch: 2 });
  });

  it("refuses a CRIA_THREADS that is no number, before it reads the weights", async () => {
    process.env["CRIA_THREADS"] = "many";
    await expect(loadModel(demo)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  it.each([0, 257, 1.5, Number.NaN])("refuses threadsBatch %s", async (threadsBatch) => {
    await expect(loadModel(demo, { threadsBatch })).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  // Prefill, decode, prefill again, decode; then a batch of four. Reserves must sleep through some steps and come back for others.
  const story = (options: LoadOptions) =>
    withModel({ ...options, contextSize: 512, sequences: 4 }, async (model) => {
      const results: Float32Array[] = [];
      const sequence = model.createSequence();
      const ids = [...model.tokenizer.encode("Once upon a time there was a baby llama who could count to ten.")];
      for (let round = 0; round < 3; round++) {
        results.push(await sequence.evaluate(ids, { logits: "all" }));
        for (const id of ids.slice(0, 4)) results.push(await sequence.evaluate([id]));
      }
      const forks = [sequence.fork(), sequence.fork(), sequence.fork(), sequence.fork()];
      results.push(...(await Promise.all(forks.map((fork, i) => fork.evaluate([ids[i]!])))));
      return results;
    });

  it.each([
    [1, 2],
    [2, 1],
    [1, 4],
    [3, 2],
    [2, 5],
  ])("%i workers for decode and %i for prefill: the same bits as one worker", async (threads, threadsBatch) => {
    const expected = await story({ threads: 1 });
    const got = await story({ threads, threadsBatch });
    expect(got).toHaveLength(expected.length);
    for (const [i, logits] of got.entries()) {
      expect(Buffer.from(logits.buffer).equals(Buffer.from(expected[i]!.buffer)), `result ${i}`).toBe(true);
    }
  });

  it("idle workers sleep", async () => {
    await withModel({ threads: 2, threadsBatch: 4 }, async (model) => {
      await model.complete("Once", { maxTokens: 4 });
      await setTimeout(50);
      const before = process.cpuUsage();
      await setTimeout(600);
      const { user, system } = process.cpuUsage(before);
      expect(user + system).toBeLessThan(150_000); // microseconds; one worker that spins takes 600,000
    });
  });

  it("ends at once while reserves sleep", async () => {
    const model = await loadModel(demo, { threads: 1, threadsBatch: 3 });
    await model.complete("Once", { maxTokens: 20 });
    const begin = performance.now();
    await model.dispose();
    expect(performance.now() - begin).toBeLessThan(2000);
  });
});
