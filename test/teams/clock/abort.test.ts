// Aborts: at any moment, of any call, with the signal's own reason. They leave nothing behind, and affect no other call.

import { getEventListeners } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Worker } from "node:worker_threads";
import { loadModel, type Model } from "cria";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { endless, fixtureModel, randomIds } from "../../support/fixture-model.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const VOCAB = 512;
const CONTEXT = 512;
const SEQUENCES = 2;
const reason = new Error("the user has changed their mind");

const folder = temporaryFolder();
const path = folder.path("model.gguf");
let model: Model;
beforeAll(async () => {
  const file = await fixtureModel({
    ...{ dim: 128, layers: 4, heads: 4, kvHeads: 2, ffn: 256, vocab: VOCAB },
    format: () => "Q8_0",
  });
  writeFileSync(path, file);
  model = await loadModel(path, { threads: 2, contextSize: CONTEXT, sequences: SEQUENCES });
});
afterAll(() => model.dispose());

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A signal that aborts, with `reason`, so many milliseconds from now. */
function abortIn(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), milliseconds);
  return controller.signal;
}

const fullLength = (seed: number) => {
  return model.complete(randomIds(3, VOCAB, seed), { ...endless(model), temperature: 0 });
};

/** Every page of the cache and more calls than there are abort flags can be had. */
async function expectNothingIsLost(): Promise<void> {
  const whole = await Promise.all(Array.from({ length: SEQUENCES }, (_, seed) => fullLength(seed)));
  for (const { tokens, finishReason } of whole) {
    expect(tokens.length).toBe(CONTEXT - 3);
    expect(finishReason).toBe("length");
  }
  await model.embed(Array.from({ length: 300 }, (_, i) => [i, 1, 2]));
}

describe("an abort before the call", () => {
  const signal = AbortSignal.abort(reason);

  it("rejects with the reason", async () => {
    const sequence = model.createSequence();
    await expect(loadModel(path, { signal })).rejects.toBe(reason);
    await expect(model.complete([1], { signal })).rejects.toBe(reason);
    await expect(model.generate([1], { signal }).next()).rejects.toBe(reason);
    await expect(model.embed([[1], [2]], { signal })).rejects.toBe(reason);
    await expect(sequence.evaluate([1], { signal })).rejects.toBe(reason);
    expect(sequence.position).toBe(0);
    sequence.dispose();
  });
});

