// Embeddings that stay in the file, of which a step reads the rows of its tokens: the bits of a model whose embedding is in memory, the
// reads that the cache saves, and what happens when the file changes or cannot be read.

import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GgufError, loadModel, type Model } from "cria";
import { openGguf } from "cria/gguf";
import { describe, expect, it } from "vitest";
import { architectureModel } from "../../support/architecture-model.js";
import { fixtureModel, randomIds } from "../../support/fixture-model.js";
import { loadInShards } from "../../support/shards.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const folder = temporaryFolder();
const VOCAB = 2048;
const DIM = 64;
const options = { threads: 2, contextSize: 192, sequences: 3 };

/** Loads a model all of whose embeddings of tokens stay in the file. */
async function byRow<Result>(load: () => Promise<Result>): Promise<Result> {
  process.env["CRIA_TABLE_BYTES"] = "0";
  try {
    return await load();
  } finally {
    delete process.env["CRIA_TABLE_BYTES"];
  }
}

const untied = () =>
  fixtureModel({
    ...{ dim: DIM, layers: 3, heads: 4, kvHeads: 2, headDim: 32, ffn: 96, vocab: VOCAB, tied: false },
    format: () => "Q8_0",
  });
/** (VOCAB, DIM) in Q8_0: blocks of 32 weights in 34 bytes. */
const TABLE_BYTES = (VOCAB * DIM * 34) / 32;

async function fileOf(bytes: Promise<Uint8Array>, name: string): Promise<string> {
  const path = folder.path(name);
  writeFileSync(path, await bytes);
  return path;
}

async function loadByRow(path: string): Promise<Model> {
  return byRow(() => loadModel(path, options));
}

/** All logits of a text in chunks, beside another text; and an answer. Of an encoder, vectors. */
async function outcomes(model: Model): Promise<unknown> {
  const { vocabularySize, generates } = model.info;
  const ids = randomIds(140, vocabularySize);
  if (!generates) return model.embed([ids.slice(0, 60), ids.slice(60, 75), ids.slice(0, 1)]);
  const sequence = model.createSequence();
  const first = await sequence.evaluate(ids.slice(0, 1), { logits: "all" });
  const [second, answer] = await Promise.all([
    sequence.evaluate(ids.slice(1), { logits: "all" }),
    model.complete([...ids.slice(0, 70), 5], { maxTokens: 6, temperature: 0 }),
  ]);
  sequence.dispose();
  return [first, second, answer.tokens];
}

describe("the bits of a model in memory", () => {
  it.each([
    ["a decoder with an output matrix", untied],
    ["an encoder of pairs", () => architectureModel({ architecture: "bert", keys: bertKeys, has: () => true })],
    ["gemma-embedding", () => architectureModel({ architecture: "gemma-embedding" })],
    ["gemma4, which has a table for its layers", () => architectureModel({ architecture: "gemma4", keys: gemma4Keys })],
  ])("%s", async (name, file) => {
    const path = await fileOf(file(), `${name}.gguf`);
    const whole = await loadModel(path, options);
    expect(whole.info.memory.inFile).toBe(0);
    const expected = await outcomes(whole);
    expect(whole.tableReads).toEqual({ rows: 0, fromFile: 0, milliseconds: 0 });
    await whole.dispose();
    for (const [threads, shards] of [
      [1, 1],
      [2, 1],
      [2, 3],
    ] as const) {
      const model = await byRow(() => loadInShards(shards, path, { ...options, threads }));
      expect(model.info.memory.inFile).toBeGreaterThan(0);
      expect(await outcomes(model)).toEqual(expected);
      expect(model.tableReads.rows).toBeGreaterThan(75);
      await model.dispose();
    }
  });

  const gemma4Keys = {
    block_count: 7,
    "attention.key_length_swa": 8,
    "attention.value_length_swa": 8,
    "attention.sliding_window": 9,
    "attention.sliding_window_pattern": [true, true, false, true, false, true, false],
    "attention.shared_kv_layers": 2,
    embedding_length_per_layer_input: 8,
  };
  const bertKeys = {
    "attention.causal": false,
    "attention.head_count_kv": 4,
    "attention.key_length": 12,
    "attention.value_length": 12,
  };

  it("a session saved by one and restored by the other", async () => {
    const path = await fileOf(untied(), "session.gguf");
    const whole = await loadModel(path, options);
    const sequence = whole.createSequence();
    const ids = randomIds(70, VOCAB);
    await sequence.evaluate(ids);
    const session = await sequence.save();
    const expected = await sequence.evaluate([1, 2]);
    await whole.dispose();
    const model = await loadByRow(path);
    const restored = await model.restoreSequence(session);
    expect(await restored.evaluate([1, 2])).toEqual(expected);
    await model.dispose();
  });

  it("another embedding is another model", async () => {
    const bytes = await untied();
    const one = await loadByRow(await fileOf(Promise.resolve(bytes), "first.gguf"));
    const sequence = one.createSequence();
    await sequence.evaluate(randomIds(70, VOCAB));
    const session = await sequence.save();
    await one.dispose();
    const gguf = await openGguf(bytes);
    const changed = bytes.slice();
    changed[gguf.tensor("token_embd.weight")!.offset + 5]! ^= 1; // in the first sample
    const second = await loadByRow(await fileOf(Promise.resolve(changed), "second.gguf"));
    await expect(second.restoreSequence(session)).rejects.toMatchObject({ code: "SESSION_MODEL_MISMATCH" });
    await second.dispose();
  });
});

