// What a file has and an architecture does not read: a weight or a key that changes what the model computes is refused by its name.

import { beforeAll, describe, expect, it } from "vitest";
import { planModel } from "../../dist/api/load/plan-model.js";
import { openGguf } from "../../dist/gguf/index.js";
import { compileKernels, type KernelModule } from "../../dist/machine/kernels.js";
import { architectureModel } from "../support/architecture-model.js";
import { fixtureModel } from "../support/fixture-model.js";

let kernels: KernelModule;
beforeAll(async () => {
  kernels = await compileKernels();
});

const shape = { dim: 64, layers: 2, heads: 4, kvHeads: 2, ffn: 64, vocab: 512, format: () => "F32" as const };
const vector = (columns: number) => ({ shape: [columns], values: new Float32Array(columns) });

async function planned(bytes: Uint8Array) {
  const gguf = await openGguf(bytes);
  return planModel(gguf, { threads: 1 }, kernels);
}

const encoders = ["jina-bert-v3", "modern-bert", "eurobert", "gemma-embedding"];

describe("weights that nothing reads", () => {
  it.each([
    "blk.0.ffn_up.bias",
    "blk.1.attn_q_norm.weight",
    "blk.0.attn_sub_norm.weight",
    "blk.0.ffn_gate.scale",
    "output.bias",
    "rope_factors_long.weight",
    "cls.norm.weight",
    "blk.2.attn_norm.weight",
    "anything",
  ])("%s", async (name) => {
    await expect(planned(await fixtureModel({ ...shape, tensors: { [name]: vector(64) } }))).rejects.toMatchObject({
      name: "UnsupportedError",
      code: "UNSUPPORTED_TENSORS",
      message: expect.stringContaining(name),
    });
  });

  it("a block_count that leaves layers out", async () => {
    const file = await fixtureModel({ ...shape, layers: 3, keys: { block_count: 2 } });
    await expect(planned(file)).rejects.toMatchObject({
      code: "UNSUPPORTED_TENSORS",
      message: expect.stringMatching(/9 of \d+ tensors .*block_count of 2 .*blk\.2\.attn_norm\.weight.* and 3 more/),
    });
  });

  it("frequencies of RoPE for an architecture without RoPE, or with two", async () => {
    for (const [architecture, keys] of [
      ["bert", {}],
      ["gemma3", { "attention.sliding_window": 8 }],
    ] as const) {
      const file = architectureModel({
        architecture,
        tensors: ["rope_freqs.weight"],
        keys,
      });
      await expect(file.then(planned)).rejects.toMatchObject({ message: expect.stringContaining("rope_freqs.weight") });
    }
  });

  it("what other files store besides their weights is left alone", async () => {
    const tensors = { "blk.0.attn_rot_embd.weight": vector(8), "blk.1.attn_rot_embd": vector(8) };
    const { warnings } = await planned(await fixtureModel({ ...shape, tensors, keys: { "rope.freq_base": 10000 } }));
    expect(warnings).toEqual([]);
  });
});

describe("keys that nothing reads", () => {
  const changing: readonly (readonly [string, number | string])[] = [
    ["logit_scale", 0.0625],
    ["residual_scale", 0.22],
    ["embedding_scale", 12],
    ["attn_logit_softcapping", 50],
    ["final_logit_softcapping", 30],
    ["attention.clamp_kqv", 8],
    ["attention.max_alibi_bias", 8],
    ["attention.scale", 0.5],
    ["attention.temperature_scale", 0.1],
    ["attention.sliding_window_pattern", 2],
    ["use_parallel_residual", 1],
    ["nextn_predict_layers", 1],
    ["hidden_activation", "relu"],
    ["embedding_length_out", 32],
    ["rope.scaling.yarn_ext_factor", 0.5],
    ["rope.scaling.attn_factor", 1.5],
    ["rope.dimension_sections", 16],
  ];

  it.each(changing)("%s = %s is refused", async (key, value) => {
    // A window, so that the pattern of windows has a meaning.
    const keys = { "attention.sliding_window": 8, [key]: value };
    await expect(planned(await fixtureModel({ ...shape, keys }))).rejects.toMatchObject({
      name: "UnsupportedError",
      code: "UNSUPPORTED_ARCHITECTURE",
      message: expect.stringContaining(`llama.${key}`),
    });
  });

  it("a window of an architecture without windows is refused, unless it is as large as the context", async () => {
    const model = (window: number) =>
      fixtureModel({
        ...shape,
        architecture: "qwen3",
        keys: { "attention.sliding_window": window, "rope.freq_base": 1e6 },
      });
    await expect(model(512).then(planned)).rejects.toMatchObject({
      message: expect.stringContaining("sliding_window"),
    });
    expect((await planned(await model(1024))).warnings).toEqual([]);
  });

  it("yarn's own magnitude is accepted, and another one refused", async () => {
    const yarn = { "rope.freq_base": 1e4, "rope.scaling.type": "yarn", "rope.scaling.factor": 8 };
    const keys = { ...yarn, "rope.scaling.original_context_length": 128 };
    const model = (factor: number) =>
      architectureModel({ architecture: "llama", keys: { ...keys, "rope.scaling.yarn_attn_factor": factor } });
    for (const factor of [0, 1, 1 + 0.1 * Math.log(8)])
      expect((await planned(await model(factor))).warnings).toEqual([]);
    for (const factor of [1.21, 0.9]) await expect(model(factor)).rejects.toThrow("rope.scaling.yarn_attn_factor");
  });

  it("values that change nothing are accepted", async () => {
    const keys: Record<string, number | string> = { "rope.freq_base": 10000 };
    for (const [key, value] of changing) if (typeof value === "number") keys[key] = 0;
    for (const key of ["logit_scale", "residual_scale", "rope.scaling.attn_factor"]) keys[key] = 1;
    keys["attention.scale"] = 1 / Math.sqrt(16);
    keys["embedding_length_out"] = 64;
    keys["expert_used_count"] = 2;
    keys["vocab_size"] = 512;
    expect((await planned(await fixtureModel({ ...shape, keys }))).warnings).toEqual([]);
  });

  it("a key that nobody knows, and what is guessed for one that is missing, are told", async () => {
    const { warnings } = await planned(await fixtureModel({ ...shape, keys: { my_note: 1 } }));
    expect(warnings).toEqual([
      expect.stringContaining("llama.rope.freq_base is missing"),
      expect.stringContaining("llama.my_note is not a key"),
    ]);
  });

  it.each([...["bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2"], ...encoders])(
    "%s sees the whole text, whatever the file lacks",
    async (architecture) => {
      const keys = { feed_forward_length: 56 };
      const { hyperparameters } = await planned(await architectureModel({ architecture, keys }));
      expect(hyperparameters.causal).toBe(false);
      const causal = architectureModel({ architecture, keys: { ...keys, "attention.causal": true } });
      await expect(causal).rejects.toMatchObject({ code: "UNSUPPORTED_ARCHITECTURE" });
    },
  );
});

describe("variants of encoders that are not run are refused by name", () => {
  it.each([
    ["modern-bert", { hidden_activation: "relu" }, /hidden_activation is "relu"; supported: gelu, silu/],
    ["jina-bert-v2", { "attention.max_alibi_bias": 4 }, /max_alibi_bias is 4; supported: 8/],
    ["nomic-bert-moe", { moe_every_n_layers: 2 }, /moe_every_n_layers is 2.*nomic-bert-moe\.expert_count/],
  ] as const)("%s with %o", async (architecture, keys, message) => {
    await expect(architectureModel({ architecture, keys })).rejects.toThrow(message);
  });
});
