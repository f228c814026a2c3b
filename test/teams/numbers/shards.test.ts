// A model in several shards gives the bits that it gives in one: all architectures, all types of cache, forks, truncation, what the cache
// shares, sessions, and what follows an abort. A worker that dies at a crossing takes the model with it and nothing else.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { type KvCacheType, type LoadSource, loadModel, MemoryError, type Model, WorkerError } from "cria";
import { describe, expect, it } from "vitest";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import { endless, fixtureModel, randomIds } from "../../support/fixture-model.js";
import { loadInShards } from "../../support/shards.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const untied = () =>
  fixtureModel({
    ...{ dim: 64, layers: 3, heads: 4, kvHeads: 2, headDim: 32, ffn: 96, vocab: 2048, tied: false },
    format: () => "Q8_0",
  });
/** Heads of two sizes, of which a q8_0 cache can have both; the last two layers read the keys of others, and lie with them. */
const gemma4 = {
  block_count: 7,
  "attention.key_length": 64,
  "attention.value_length": 64,
  "attention.key_length_swa": 32,
  "attention.value_length_swa": 32,
  "attention.sliding_window": 70,
  "attention.sliding_window_pattern": [true, true, false, true, false, true, false],
  "attention.shared_kv_layers": 2,
  embedding_length_per_layer_input: 8,
};
const folder = temporaryFolder();

/** All logits of a text in chunks; of what follows a cut, after a detour and in a fork; and a text that shares the first one's pages. */
async function outcomes(model: Model): Promise<unknown> {
  const { vocabularySize } = model.info;
  const ids = randomIds(140, vocabularySize, 1);
  if (!model.info.generates) return model.embed([ids.slice(0, 60), ids.slice(60, 75), ids.slice(0, 1)]);
  const sequence = model.createSequence();
  const parts = [];
  for (const [first, end] of [
    [0, 1],
    [1, 75],
    [75, 140],
  ]) {
    // biome-ignore format: a table
    parts.push(await sequence.evaluate(ids.slice(first, end), { logits: "all" }));
  }
  sequence.truncate(100);
  const fork = sequence.fork();
  parts.push(
    ...(await Promise.all([
      sequence.evaluate(randomIds(20, vocabularySize, 2), { logits: "all" }),
      fork.evaluate(ids.slice(100), { logits: "all" }),
      model.complete([...ids.slice(0, 70), 5], { maxTokens: 6, temperature: 0 }).then(({ tokens }) => tokens),
    ])),
  );
  for (const one of [sequence, fork]) one.dispose();
  return parts;
}

async function expectSame(source: LoadSource, kvCache: KvCacheType, counts: readonly number[]): Promise<void> {
  const options = { kvCache, threads: 2, contextSize: 192, sequences: 3 };
  const one = await loadModel(source, options);
  expect(one.info.memory.shards.length).toBe(1);
  const expected = await outcomes(one);
  await one.dispose();
  for (const count of counts) {
    const model = await loadInShards(count, source, options);
    const { shards, total } = model.info.memory;
    expect(shards.length).toBe(count);
    expect(shards.reduce((sum, shard) => sum + shard.total, 0)).toBe(total);
    expect(shards.reduce((sum, shard) => sum + shard.layers, 0)).toBe(model.info.layers);
    expect(isDeepStrictEqual(await outcomes(model), expected)).toBe(true);
    await model.dispose();
  }
}

describe("the bits of one shard", () => {
  it.each<[KvCacheType, number[]]>([
    ["f16", [2, 3, 5]],
    ["f32", [2, 3, 4]],
    ["q8_0", [2, 3, 5]],
  ])("a cache of type %s, in %j shards", async (kvCache, counts) => {
    await expectSame(await untied(), kvCache, counts);
  });

  it("the demo model, whose embedding is the output matrix too", async () => {
    await expectSame(demo, "f16", [2, 3, 5]);
  });

  const experts = { expert_count: 6, expert_used_count: 2, expert_feed_forward_length: 48 };
  it.each<[string, ArchitectureShape["keys"]]>([
    ["qwen2", {}],
    ["qwen3", {}],
    ["gemma3", {}],
    ["qwen2moe", { ...experts, expert_shared_feed_forward_length: 36 }],
    ["qwen3moe", experts],
    ["gpt-oss", { ...experts, "attention.sliding_window": 70 }],
    ["bert", { "attention.head_count_kv": 4, "attention.causal": false }],
    ["nomic-bert", { "attention.head_count_kv": 4 }],
    ["gemma-embedding", {}],
    ["gemma4", gemma4],
  ])("%s", async (architecture, keys) => {
    await expectSame(await architectureModel({ architecture, keys }), "f32", [2, 3]);
  });
});