describe("memory and reads", () => {
  it("memory has the rows of a step and a cache; the rest stays in the file", async () => {
    const path = await fileOf(untied(), "plan.gguf");
    const [whole, model] = [await loadModel(path, options), await loadByRow(path)];
    expect(model.info.memory.inFile).toBe(TABLE_BYTES);
    // The cache has room for all of so small an embedding: the rows of a step, 128, and the samples come on top.
    const more = model.info.memory.weights - whole.info.memory.weights;
    expect(more).toBe((128 * DIM * 34) / 32 + 16 * 1024);
    await whole.dispose();
    await model.dispose();
  });

  it("cria inspect says how many bytes stay in the file", async () => {
    const path = await fileOf(untied(), "inspected.gguf");
    const inspect = (bytes: string) => {
      const command = fileURLToPath(new URL("../../../dist/bin/main.js", import.meta.url));
      const env = { ...process.env, CRIA_TABLE_BYTES: bytes };
      return execFileSync(process.execPath, [command, "inspect", path], { encoding: "utf8", env });
    };
    expect(inspect("0")).toMatch(new RegExp(`embeddings that stay in the file +${TABLE_BYTES} bytes`));
    expect(inspect(`${TABLE_BYTES}`)).not.toContain("stay in the file");
  });

  it("a row is read once", async () => {
    const model = await loadByRow(await fileOf(untied(), "cached.gguf"));
    const sequence = model.createSequence();
    await sequence.evaluate([7, 8, 7, 9]);
    expect(model.tableReads).toMatchObject({ rows: 4, fromFile: 3 });
    await sequence.evaluate([9, 8, 10]);
    expect(model.tableReads).toMatchObject({ rows: 7, fromFile: 4 });
    expect(model.tableReads.milliseconds).toBeGreaterThan(0);
    await model.dispose();
  });

  it("bytes are copied as a whole", async () => {
    const model = await byRow(async () => loadModel(await untied(), options));
    expect(model.info.memory.inFile).toBe(0);
    await model.dispose();
  });

  it.runIf(process.platform === "linux")("dispose closes the file", async () => {
    const path = await fileOf(untied(), "closed.gguf");
    const model = await loadByRow(path);
    expect(openFiles(path)).toBe(1);
    await model.dispose();
    expect(openFiles(path)).toBe(0);
  });
});

/** How often this process has a file open. */
function openFiles(path: string): number {
  const names = readdirSync("/proc/self/fd").map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return ""; // the folder's own
    }
  });
  return names.filter((name) => name === path).length;
}

describe("a file that changes under the model", () => {
  it("fails the call, and nothing is lost", async () => {
    const path = await fileOf(untied(), "touched.gguf");
    const [before, after] = [new Date(1_600_000_000_000), new Date(1_600_000_001_000)];
    utimesSync(path, before, before);
    const model = await loadByRow(path);
    const sequence = model.createSequence();
    await sequence.evaluate([1, 2, 3]);
    utimesSync(path, after, after);
    const message = expect.stringMatching(/touched\.gguf was .* in use/);
    const failure = { constructor: GgufError, code: "GGUF_CHANGED", message };
    await expect(sequence.evaluate([4, 5])).rejects.toMatchObject(failure);
    await expect(model.embed([[6]])).rejects.toMatchObject({ code: "GGUF_CHANGED" });
    expect(sequence.position).toBe(3);
    utimesSync(path, before, before);
    const logits = await sequence.evaluate([4, 5]);
    const other = model.createSequence();
    expect(await other.evaluate([1, 2, 3, 4, 5])).toEqual(logits);
    await model.dispose();
  });

  it("that became shorter, too", async () => {
    const path = await fileOf(untied(), "shorter.gguf");
    const model = await loadByRow(path);
    truncateSync(path, 1000);
    const [one, two] = [model.createSequence(), model.createSequence()];
    const outcomes = await Promise.allSettled([one.evaluate([1, 2]), two.evaluate([3])]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: "GGUF_CHANGED" } });
    await model.dispose();
  });
});
