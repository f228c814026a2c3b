// Hosts whose threads share no memory (pages that are not cross-origin isolated): one worker with a memory of its own says what a team
// says, bit by bit. Here the name SharedArrayBuffer is taken away from the caller's thread.

import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { demoModel, type LoadOptions, loadModel, loadPool, type Model } from "cria";
import { afterEach, expect, it, vi } from "vitest";
import { unsharedModule } from "../../../dist/machine/unshared-module.js";
import { kernelBuilds } from "../../support/kernel-builds.js";
import { loraAdapter } from "../../support/lora-adapter.js";
import { loadInShards } from "../../support/shards.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const folder = temporaryFolder();

afterEach(() => vi.unstubAllGlobals());

const alone = () => vi.stubGlobal("SharedArrayBuffer", undefined);

/** What a model says, in numbers. */
async function numbersOf(model: Model) {
  const sequence = model.createSequence();
  const logits = await sequence.evaluate(model.tokenizer.encode("The fox saw a bear, and the bear saw a llama."));
  sequence.dispose();
  const schema = { type: "object", properties: { age: { type: "integer" } }, required: ["age"] } as const;
  const [vector] = await model.embed(["A fox."]);
  return {
    logits,
    vector,
    chat: (await model.completeChat([{ role: "user", content: "What is 3 + 4?" }], { temperature: 0 })).text,
    json: (await model.completeJson("A fox: ", schema, { temperature: 0, maxTokens: 30 })).text,
    long: (await model.complete("a fox ".repeat(200), { temperature: 0, maxTokens: 3 })).text,
    longest: await model.embed(["a fox ".repeat(2000)], { overlong: "truncate" }),
  };
}

async function using<Result>(options: LoadOptions, use: (model: Model) => Promise<Result>): Promise<Result> {
  const model = await loadModel(demoModel, options);
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

it.each(kernelBuilds)("the %s build has the same bits", async (kernels) => {
  const team = await using({ threads: 2, kernels }, numbersOf);
  alone();
  const one = await using({ kernels }, async (model) => {
    expect(model.info).toMatchObject({
      ...{ threads: 1, threadsBatch: 1, kernels },
      threadsReason: "1 thread: the threads of this host share no memory",
    });
    return numbersOf(model);
  });
  expect(one).toEqual(team);
});

it("so has a model in shards, from memory, with an adapter", async () => {
  const bytes = new Uint8Array(await readFile(demoModel));
  const options = { lora: [{ path: await loraAdapter(bytes, { rank: 4 }) }] };
  const team = await using({ ...options, threads: 1 }, numbersOf);
  alone();
  const model = await loadInShards(3, bytes, options);
  expect(model.info.memory.shards).toHaveLength(3);
  expect(await numbersOf(model)).toEqual(team);
  await model.dispose();
});

it("sessions go from one to the other", async () => {
  const saved = await using({ threads: 2 }, async (model) => {
    const sequence = model.createSequence();
    await sequence.evaluate(model.tokenizer.encode("Once upon a time ".repeat(20)));
    return sequence.save();
  });
  alone();
  await using({}, async (model) => {
    const sequence = await model.restoreSequence(saved);
    expect(sequence.position).toBeGreaterThan(64);
    expect(await sequence.save()).toEqual(saved);
  });
});

it("calls can be aborted, paused and left; the others go on", async () => {
  alone();
  await using({ sequences: 3 }, async (model) => {
    const controller = new AbortController();
    const rest = model.complete("One day", { temperature: 0, maxTokens: 40 });
    const aborted = model.complete("Once upon a time", { maxTokens: 1000, signal: controller.signal });
    const vectors = model.embed(
      Array.from({ length: 50 }, (_, i) => `fox ${i} `.repeat(50)),
      { signal: controller.signal },
    );
    for await (const _ of model.generate("Then", { maxTokens: 1000 })) break;
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await expect(vectors).rejects.toThrow("enough");
    expect((await rest).usage.completionTokens).toBe(40);
    const again = await model.complete("One day", { temperature: 0, maxTokens: 40 });
    expect(again.text).toBe((await rest).text);
  });
});

it("progress, load and shares are told as from a team", async () => {
  alone();
  const fractions: number[] = [];
  await using({ onProgress: (fraction) => fractions.push(fraction) }, async (model) => {
    await model.complete("Once upon a time", { maxTokens: 600 });
    expect(model.ownedShare).toBe(1);
    await vi.waitFor(() => expect(model.load().stepsPerSecond).toBeGreaterThan(0), 3000);
  });
  expect(fractions.at(-1)).toBe(1);
  expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
});

it("more threads are refused; a pool has one for each instance", async () => {
  alone();
  await expect(loadModel(demoModel, { threads: 2 })).rejects.toMatchObject({
    code: "UNSUPPORTED_HOST",
    message: "threads is 2, but the threads of this host share no memory",
  });
  await expect(loadModel(demoModel, { threadsBatch: 0 })).rejects.toMatchObject({ code: "INVALID_OPTION" });
  vi.stubGlobal("crossOriginIsolated", false);
  await expect(loadModel(demoModel, { threadsBatch: 4 })).rejects.toMatchObject({
    code: "UNSUPPORTED_HOST",
    message: expect.stringMatching(/^threadsBatch is 4, but this page is not cross-origin isolated, .*require-corp$/),
  });
  const pool = await loadPool(demoModel, { instances: 2 });
  expect((await pool.complete("Hello", { maxTokens: 2 })).usage.completionTokens).toBe(2);
  await pool.dispose();
});

it("a worker that traps rejects its calls, and says where", async () => {
  const assets = new URL("../../../dist/assets/", import.meta.url);
  for (const name of readdirSync(assets).filter((name) => name.endsWith(".wasm"))) {
    copyFileSync(new URL(name, assets), folder.path(name));
  }
  // The address of the residual stream is right for a while, then wild.
  const program = `import { workerData } from "node:worker_threads";
    const { buffers } = workerData.program.blueprint.layout;
    const { x } = buffers;
    let reads = 0;
    Object.defineProperty(buffers, "x", { get: () => (reads++ < 30 ? x : { ...x, address: 2 ** 31 }) });
    await import(${JSON.stringify(new URL("../leader/worker.js", assets).href)});`;
  writeFileSync(folder.path("worker.js"), program);
  alone();
  const model = await loadModel(demoModel, { assets: pathToFileURL(folder.path("/")) });
  await expect(model.complete("Once upon a time", { maxTokens: 50 })).rejects.toMatchObject({
    code: "WORKER_DIED",
    message: expect.stringMatching(/^the leader of 1 workers died at op [1-9]/),
  });
  await model.dispose();
});

it("a worker that cannot have its memory says so", async () => {
  alone();
  const { startWorker } = await import("../../../dist/worker-handle.js");
  const [module, memories] = [new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)), [70_000]];
  const data = { membership: { module, index: 0, workers: 1 }, program: { memories } };
  const entry = new URL("../../../dist/assets/worker.js", import.meta.url);
  const said = new Promise((onMessage) => {
    void startWorker(entry, "alone", data, { onMessage, onError: onMessage, onExit: () => undefined });
  });
  expect(await said).toMatchObject({ type: "death", error: { code: "MEMORY_REFUSED" } });
});

it("what is not a module of kernels is not changed", () => {
  const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
  expect(() => unsharedModule(empty)).toThrow("do not begin with the import of a shared memory");
});
