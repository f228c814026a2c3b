// A worker that traps or ends takes the model with it and nothing else: what is under way rejects with WorkerError, soon; the process
// lives; the model can be disposed of, and another loaded.
//
// Traps are real ones: `assets` points to a worker's entry of the test's own, which makes one worker believe that the residual stream
// lies beyond the end of the memory, and then runs the entry that ships.

import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import { loadModel, type Model, WorkerError } from "cria";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { endless, fixtureModel, randomIds } from "../../support/fixture-model.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const VOCAB = 512;
/** Calls must have rejected so long after the death. */
const SOON = 2000; // ms

const dist = new URL("../../../dist/", import.meta.url);
let file: Uint8Array<ArrayBuffer>;
const folder = temporaryFolder();
beforeAll(async () => {
  file = await fixtureModel({
    ...{ dim: 64, layers: 2, heads: 2, kvHeads: 1, ffn: 96, vocab: VOCAB },
    format: () => "Q8_0",
  });
  const assets = new URL("assets/", dist);
  for (const name of readdirSync(assets).filter((name) => name.endsWith(".wasm"))) {
    copyFileSync(new URL(name, assets), folder.path(name));
  }
});

/** Workers that Node has started in this process, in order. */
let workers: Worker[] = [];
const remember = (worker: Worker) => void workers.push(worker);
beforeEach(() => {
  workers = [];
  process.on("worker", remember);
});
afterEach(() => void process.off("worker", remember));

/** Loads the fixture with workers of which `victim` runs `sabotage` on its `blueprint` first. */
async function loadSabotaged(victim: number, sabotage: string): Promise<Model> {
  writeFileSync(
    folder.path("worker.js"),
    `import { workerData } from "node:worker_threads";
     const { membership, program: { blueprint } } = workerData;
     if (membership.index === ${victim}) { ${sabotage} }
     await import(${JSON.stringify(new URL("leader/worker.js", dist).href)});`,
  );
  return loadModel(file, { threads: 3, sequences: 4, assets: pathToFileURL(folder.path("/")) });
}

/** The address of the residual stream is right as often as it is looked up in `reads` times, then wild. */
const trapAfter = (reads: number) => `
  const right = blueprint.layout.buffers.x;
  let reads = 0;
  Object.defineProperty(blueprint.layout.buffers, "x", { get: () => (reads++ < ${reads} ? right : { ...right, address: 2 ** 31 }) });`;

/** What is said when the wild address is met: by a kernel, or by the leader, which looks at the rows of a finished step. */
const wild = (role: string) =>
  new RegExp(`^${role} of 3 workers died at op \\d+: .*(?:out of bounds|Invalid typed array length)`);

/** Calls that are done in a few steps, all of them in the first. */
function shortCalls(model: Model): Promise<unknown>[] {
  const sequence = model.createSequence();
  return [
    sequence.evaluate(randomIds(150, VOCAB), { logits: "all" }),
    sequence.evaluate(randomIds(20, VOCAB)),
    model.embed([randomIds(300, VOCAB), randomIds(3, VOCAB), randomIds(9, VOCAB)]),
  ];
}

/** Calls that take many steps, and more room than there is; they do not end before the worker does, however late that is. */
function longCalls(model: Model): Promise<unknown>[] {
  const options = { ...endless(model), maxTokens: 900 };
  const streamed = async () => {
    for await (const _ of model.generate(randomIds(5, VOCAB), options));
  };
  const completed = (seed: number) => model.complete(randomIds(50, VOCAB, seed), { ...options, seed });
  return [untilItFails(streamed), ...[1, 2, 3, 4, 5, 6].map((seed) => untilItFails(() => completed(seed)))];
}

async function untilItFails(call: () => Promise<unknown>): Promise<never> {
  for (;;) await call();
}

/** When a worker tells of its death, or ends. */
function deathOf(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return Promise.resolve();
  return new Promise((resolve) => {
    worker.once("exit", () => resolve());
    worker.on("message", (message: { readonly type?: string }) => message.type === "death" && resolve());
  });
}

