// How many workers compute: teams of any size, and steps of any part of them, compute the same; the rest of the workers sleep.

import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type LoadOptions, loadModel } from "cria";
import { afterEach, describe, expect, it } from "vitest";
import { planWorkers } from "../../../dist/api/load/worker-plan.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));

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

  it("reports how many workers it has, and why", async () => {
    process.env["CRIA_THREADS"] = "1";
    const info = await withModel({}, (model) => model.info);
    expect(info).toMatchObject({ threads: 1, threadsBatch: 1, threadsReason: "1 thread: CRIA_THREADS" });
    const asked = await withModel({ threads: 1, threadsBatch: 2 }, (model) => model.info);
    expect(asked).toMatchObject({ threads: 1, threadsBatch: 2 });
  });

  it("decodes a tiny model with one worker, unless it is asked for more", async () => {
    delete process.env["CRIA_THREADS"];
    const info = await withModel({}, (model) => model.info);
    expect(info).toMatchObject({ threads: 1, threadsBatch: (await planWorkers({})).threads });
    if (info.threadsBatch > 1)
      expect(info.threadsReason).toMatch(/; a token reads 1\.\d MB of weights, too little for more; /);
    expect(await withModel({ threads: 2 }, (model) => model.info)).toMatchObject({ threads: 2, threadsBatch: 2 });
  });

  it("refuses a CRIA_THREADS that is not a number, before it reads the weights", async () => {
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
    [undefined, undefined],
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