it.each<[string, () => Promise<LoadSource>, KvCacheType, number[]]>([
  ["the demo model", async () => demo, "f16", [1, 2, 5]],
  ["gemma4", () => architectureModel({ architecture: "gemma4", keys: gemma4 }), "q8_0", [1, 2, 3]],
])("a session of %s from one number of shards goes on in another", async (_, source, kvCache, counts) => {
  const options = { threads: 2, contextSize: 192, kvCache };
  const file = await source();
  const models: Model[] = [];
  // One after another: the environment says how many.
  for (const count of counts) models.push(await loadInShards(count, file, options));
  expect(models.map(({ info }) => info.memory.shards.length)).toEqual(counts);
  const ids = randomIds(150, 512, 1);
  const next = randomIds(20, 512, 2);
  const expected = [];
  const sessions = [];
  for (const model of models) {
    const sequence = model.createSequence();
    await sequence.evaluate(ids);
    sessions.push(await sequence.save());
    expected.push(await sequence.evaluate(next, { logits: "all" }));
    sequence.dispose();
  }
  expect(isDeepStrictEqual(expected[1], expected[0])).toBe(true);
  expect(isDeepStrictEqual(sessions[1], sessions[0])).toBe(true);
  expect(isDeepStrictEqual(sessions[2], sessions[0])).toBe(true);
  for (const [i, model] of models.entries()) {
    const restored = await model.restoreSequence(sessions[(i + 1) % 3]!);
    expect(isDeepStrictEqual(await restored.evaluate(next, { logits: "all" }), expected[0])).toBe(true);
    await model.dispose();
  }
});

it("an abort leaves a sequence as it was, wherever the step is", async () => {
  const options = { threads: 2, contextSize: 192 };
  const [one, five] = [await loadModel(demo, options), await loadInShards(5, demo, options)];
  const ids = randomIds(150, 512, 1);
  const expected = await one.createSequence().evaluate(ids, { logits: "all" });
  const sequence = five.createSequence();
  for (let i = 0; i < 30; i++) {
    const controller = new AbortController();
    const evaluation = sequence.evaluate(ids, { signal: controller.signal }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, i / 6));
    controller.abort();
    if ((await evaluation) !== undefined) sequence.truncate(0);
    expect(sequence.position).toBe(0);
  }
  expect(await sequence.evaluate(ids, { logits: "all" })).toEqual(expected);
  await Promise.all([one.dispose(), five.dispose()]);
});

describe.each([0, 1])("worker %i dies at a crossing", (victim) => {
  const crossing = "this.#site = site;\n";
  it.each(["throw new Error('at a crossing')", "process.exit(3)"])("by %s", async (death) => {
    const assets = folder.path(`worker-${victim}/`);
    cpSync(fileURLToPath(new URL("../../../dist/assets/", import.meta.url)), assets, { recursive: true });
    const code = readFileSync(`${assets}worker.js`, "utf8");
    expect(code.split(crossing).length).toBe(2);
    const dies = `if (this.#member.index === ${victim} && (globalThis.crossings = (globalThis.crossings ?? 0) + 1) === 20) ${death};`;
    writeFileSync(`${assets}worker.js`, code.replace(crossing, `${crossing} ${dies}\n`));
    const model = await loadInShards(3, demo, { threads: 2, assets: pathToFileURL(assets) });
    const calls = [model.complete([1, 2, 3], { ...endless(model), maxTokens: 300 }), model.embed([[1, 2, 3]])];
    for (const outcome of await Promise.allSettled(calls)) {
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(WorkerError);
    }
    await expect(model.complete([1])).rejects.toMatchObject({ code: "WORKER_DIED" });
    await model.dispose();
  });
});

describe("what no memory holds", () => {
  const options = { threads: 2, contextSize: 192 };
  const loadWithin = async (mebibytes: number, more = {}) => {
    process.env["CRIA_SHARD_BYTES"] = String(mebibytes * 2 ** 20);
    try {
      return await loadModel(demo, { ...options, ...more });
    } finally {
      delete process.env["CRIA_SHARD_BYTES"];
    }
  };

  it.each<[string, number, object, RegExp]>([
    [
      "activations and scratch",
      1,
      {},
      /^tensor "token_embd.weight" takes [\d.]+ MiB; one WebAssembly memory holds 1.0 MiB/,
    ],
    [
      "a layer's cache",
      64,
      { sequences: 4096 },
      /^layer 0 takes [\d.]+ MiB: weights [\d.]+ MiB \+ KV cache [\d.]+ MiB/,
    ],
  ])("%s", async (_, mebibytes, more, message) => {
    const loading = loadWithin(mebibytes, more);
    await expect(loading).rejects.toBeInstanceOf(MemoryError);
    await expect(loading).rejects.toMatchObject({ code: "MEMORY_PLAN", message: expect.stringMatching(message) });
  });
});