async function expectWorkerErrors(victim: number, calls: readonly Promise<unknown>[], message: RegExp): Promise<void> {
  const late = deathOf(workers[victim]!).then(
    () => new Promise((resolve) => setTimeout(resolve, SOON, "late").unref()),
  );
  for (const outcome of await Promise.all(calls.map((call) => Promise.race([call.catch((e: unknown) => e), late])))) {
    expect(outcome).toBeInstanceOf(WorkerError);
    expect(outcome).toMatchObject({ code: "WORKER_DIED", message: expect.stringMatching(message) });
  }
}

/** What is left of a model: every call rejects, it can be disposed of, no worker stays; and another model works. */
async function expectOnlyTheModelIsLost(model: Model): Promise<void> {
  expect(() => model.createSequence()).toThrow(WorkerError);
  await expect(model.complete([1, 2, 3])).rejects.toBeInstanceOf(WorkerError);
  await expect(model.embed([[1, 2, 3]])).rejects.toBeInstanceOf(WorkerError);
  await model.dispose();
  expect(workers.every(({ threadId }) => threadId === -1)).toBe(true);
  const next = await loadModel(file, { threads: 2 });
  expect((await next.complete([1, 2, 3], { ...endless(next), maxTokens: 5 })).tokens.length).toBe(5);
  await next.dispose();
}

describe.each([
  [0, "the leader"],
  [1, "follower 1"],
  [2, "follower 2"],
])("worker %i, %s", (victim, role) => {
  // At once, and in the middle of the first step.
  it.each([0, 9])("traps after %i operations", async (reads) => {
    const model = await loadSabotaged(victim, trapAfter(reads));
    const calls = [...shortCalls(model), ...longCalls(model)];
    await expectWorkerErrors(victim, calls, wild(role));
    await expectOnlyTheModelIsLost(model);
  });

  it("traps after many steps, while some calls run and others wait", async () => {
    const model = await loadSabotaged(victim, trapAfter(400));
    const calls = longCalls(model);
    await expectWorkerErrors(victim, calls, wild(role));
    await expectOnlyTheModelIsLost(model);
  });

  it("throws while it loads", async () => {
    const sabotage = `blueprint.layout.weights.splice(0, 1, null);`;
    await expect(loadSabotaged(victim, sabotage)).rejects.toBeInstanceOf(WorkerError);
    expect(workers.every(({ threadId }) => threadId === -1)).toBe(true);
  });

  it("is terminated while it works", async () => {
    const model = await loadModel(file, { threads: 3, sequences: 4 });
    const calls = [...longCalls(model), ...shortCalls(model)];
    await new Promise((resolve) => setTimeout(resolve, 5));
    void workers[victim]!.terminate();
    await expectWorkerErrors(victim, calls, new RegExp(`^${role} of 3 workers died at op \\d+: it ended unexpectedly`));
    await expectOnlyTheModelIsLost(model);
  });

  it("is terminated while the model is idle", async () => {
    const model = await loadModel(file, { threads: 3 });
    await model.complete([1, 2, 3], { maxTokens: 5 });
    const sequence = model.createSequence();
    await workers[victim]!.terminate();
    await expectWorkerErrors(victim, [sequence.evaluate([1]), model.complete([1, 2, 3])], /ended unexpectedly/);
    sequence.dispose();
    await expectOnlyTheModelIsLost(model);
  });
});

it("a worker that sleeps through decoding is terminated while another decodes", async () => {
  const model = await loadModel(file, { threads: 1, threadsBatch: 3 });
  const call = untilItFails(() => model.complete([1, 2, 3], { ...endless(model), maxTokens: 1000 }));
  await new Promise((resolve) => setTimeout(resolve, 10));
  void workers[2]!.terminate();
  await expectWorkerErrors(2, [call], /^follower 2 of 3 workers died at op \d+: it ended unexpectedly/);
  await expectOnlyTheModelIsLost(model);
});
