// The synthetic models of bench/: well-formed, of the right sizes and types, repeatable, with weights of a sane size.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel } from "cria";
import { openGguf } from "cria/gguf";
import { afterAll, describe, expect, it } from "vitest";
import { float16 } from "../../bench/synthetic/blocks.js";
import { writeLowerLayers } from "../../bench/synthetic/draft.js";
import { describeModel, writeSyntheticModel } from "../../bench/synthetic/model.js";
import { formats } from "../../bench/synthetic/shapes.js";
import { architectureOf, readModel } from "../../dist/model/architectures/table.js";
import { checkUnreadTensors } from "../../dist/model/plan/unread-tensors.js";

const folder = mkdtempSync(join(tmpdir(), "cria-synthetic-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a synthetic model", () => {
  it.each(formats)("of %s reads back", async (format) => {
    const path = join(folder, `${format}.gguf`);
    const size = await writeSyntheticModel({ shape: "micro", format, seed: 1 }, path);
    const gguf = await openGguf(path);
    expect(gguf.parts[0]!.size).toBe(size);
    const { metadata } = gguf;
    expect(metadata.getNumber("llama.block_count")).toBe(2);
    expect(metadata.getStrings("tokenizer.ggml.tokens")!.length).toBe(2048);
    expect(metadata.getStrings("tokenizer.ggml.tokens")!.at(metadata.getNumber("tokenizer.ggml.eos_token_id")!)).toBe(
      "<|eot_id|>",
    );
    expect(new Set(metadata.getStrings("tokenizer.ggml.tokens")).size).toBe(2048);
    expect(gguf.tensors.length).toBe(1 + 2 * 9 + 1);
    expect(gguf.tensor("token_embd.weight")).toMatchObject({
      shape: [256, 2048],
      type:
        format.startsWith("F") || format === "BF16" || format === "Q8_0"
          ? format
          : format === "MXFP4_MOE"
            ? "Q8_0"
            : "Q6_K",
    });
    expect(gguf.tensor("blk.1.attn_k.weight")!.shape).toEqual([256, 128]);
    expect(gguf.tensor("blk.1.ffn_down.weight")!.shape).toEqual([512, 256]);
    await gguf.close();
  });

  it("of a seed is always the same file, of another seed another", async () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => join(folder, name));
    await writeSyntheticModel({ shape: "micro", format: "Q4_K_M", seed: 5 }, a!);
    await writeSyntheticModel({ shape: "micro", format: "Q4_K_M", seed: 5 }, b!);
    await writeSyntheticModel({ shape: "micro", format: "Q4_K_M", seed: 6 }, c!);
    expect(Buffer.compare(readFileSync(a!), readFileSync(b!))).toBe(0);
    expect(Buffer.compare(readFileSync(a!), readFileSync(c!))).not.toBe(0);
  });

  it("whose upper layers say little writes what its lower layers write", async () => {
    const [path, draft] = [join(folder, "target.gguf"), join(folder, "draft.gguf")];
    const write = async (file: string) => {
      const model = await loadModel(file, { threads: 1 });
      const any = { temperature: 2, topK: 0, topP: 1, minP: 0, seed: 5, maxTokens: 12 };
      const { tokens } = await model.complete([1, 2], any);
      const { layers } = model.info;
      await model.dispose();
      return { layers, tokens };
    };
    for (const scale of [0.001, 1]) {
      await writeSyntheticModel({ shape: "micro", format: "Q8_0", seed: 1, upper: { first: 1, scale } }, path);
      await writeLowerLayers(path, 1, draft);
      const [whole, lower] = [await write(path), await write(draft)];
      expect([whole.layers, lower.layers]).toEqual([2, 1]);
      if (scale < 1) expect(lower.tokens).toEqual(whole.tokens);
      else expect(lower.tokens).not.toEqual(whole.tokens);
    }
  });

  it.each([
    ["gemma-2-2b", 1.71e9],
    ["phi-4-mini", 2.49e9],
  ] as const)(
    "in the shape of %s has what its architecture reads, and the size of the real one",
    async (shape, bytes) => {
      const writer = describeModel(shape, "Q4_K_M");
      expect(Math.abs(writer.size / bytes - 1)).toBeLessThan(0.02);
      const gguf = await openGguf(writer.header());
      const { hyperparameters } = readModel(gguf);
      const specs = architectureOf(hyperparameters.architecture).weights(hyperparameters, () => false);
      for (const { name, rows, columns } of specs) {
        const [first, second = 1] = gguf.tensor(name)!.shape;
        expect([name, first, second]).toEqual([name, columns, rows]);
      }
      checkUnreadTensors(gguf, specs, hyperparameters);
    },
  );

  it("in the shape of MiniLM embeds texts, whose words take a few tokens", async () => {
    const path = join(folder, "minilm.gguf");
    await writeSyntheticModel({ shape: "all-minilm-l6-v2", format: "Q8_0", seed: 1 }, path);
    const model = await loadModel(path, { threads: 1 });
    try {
      expect(model.info).toMatchObject({ architecture: "bert", layers: 6, dim: 384, vocabularySize: 30522 });
      const ids = model.tokenizer.encode("The quick brown fox jumps over the lazy dog.");
      expect([ids[0], ids.at(-1)]).toEqual([101, 102]);
      expect(ids).not.toContain(100); // [UNK]
      expect(ids.length).toBeLessThan(25);
      const [a, b] = await model.embed(["The quick brown fox", "A lazy dog"]);
      expect(a!.every(Number.isFinite)).toBe(true);
      expect(a!.reduce((sum, value, i) => sum + value * b![i]!, 0)).toBeLessThan(0.999);
    } finally {
      await model.dispose();
    }
  });

  it("has weights of mean 0 and deviation 0.02", async () => {
    const path = join(folder, "weights.gguf");
    await writeSyntheticModel({ shape: "micro", format: "F32", seed: 2 }, path);
    const gguf = await openGguf(path);
    const bytes = await gguf.readTensor(gguf.tensor("token_embd.weight")!);
    const weights = new Float32Array(bytes.buffer);
    const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length;
    const deviation = Math.sqrt(weights.reduce((sum, w) => sum + (w - mean) ** 2, 0) / weights.length);
    expect(Math.abs(mean)).toBeLessThan(1e-4);
    expect(deviation).toBeCloseTo(0.02, 3);
    await gguf.close();
  });
});

