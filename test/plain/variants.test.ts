// Keys by which small variants of Llama and Qwen differ: what they say, what 0 means, and what is refused.

import { describe, expect, it } from "vitest";
import { openGguf } from "../../dist/gguf/index.js";
import { readModel } from "../../dist/model/architectures/table.js";
import { ropeFrequencies } from "../../dist/model/plan/rope.js";
import { type ArchitectureShape, architectureModel } from "../support/architecture-model.js";

async function read(architecture: string, keys: ArchitectureShape["keys"] = {}) {
  return readModel(await openGguf(await architectureModel({ architecture, keys }))).hyperparameters;
}

describe("granite", () => {
  it("has four scales", async () => {
    const keys = { embedding_scale: 12, residual_scale: 0.5, logit_scale: 8, "attention.scale": 0.25 };
    const { scales, attention } = await read("granite", keys);
    expect(scales).toEqual({ embedding: 12, residual: 0.5, logits: 1 / 8 });
    expect(attention.map(({ scale }) => scale)).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  it("has the usual ones where they are missing or 0", async () => {
    const usual = await read("granite");
    expect(usual.scales).toEqual({ embedding: 1, residual: 1, logits: 1 });
    expect(usual.attention[0]!.scale).toBe(1 / Math.sqrt(12));
    const keys = { embedding_scale: 0, residual_scale: 0, logit_scale: 0, "attention.scale": 0 };
    expect(await read("granite", keys)).toEqual(usual);
  });

  it.each([-1, 1e-7, 1e7, Number.NaN])("a scale of %f is refused", async (value) => {
    await expect(read("granite", { logit_scale: value })).rejects.toMatchObject({
      code: "GGUF_METADATA_VALUE",
      message: expect.stringContaining("granite.logit_scale"),
    });
  });

  it("may have the keys of Granite 4's hybrid models, but not their layers", async () => {
    const hybrid = { "ssm.conv_kernel": 4, "ssm.state_size": 128, "ssm.group_count": 1, "ssm.inner_size": 96 };
    const keys = { ...hybrid, "ssm.time_step_rank": 48, "attention.head_count_kv": [2, 2, 2, 2] };
    expect(await read("granite", keys)).toEqual(await read("granite"));
    await expect(read("llama", hybrid)).rejects.toThrow("llama.ssm.conv_kernel is 4");
    await expect(read("granite", { "attention.head_count_kv": [2, 0, 2, 2] })).rejects.toThrow("head_count_kv");
  });

  it("rotates unless its file says no", async () => {
    const rotated = async (finetuned: boolean) =>
      (await read("granite", { "rope.scaling.finetuned": finetuned })).attention.every(({ rope }) => rope === 0);
    expect([await rotated(true), await rotated(false)]).toEqual([true, false]);
  });
});

describe("RoPE in sections", () => {
  it.each(["qwen2vl", "qwen3vl"])("of %s shares all pairs", async (architecture) => {
    const plain = await read(architecture);
    expect(await read(architecture, { "rope.dimension_sections": [2, 2, 2, 0] })).toEqual(plain);
    for (const sections of [[2, 2, 1, 0], [2, 2, 1, 1], [6, 0, 0, 1], [2]]) {
      await expect(read(architecture, { "rope.dimension_sections": sections })).rejects.toMatchObject({
        code: "UNSUPPORTED_ARCHITECTURE",
        message: expect.stringContaining("three sections that share all 6 pairs"),
      });
    }
  });

  it("layers of pictures change nothing for texts", async () => {
    expect(await read("qwen3vl", { n_deepstack_layers: 3 })).toEqual(await read("qwen3vl"));
    await expect(read("qwen3", { n_deepstack_layers: 3 })).rejects.toThrow("qwen3.n_deepstack_layers");
  });
});

describe("mistral3", () => {
  const yarn = { "rope.scaling.type": "yarn", "rope.scaling.factor": 16 };

  it("has a temperature in units of the context before yarn", async () => {
    const keys = { ...yarn, "rope.scaling.original_context_length": 64, "attention.temperature_scale": 0.5 };
    const { attention } = await read("mistral3", keys);
    expect(attention.map(({ temperature }) => temperature)).toEqual(new Array(4).fill({ length: 64, growth: 0.5 }));
    expect((await read("mistral3", yarn)).attention[0]!.temperature).toBeUndefined();
  });

  it("takes yarn's magnitude out as far as its file says", async () => {
    const magnitude = async (multiplier: number) => {
      const { ropes } = await read("mistral3", { ...yarn, "rope.scaling.yarn_log_multiplier": multiplier });
      return ropeFrequencies(ropes[0]!).magnitude;
    };
    expect(await magnitude(1)).toBe(1);
    expect(await magnitude(0)).toBeCloseTo(1 + 0.1 * Math.log(16), 12);
    expect(await magnitude(0.5)).toBeCloseTo((1 + 0.1 * Math.log(16)) / (1 + 0.05 * Math.log(16)), 12);
  });

  it("refuses a temperature whose length its file says, and a magnitude below 0", async () => {
    await expect(read("mistral3", { "attention.temperature_length": 8192 })).rejects.toThrow("temperature_length");
    const keys = { ...yarn, "rope.scaling.yarn_log_multiplier": -1 };
    await expect(read("mistral3", keys)).rejects.toThrow("yarn_log_multiplier");
  });

  it("is the one architecture here whose files say how much that is", async () => {
    const keys = { ...yarn, "rope.scaling.yarn_log_multiplier": 1 };
    await expect(read("llama", keys)).rejects.toThrow("llama.rope.scaling.yarn_log_multiplier is 1, which changes");
  });
});

it.each(["granite", "hunyuan-dense", "internlm2", "mistral3", "qwen2vl", "qwen3vl", "smollm3"])(
  "%s with experts is refused",
  async (architecture) => {
    await expect(read(architecture, { expert_count: 4 })).rejects.toThrow(/a mixture of 4 experts .* dense models/);
  },
);
