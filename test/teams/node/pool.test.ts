// A pool: one model in several instances. Calls are shared out, and give what they give in one model; an instance that is lost takes
// nothing with it but what had begun.

import type { Worker } from "node:worker_threads";
import { demoModel, loadModel, loadPool, type Model, type ModelPool, WorkerError } from "cria";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const instances = 2;
const options = { threads: 1, contextSize: 1024, sequences: 2 };
const greedy = { temperature: 0, maxTokens: 40 };
const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => 20 + ((from + 7 * i) % 400));

// The pool has more instances than some test machines have processors: there its tests are skipped, visibly.
const { cpuTopology } = await import("cria");
const enough = (await cpuTopology()).allowed.length >= instances;

let workers: Worker[] = [];
const remember = (worker: Worker) => void workers.push(worker);
let pool: ModelPool;
const model: Model = await loadModel(demoModel, options);
afterAll(() => model.dispose());
beforeEach(async () => {
  if (!enough) return;
  workers = [];
  process.on("worker", remember);
  pool = await loadPool(demoModel, { ...options, instances });
  process.off("worker", remember);
});
afterEach(() => pool?.dispose());

const taken = () => pool.stats().instances.map((one) => one.taken);

describe.skipIf(!enough)("a pool", { timeout: 60_000 }, () => {
  it("says what it is", () => {
    const { info } = model;
    expect(pool.info).toMatchObject({ architecture: info.architecture, contextSize: info.contextSize, threads: 1 });
    expect(pool.tokenizer.encode("a fox")).toEqual(model.tokenizer.encode("a fox"));
    const { instances: each, memory, calls } = pool.stats();
    expect(each).toMatchObject(new Array(instances).fill({ state: "ready", calls: 0, deaths: 0, threads: 1 }));
    expect([memory, calls]).toEqual([2 * pool.info.memory.total, 0]);
  });

  it.runIf(process.platform === "linux")("has teams on processors of their own", () => {
    const [a, b] = pool.stats().instances.map(({ processors }) => processors);
    expect(a!.filter((cpu) => b!.includes(cpu))).toEqual([]);
    const { pinning } = pool.info;
    if (pinning?.problem === undefined)
      expect(pinning!.workers.map((cpus) => cpus!.length)).toEqual([a!.length, b!.length].map(() => 1));
  });

  it("gives what one model gives, from both instances", async () => {
    const prompts = ["Once upon a time", "One day", "A fox", "The king"];
    const expected = await Promise.all(prompts.map((prompt) => model.complete(prompt, greedy)));
    const texts = await Promise.all(prompts.map((prompt) => pool.complete(prompt, greedy)));
    expect(texts.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    expect(taken()).toEqual([2, 2]);
  });

  it("embeds the texts of one call in both", async () => {
    const texts = Array.from({ length: 60 }, (_, i) => numbers(i, 5 + (i % 9)));
    const many = await pool.embed(texts, { pooling: "mean" });
    expect(many).toEqual(await model.embed(texts, { pooling: "mean" }));
    expect(taken()).toEqual([1, 1]);
    const tokens = await pool.embed(texts, { pooling: "none" });
    expect(tokens).toEqual(await model.embed(texts, { pooling: "none" }));
  });

  it("sends a text to the instance that holds its beginning", async () => {
    const [a, b] = [numbers(1, 200), numbers(2, 200)];
    for (const text of [a, b]) await pool.complete(text, greedy);
    expect(taken()).toEqual([1, 1]);
    for (const text of [b, b, a, b]) {
      const { usage } = await pool.complete([...text, 30, 31], greedy);
      expect(usage.cachedTokens).toBeGreaterThanOrEqual(192);
    }
    expect(taken().sort()).toEqual([2, 4]);
  });

  it("does not let one instance do all when all texts begin alike", async () => {
    const text = numbers(3, 100);
    await pool.complete(text, greedy);
    await Promise.all(
      Array.from({ length: 8 }, (_, i) => pool.complete([...text, 30 + i], { ...greedy, maxTokens: 60 })),
    );
    expect(Math.min(...taken())).toBeGreaterThanOrEqual(3);
  });

  it("has conversations and sequences that stay where they are", async () => {
    const sequences = [pool.createSequence(), pool.createSequence()];
    expect(pool.stats().instances.map((one) => one.sequences)).toEqual([1, 1]);
    const alone = model.createSequence();
    const logits = await alone.evaluate([5, 6, 7]);
    for (const sequence of sequences) expect(await sequence.evaluate([5, 6, 7])).toEqual(logits);
    const fork = sequences[0]!.fork();
    expect(await fork.evaluate([8])).toEqual(await alone.evaluate([8]));
    const saved = await sequences[1]!.save();
    const restored = await pool.restoreSequence(saved);
    expect(restored.position).toBe(3);
    for (const one of [...sequences, fork, restored]) one.dispose();
    expect(pool.stats().instances.map((one) => one.sequences)).toEqual([0, 0]);
    alone.dispose();
    const chat = pool.chat();
    expect(await chat.ask("What is 3 + 4?", greedy)).toMatchObject({
      text: (await model.chat().ask("What is 3 + 4?", greedy)).text,
    });
  });

  it("rejects what is under way when it is disposed of", async () => {
    const running = pool.complete("One day", { ...greedy, maxTokens: 900 });
    const failed = expect(running).rejects.toMatchObject({ code: "DISPOSED" });
    await pool.dispose();
    await failed;
    await expect(pool.complete("One day")).rejects.toMatchObject({ code: "DISPOSED" });
    expect(pool.stats().instances.map(({ state }) => state)).toEqual(["closed", "closed"]);
  });

  it("refuses options that a pool does not have, and instances without a processor", async () => {
    await expect(loadPool(demoModel, { pin: true } as object)).rejects.toThrow(/^loadPool has no option "pin"/);
    await expect(loadPool(demoModel, { instances: 10_000 })).rejects.toThrow(/^instances must be .*; it is 10000$/);
  });
});

describe.skipIf(!enough)("an instance that is lost", { timeout: 60_000 }, () => {
  /** Kills instance `i`: its one worker. */
  const kill = (i: number) => workers.filter(({ threadId }) => threadId > 0)[i]!.terminate();
  const ready = (deaths: number) =>
    vi.waitFor(() => {
      const all = pool.stats().instances;
      expect(all.map(({ state }) => state)).toEqual(["ready", "ready"]);
      expect(all.reduce((sum, one) => sum + one.deaths, 0)).toBe(deaths);
    }, 20_000);

  it("is loaded again; what had begun rejects, what had not moves", async () => {
    const expected = await model.complete("One day", greedy);
    const begun = pool.generate("One day", { ...greedy, maxTokens: 900 });
    await begun.next();
    const where = pool.stats().instances.findIndex(({ calls }) => calls === 1);
    await kill(where);
    await expect(
      (async () => {
        for await (const _ of begun);
      })(),
    ).rejects.toThrow(WorkerError);
    expect((await pool.complete("One day", greedy)).text).toBe(expected.text);
    await ready(1);
    expect(pool.stats().instances[where]).toMatchObject({ deaths: 1, problem: expect.stringMatching(/worker/) });
    const texts = await Promise.all([pool.complete("One day", greedy), pool.complete("One day", greedy)]);
    expect(texts.map(({ text }) => text)).toEqual([expected.text, expected.text]);
  });

  it("while it embeds: the call moves", async () => {
    const texts = Array.from({ length: 900 }, (_, i) => numbers(i, 40));
    const embedding = pool.embed(texts, { pooling: "mean" });
    await vi.waitFor(() => expect(pool.stats().calls).toBeGreaterThan(0), 5000);
    await kill(0);
    expect(await embedding).toEqual(await model.embed(texts, { pooling: "mean" }));
    expect(pool.stats().instances.reduce((sum, one) => sum + one.moved, 0)).toBeGreaterThan(0);
    await ready(1);
  });

  it("takes its sequences with it, and no others", async () => {
    const [a, b] = [pool.createSequence(), pool.createSequence()];
    await Promise.all([a.evaluate([5]), b.evaluate([5])]);
    await kill(0);
    await ready(1);
    const [lost, lives] = await Promise.allSettled([a.evaluate([6]), b.evaluate([6])]);
    expect(lives.status).toBe("fulfilled");
    expect(lost).toMatchObject({ status: "rejected", reason: { code: "WORKER_DIED" } });
    expect((lost as PromiseRejectedResult).reason.message).toMatch(/^the sequence was lost with its instance/);
    a.dispose();
    b.dispose();
    expect(pool.stats().instances.map(({ sequences }) => sequences)).toEqual([0, 0]);
  });

  it("with all the others: calls wait until one is loaded again", async () => {
    await Promise.all([kill(0), kill(1)]);
    await vi.waitFor(() => expect(pool.stats().instances.map(({ deaths }) => deaths)).toEqual([1, 1]), 5000);
    expect((await pool.complete("One day", greedy)).text).toBe((await model.complete("One day", greedy)).text);
  });
});