describe("an abort while a model loads", () => {
  let workers: Worker[] = [];
  const remember = (worker: Worker) => void workers.push(worker);
  beforeEach(() => {
    workers = [];
    process.on("worker", remember);
  });
  afterEach(() => void process.off("worker", remember));

  const expectNoWorkers = () => expect(workers.every(({ threadId }) => threadId === -1)).toBe(true);

  it.each([0, 1, 2, 4, 8, 16, 32])("after %i ms", async (milliseconds) => {
    const loading = loadModel(path, { threads: 3, signal: abortIn(milliseconds) });
    const outcome = await loading.catch((error: unknown) => error);
    if (outcome !== reason) await (outcome as Model).dispose(); // it was faster
    expectNoWorkers();
  });

  it("from within onProgress", async () => {
    const controller = new AbortController();
    const onProgress = () => controller.abort(reason);
    await expect(loadModel(path, { threads: 3, signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(workers.length).toBe(3);
    expectNoWorkers();
  });
});

describe("an abort", () => {
  const ids = randomIds(400, VOCAB);

  it.each([0, 1, 2, 4, 8])("of a prompt, after %i ms, leaves the sequence as it was", async (milliseconds) => {
    const sequence = model.createSequence();
    const untouched = model.createSequence();
    const [first] = await Promise.all([sequence, untouched].map((one) => one.evaluate(ids.slice(0, 30))));
    expect(first!.length).toBe(VOCAB);
    const call = sequence.evaluate(ids, { logits: "all", signal: abortIn(milliseconds) });
    const outcome = await call.catch((error: unknown) => error);
    if (outcome === reason) expect(sequence.position).toBe(30);
    else sequence.truncate(30); // it was faster
    const next = randomIds(20, VOCAB, 2);
    expect(await sequence.evaluate(next)).toEqual(await untouched.evaluate(next));
    sequence.dispose();
    untouched.dispose();
  });

  it("of a stream ends it at once", async () => {
    const controller = new AbortController();
    let parts = 0;
    const stream = async () => {
      for await (const _ of model.generate([1, 2], { ...endless(model), signal: controller.signal })) {
        if (++parts === 5) controller.abort(reason);
      }
    };
    await expect(stream()).rejects.toBe(reason);
    expect(parts).toBe(5);
  });

  it("of one call does not affect the others", async () => {
    const alone = await fullLength(9);
    const beside = fullLength(9);
    for (let i = 0; i < 20; i++) {
      await expect(model.complete(ids.slice(0, 50), { ...endless(model), signal: abortIn(i % 5) })).rejects.toBe(
        reason,
      );
    }
    expect((await beside).tokens).toEqual(alone.tokens);
  });

  it("of texts to embed", async () => {
    const texts = Array.from({ length: 40 }, (_, i) => randomIds(200, VOCAB, i));
    await expect(model.embed(texts, { signal: abortIn(5) })).rejects.toBe(reason);
    await expectNothingIsLost();
  });

  it("of calls that wait for room, or for their turn", async () => {
    const controller = new AbortController();
    const running = Array.from({ length: SEQUENCES }, (_, seed) => fullLength(seed));
    const { signal } = controller;
    // More than there are abort flags: the last ones wait for one.
    const waiting = Array.from({ length: 300 }, () => model.complete(ids, { signal }));
    const last = model.complete(ids, { signal: abortIn(1) });
    await expect(last).rejects.toBe(reason);
    controller.abort(reason);
    for (const outcome of await Promise.allSettled(waiting)) expect(outcome).toEqual({ status: "rejected", reason });
    for (const { tokens } of await Promise.all(running)) expect(tokens.length).toBe(CONTEXT - 3);
  });

  it("of many calls by one signal is not a leak to Node", async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => void warnings.push(warning);
    process.on("warning", listen);
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [
      ...Array.from({ length: 30 }, () => model.complete(ids, { signal })),
      model.embed(
        Array.from({ length: 30 }, () => ids),
        { signal },
      ),
    ];
    await wait(2);
    controller.abort(reason);
    for (const outcome of await Promise.allSettled(calls)) expect(outcome).toEqual({ status: "rejected", reason });
    await wait(0);
    process.off("warning", listen);
    expect(warnings).toEqual([]);
  });

  it("a hundred times, of all kinds of calls, loses nothing", async () => {
    for (let i = 0; i < 100; i++) {
      const sequence = model.createSequence();
      const signal = abortIn(i % 7);
      const calls = [
        model.complete(ids, { ...endless(model), signal }),
        sequence.evaluate(ids, { logits: "all", signal }),
        model.embed([ids, ids], { signal }),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        if (outcome.status === "rejected") expect(outcome.reason).toBe(reason);
      }
      sequence.dispose();
    }
    await expectNothingIsLost();
  });
});

it("leaving a loop early ends the generation, a hundred times", async () => {
  for (let i = 0; i < 100; i++) {
    for await (const part of model.generate(randomIds(30, VOCAB, i), endless(model))) {
      expect(part.done).toBeUndefined();
      if (i % 2 === 0 || part.tokens.length > 0) break;
    }
  }
  await expectNothingIsLost();
});

describe("a thousand aborts, of calls of all kinds at any moment,", () => {
  const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;

  /** Bytes of a heap snapshot: of the leader, whose memory cannot be read otherwise on Node 20. */
  async function snapshotBytes(worker: Worker): Promise<number> {
    let bytes = 0;
    for await (const chunk of await worker.getHeapSnapshot()) bytes += chunk.length;
    return bytes;
  }

  it("settle soon, and leave nothing behind", async () => {
    const workers: Worker[] = [];
    const remember = (worker: Worker) => void workers.push(worker);
    process.on("worker", remember);
    const model = await loadModel(demo, { threads: 2, contextSize: 256, sequences: 2 });
    process.off("worker", remember);
    const ids = randomIds(200, 512);
    const endlessly = { ...endless(model), temperature: 1 };

    const calls: readonly ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => model.complete(ids, { ...endlessly, signal }), // prefill
      (signal) => model.complete([1, 2], { ...endlessly, signal, contextShift: { keep: 1 } }), // decode
      (signal) => model.completeChat([{ role: "user", content: "A story, please" }], { ...endlessly, signal }), // template
      (signal) => model.embed([ids, ids, ids], { signal }),
      async (signal) => {
        const sequence = model.createSequence();
        await sequence.evaluate(ids, { logits: "all", signal }).finally(() => sequence.dispose());
      },
      async (signal) => {
        const chat = model.chat();
        await chat.ask("Hello", { ...endlessly, signal }).finally(() => chat.dispose());
      },
    ];
    const latencies: number[] = [];
    const signals: AbortSignal[] = [];
    const abortAll = async (count: number) => {
      const lanes = Array.from({ length: 10 }, async (_, lane) => {
        for (let i = lane; i < count; i += 10) {
          const controller = new AbortController();
          const { signal } = controller;
          signals.push(signal);
          let begin = 0;
          setTimeout(
            () => {
              begin = performance.now();
              controller.abort(reason);
            },
            (i * 7) % 12,
          );
          const outcome = await calls[i % calls.length]!(signal).catch((error: unknown) => error);
          if (outcome === reason) latencies.push(performance.now() - begin);
        }
      });
      await Promise.all(lanes);
      const listeners = () => signals.flatMap((signal) => getEventListeners(signal, "abort"));
      await expect.poll(listeners, { timeout: 5000 }).toEqual([]);
      signals.length = 0;
    };
    await abortAll(120);
    collectGarbage();
    const before = { heap: process.memoryUsage().heapUsed, leader: await snapshotBytes(workers[0]!) };
    await abortAll(1000);
    collectGarbage();
    const after = { heap: process.memoryUsage().heapUsed, leader: await snapshotBytes(workers[0]!) };
    expect(after.heap - before.heap).toBeLessThan(2 ** 20);
    expect(after.leader / before.leader).toBeLessThan(1.1);
    expect(latencies.length).toBeGreaterThan(800);
    latencies.sort((a, b) => a - b);
    expect(latencies[Math.floor(latencies.length / 2)]).toBeLessThan(200);

    // Every page, every page table, and every abort flag can be had.
    const whole = await Promise.all([1, 2].map((seed) => model.complete([seed], { ...endlessly, seed })));
    expect(whole.map(({ tokens }) => tokens.length)).toEqual([255, 255]);
    await Promise.all(Array.from({ length: 300 }, (_, i) => model.complete([i], { maxTokens: 1 })));
    await model.dispose();
  });
});