it.each([
  ["mixtral-small", "Q4_K_M", 24],
  ["qwen3-30b-a3b", "Q4_K_M", 48],
  ["gpt-oss-20b", "MXFP4_MOE", 24],
] as const)(
  "%s in %s: the tensors of its architecture, and the size of the real one",
  async (shape, format, layers) => {
    const writer = describeModel(shape, format);
    const bytes = { "mixtral-small": 0, "qwen3-30b-a3b": 18.6e9, "gpt-oss-20b": 12.1e9 }[shape];
    if (bytes > 0) expect(Math.abs(writer.size / bytes - 1)).toBeLessThan(0.02);
    const experts = writer.tensors.filter(({ name }) => name.includes("_exps.weight"));
    expect(experts.length).toBe(3 * layers);
    expect(new Set(experts.map(({ type }) => type))).toEqual(
      new Set(format === "MXFP4_MOE" ? ["MXFP4"] : ["Q4_K", "Q6_K"]),
    );
    expect(writer.tensors.find(({ name }) => name === "blk.0.ffn_gate_inp.weight")!.type).toBe("F32");
  },
);

it("gemma-4-e2b has the tensors that its architecture reads", async () => {
  const gguf = await openGguf(describeModel("gemma-4-e2b", "Q4_K_M").header());
  const { hyperparameters } = readModel(gguf);
  const specs = architectureOf("gemma4").weights(hyperparameters, (name) => gguf.tensor(name) !== undefined);
  expect(specs.map(({ name }) => name).sort()).toEqual(gguf.tensors.map(({ name }) => name).sort());
  expect(gguf.tensor("per_layer_token_embd.weight")).toMatchObject({ shape: [35 * 256, 262144], type: "Q4_K" });
  expect(hyperparameters.attention.filter(({ keysOf }) => keysOf !== undefined).length).toBe(20);
});

it("a mixture of experts loads and generates", async () => {
  const path = join(folder, "mixture.gguf");
  await writeSyntheticModel({ shape: "micro-experts", format: "Q8_0", seed: 1 }, path);
  const model = await loadModel(path, { threads: 1 });
  try {
    const { tokens } = await model.complete("a", { maxTokens: 4, temperature: 0 });
    expect(tokens.length).toBeGreaterThan(0);
  } finally {
    await model.dispose();
  }
});

it("every block of a matrix that is written in several slices has a scale", async () => {
  const path = join(folder, "slices.gguf");
  await writeSyntheticModel({ shape: "micro", format: "Q8_0", seed: 3 }, path);
  const gguf = await openGguf(path);
  const bytes = await gguf.readTensor(gguf.tensor("token_embd.weight")!);
  const rows = new Set<string>();
  for (let row = 0; row < 2048; row++) rows.add(Buffer.from(bytes.buffer, row * 8 * 34, 8 * 34).toString("latin1"));
  expect(rows.size).toBe(2048);
  const view = new DataView(bytes.buffer);
  const largest = 0.02 / 73; // at 128 levels to each side
  for (let at = 0; at < bytes.length; at += 34) {
    const scale = view.getUint16(at, true) & 0x7fff;
    expect(scale).toBeGreaterThan(float16(largest * 0.7));
    expect(scale).toBeLessThan(float16(largest * 1.3));
  }
  await gguf.close();
});

it("float16 rounds to the nearest", () => {
  expect(float16(1)).toBe(0x3c00);
  expect(float16(-2)).toBe(0xc000);
  expect(float16(2 ** -24)).toBe(1);
  expect(float16(2 ** -14)).toBe(0x0400);
  expect(float16(0.1)).toBe(0x2e66);
  expect(float16(0)).toBe(0);
});
