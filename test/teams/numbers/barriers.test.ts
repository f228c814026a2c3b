// Operations own their barriers. Under CRIA_TEST_JITTER, where workers are late at random, all models give the bits that they give without
// it; and when any one barrier of an operation is taken out of the workers' code, a model does not.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import type { LoraOptions, Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import { randomIds } from "../../support/fixture-model.js";
import { loraAdapter } from "../../support/lora-adapter.js";
import { loadInShards } from "../../support/shards.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const assets = fileURLToPath(new URL("../../../dist/assets/", import.meta.url));
const folder = temporaryFolder();
const worker = readFileSync(`${assets}worker.js`, "utf8");

const BARRIER = "this.#member.barrier();";
/** Where the operations of src/model wait, as offsets in the workers' code, and the methods they stand in. */
const barriers = [...worker.matchAll(/^\/\/ dist\/model\/(\S+)\.js\n([\s\S]*?)(?=^\/\/ dist\/)/gm)].flatMap((section) =>
  [...section[0].matchAll(/^ {2}(#?\w+)\(.*\) \{\n([\s\S]*?)\n {2}\}$/gm)].flatMap((method) =>
    [...method[0].matchAll(new RegExp(BARRIER.replaceAll(/[.()]/g, "\\$&"), "g"))].map((barrier, i) => ({
      name: `${section[1]} ${method[1]} ${i}`,
      at: section.index + method.index + barrier.index,
    })),
  ),
);

/**
 * Which architecture shows that a barrier is needed, whether in one shard or in three, whether with a LoRA adapter, and whether deep in a
 * text.
 */
const shownBy: Readonly<Record<string, string>> = {
  "attention #attendWithinShared 0": "gemma-embedding",
  "attention #attend 0": "gemma3",
  "attention #attendDivided 0": "gemma3 deep",
  "attention #storeAll 0": "gemma3",
  "convolution convolveGated 0": "lfm2",
  "delta-net mix 0": "qwen35",
  "experts addProducts 0": "qwen3moe",
  "experts encode 0": "qwen3moe",
  "experts gather 0": "qwen3moe",
  "experts #multiply 0": "qwen3moe",
  "matmul encode 0": "gemma3",
  "matmul #lowRankSums 0": "llama with LoRA",
  "matmul #multiplyAll 0": "gemma3",
  "matmul multiplyGated 0": "gemma3",
  "matmul normaliseAndEncode 0": "gemma3",
  "pass #moveTo 0": "gemma3 in 3",
  "pass add 0": "gemma3",
  "pass embed 0": "gemma3",
  "pass normaliseRows 0": "olmo2",
  "pass output 0": "bert",
  "pass scale 0": "gemma4",
  "pass #settle 0": "bert",
};
const keysOf: Readonly<Record<string, ArchitectureShape["keys"]>> = {
  gemma3: { context_length: 320 },
  bert: { "attention.causal": false, "attention.head_count_kv": 4 },
  gemma4: {
    "attention.key_length_swa": 12,
    "attention.value_length_swa": 12,
    "attention.sliding_window": 9,
    "attention.sliding_window_pattern": [true, false, true, false],
    embedding_length_per_layer_input: 8,
  },
  lfm2: { "attention.head_count_kv": [0, 2, 0, 2], "shortconv.l_cache": 3 },
  qwen35: {
    "ssm.conv_kernel": 4,
    "ssm.state_size": 16,
    "ssm.group_count": 2,
    "ssm.time_step_rank": 4,
    "ssm.inner_size": 64,
  },
  qwen3moe: { expert_count: 6, expert_used_count: 3, expert_feed_forward_length: 48 },
};
const architectures = [...new Set(Object.values(shownBy))];
const files = new Map<string, Uint8Array<ArrayBuffer>>();
const loras = new Map<string, readonly LoraOptions[]>();
const expected = new Map<string, readonly unknown[]>();

/** What a model makes of prompts of several tiles and of the token after each, or of texts. A late worker has a chance in each step. */
async function* outcomes(architecture: string, path: string): AsyncGenerator<unknown, void, undefined> {
  const shards = architecture.endsWith("in 3") ? 3 : 1;
  const options = { threads: 3, assets: pathToFileURL(path), lora: loras.get(architecture) };
  const model: Model = await loadInShards(shards, files.get(architecture)!, options);
  try {
    if (!model.info.generates) {
      for (let i = 0; i < 20; i++) yield await model.embed([9, 5, 17].map((n, j) => randomIds(n, 512, 3 * i + j)));
      return;
    }
    const deep = architecture.endsWith("deep");
    for (let i = 0; i < 6; i++) {
      const sequence = model.createSequence();
      if (deep) yield await within(sequence.evaluate(randomIds(270, 512, i)));
      yield await within(sequence.evaluate(randomIds(40, 512, i), { logits: "all" }));
      yield await within(sequence.evaluate([i]));
      sequence.dispose();
    }
  } finally {
    await model.dispose();
  }
}

/** A team whose workers are not in the same place may wait for ever. */
function within<Result>(promise: Promise<Result>): Promise<Result | "never"> {
  const late = new Promise<"never">((resolve) => setTimeout(resolve, 2000, "never").unref());
  return Promise.race([promise.catch(() => "never" as const), late]);
}

async function all(results: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const list: unknown[] = [];
  for await (const one of results) list.push(one);
  return list;
}

/** Whether all outcomes are those of a team that is never late. */
async function isRight(architecture: string, path: string): Promise<boolean> {
  const right = expected.get(architecture)!;
  let i = 0;
  for await (const one of outcomes(architecture, path)) if (!isDeepStrictEqual(one, right[i++])) return false;
  return i === right.length;
}

beforeAll(async () => {
  for (const name of architectures) {
    const architecture = name.split(" ")[0]!;
    const has = (tensor: string) => tensor.endsWith("layer_output_scale.weight");
    const file = await architectureModel({ architecture, keys: keysOf[architecture] ?? {}, has });
    files.set(name, file);
    if (name.endsWith("with LoRA")) loras.set(name, [{ path: await loraAdapter(file, { rank: 8 }) }]);
    expected.set(name, await all(outcomes(name, assets)));
  }
  process.env["CRIA_TEST_JITTER"] = String(1 + Math.floor(Math.random() * 1e6));
});
afterAll(() => {
  delete process.env["CRIA_TEST_JITTER"];
});

it.each(architectures)("%s gives the same bits when workers are late", async (architecture) => {
  expect(await isRight(architecture, assets)).toBe(true);
});

describe("without one barrier", () => {
  it("of all that operations have, which are known here", () => {
    expect(barriers.map(({ name }) => name).sort()).toEqual(Object.keys(shownBy).sort());
  });

  it.each(barriers)("of $name, a model gives other bits", async ({ name, at }) => {
    const path = folder.path(`without-${at}/`);
    cpSync(assets, path, { recursive: true });
    writeFileSync(`${path}worker.js`, worker.slice(0, at) + worker.slice(at + BARRIER.length));
    expect(await isRight(shownBy[name]!, path)).toBe(false);
  });
});
