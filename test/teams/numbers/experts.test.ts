// Mixtures of experts: a row's logits are the same to the last bit whatever lies beside it in a step, on any number of threads, in any chunks
// and shards. What cannot be run is refused by name.

import { isDeepStrictEqual } from "node:util";
import { type LoadOptions, loadModel, type Model } from "cria";
import type { TensorTypeName } from "cria/gguf";
import { describe, expect, it } from "vitest";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import { randomIds } from "../../support/fixture-model.js";
import { fastestBuild, kernelBuilds, loadWith } from "../../support/kernel-builds.js";
import { loadInShards } from "../../support/shards.js";

const VOCAB = 512;
const common = {
  block_count: 3,
  embedding_length: 256,
  feed_forward_length: 256,
  "attention.key_length": 64,
  "attention.value_length": 64,
  expert_count: 8,
  expert_used_count: 3,
  expert_feed_forward_length: 256,
};
/** Each with formats of its own, which encode activations in all the ways that there are. */
const models: Readonly<Record<string, ArchitectureShape>> = {
  "llama, K-quants": { architecture: "llama", keys: common, format: formatOf("Q6_K", "Q4_K") },
  "qwen3moe, Q8_0 and F16": { architecture: "qwen3moe", keys: common, format: formatOf("Q8_0", "F16") },
  "qwen2moe, Q4_0 and Q4_1": {
    architecture: "qwen2moe",
    keys: { ...common, expert_shared_feed_forward_length: 288 },
    format: formatOf("Q4_0", "Q4_1"),
    has: () => true,
  },
  "gpt-oss, MXFP4 and Q8_0": {
    architecture: "gpt-oss",
    keys: { ...common, "attention.sliding_window": 30 },
    format: formatOf("MXFP4", "Q8_0"),
    has: () => true,
  },
};

/** Routers in F32; experts' gates in one format, everything else in the other. */
function formatOf(gates: TensorTypeName, others: TensorTypeName): (name: string) => TensorTypeName {
  return (name) => (name.includes("ffn_gate_inp") ? "F32" : /ffn_(gate|up)_exps/.test(name) ? gates : others);
}

async function inChunks(model: Model, ids: readonly number[], size: number): Promise<Float32Array> {
  const sequence = model.createSequence();
  const logits = new Float32Array(ids.length * VOCAB);
  for (let first = 0; first < ids.length; first += size) {
    const chunk = ids.slice(first, first + size);
    logits.set(await sequence.evaluate(chunk, { logits: "all" }), first * VOCAB);
  }
  sequence.dispose();
  return logits;
}

describe("bits", () => {
  const ids = randomIds(70, VOCAB, 1);

  async function expectSame(model: Model, expected: Float32Array): Promise<void> {
    for (const size of [70, 1, 5]) expect(isDeepStrictEqual(await inChunks(model, ids, size), expected)).toBe(true);
    // Beside others: their tokens are in the same steps, and choose the same experts.
    const [together] = await Promise.all([
      inChunks(model, ids, 33),
      ...[2, 3].map((seed) => model.complete(randomIds(9, VOCAB, seed), { maxTokens: 20, temperature: 0 })),
    ]);
    expect(isDeepStrictEqual(together, expected)).toBe(true);
  }

  it.each(Object.keys(models))("%s", async (name) => {
    const file = await architectureModel(models[name]!);
    const options: LoadOptions = { contextSize: 128, sequences: 4 };
    const alone = await loadWith(fastestBuild, file, { ...options, threads: 1 });
    const expected = await inChunks(alone, ids, 70);
    expect(expected.every(Number.isFinite)).toBe(true);
    await expectSame(alone, expected);
    await alone.dispose();
    for (const threads of [2, 3]) {
      const model = await loadWith(fastestBuild, file, { ...options, threads });
      await expectSame(model, expected);
      await model.dispose();
    }
    const sharded = await loadInShards(3, file, { ...options, threads: 2 });
    expect(sharded.info.memory.shards.length).toBe(3);
    await expectSame(sharded, expected);
    await sharded.dispose();
  });

  it.each(kernelBuilds.slice(0, -1))("kernels %s: MXFP4", async (build) => {
    const file = await architectureModel(models["gpt-oss, MXFP4 and Q8_0"]!);
    const model = await loadWith(build, file, { contextSize: 128, sequences: 4, threads: 3 });
    await expectSame(model, await inChunks(model, ids, 70));
    await model.dispose();
  });
});

describe("refused by name", () => {
  const load = async (keys: ArchitectureShape["keys"], architecture = "qwen3moe") =>
    loadModel(await architectureModel({ architecture, keys: { ...common, ...keys } }));

  it.each([
    [{ expert_gating_func: 2 }, /function 2 \(expert_gating_func\); supported: 1 and 3, softmax/],
    [{ expert_weights_scale: 2.5 }, /multiplied by 2.5 \(expert_weights_scale\); supported: 1/],
    [{ expert_group_count: 2 }, /in 2 groups \(expert_group_count\); supported: 1 group/],
    [{ expert_feed_forward_length: 44 }, /experts of width 44 on 256 elements; supported: multiples of 8/],
  ])("%j", async (keys, message) => {
    await expect(load(keys)).rejects.toMatchObject({
      code: "UNSUPPORTED_ARCHITECTURE",
      message: expect.stringMatching(message),
    });
  });

  it.each([
    [{ expert_count: 0 }, "qwen3moe", /0 is not an integer in 1 .. 4096 \("qwen3moe.expert_count"\)/],
    [{ expert_used_count: 9 }, "llama", /9 is not an integer in 1 .. 8 \("llama.expert_used_count"\)/],
    [{}, "gpt-oss", /the file does not have this key \("gpt-oss.attention.sliding_window"\)/],
    [{}, "qwen2moe", /the file does not have this key \("qwen2moe.expert_shared_feed_forward_length"\)/],
  ])("%j of %s", async (keys, architecture, message) => {
    await expect(load(keys, architecture)).rejects.toMatchObject({ message: expect.stringMatching(message) });
  });

  it("experts of an architecture that has none", async () => {
    await expect(load({}, "qwen3")).rejects.toThrow(
      /a mixture of 8 experts \(qwen3.expert_count\); supported: dense models/,
    );
  });

  it("a tensor that does not have all experts", async () => {
    const file = await architectureModel({ architecture: "qwen3moe", keys: common });
    const key = Buffer.from("qwen3moe.expert_count");
    const at = Buffer.from(file.buffer).indexOf(key) + key.length + 4;
    new DataView(file.buffer).setUint32(at, 7, true);
    await expect(loadModel(file)).rejects.toMatchObject({
      code: "GGUF_TENSOR_SHAPE",
      message: expect.stringMatching(/expected \(256, 7\)|expected \(256, 256, 7\)/),
    });
  });
});
