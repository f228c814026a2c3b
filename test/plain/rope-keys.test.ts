// The keys of RoPE: every number has a range, and within it all frequencies are finite. The factors of LongRoPE.

import { loadModel } from "cria";
import { describe, expect, it } from "vitest";
import { ropeFrequencies } from "../../dist/model/plan/rope.js";
import { architectureModel } from "../support/architecture-model.js";

describe("a RoPE that no frequencies follow from is refused, at once", () => {
  const yarn = { "rope.scaling.type": "yarn", "rope.scaling.factor": 4 };
  it.each<[string, number]>([
    ...[0, -1.5, 1e-38, 1e38, Number.NaN, Number.POSITIVE_INFINITY].flatMap((value): [string, number][] => [
      ["rope.scaling.yarn_beta_fast", value],
      ["rope.scaling.yarn_beta_slow", value],
    ]),
    ["rope.scaling.attn_factor", 0],
    ["rope.scaling.attn_factor", 1e38],
    ["rope.scaling.factor", -0.5],
    ["rope.scaling.factor", 1e38],
    ["rope.scaling.original_context_length", 0],
    ["rope.freq_base", 0],
    ["rope.freq_base", 1],
    ["rope.freq_base", 1e38],
  ])("%s %f", async (key, value) => {
    const file = architectureModel({ architecture: "llama", keys: { ...yarn, [key]: value } });
    await expect(file).rejects.toMatchObject({
      code: "GGUF_METADATA_VALUE",
      message: expect.stringContaining(`llama.${key}`),
    });
  });

  it("the bounds of all its keys give finite frequencies", () => {
    for (const base of [1.0000001, 1e12 - 1]) {
      for (const originalContext of [1, 2 ** 30]) {
        for (const [betaFast, betaSlow] of [
          [0.0011, 1e6 - 1],
          [1e6 - 1, 0.0011],
        ] as const) {
          const scaling = {
            type: "yarn",
            factor: 1e6 - 1,
            originalContext,
            attentionFactor: 999,
            betaFast,
            betaSlow,
            logMultiplier: 0,
          } as const;
          const { frequencies, magnitude } = ropeFrequencies({ dimensions: 128, base, scaling });
          expect([...frequencies, magnitude].every(Number.isFinite)).toBe(true);
        }
      }
    }
  });
});

describe("LongRoPE", () => {
  const [long, short] = ["rope_factors_long.weight", "rope_factors_short.weight"];
  const six = [1, 1.5, 2, 4, 8, 16];
  const original = { feed_forward_length: 56, "rope.scaling.original_context_length": 100 };
  const load = async (
    keys: Readonly<Record<string, number | string>>,
    vectors: Readonly<Record<string, readonly number[]>>,
    contextSize: number,
  ) => {
    const file = await architectureModel({ architecture: "phi3", keys: { ...original, ...keys }, vectors });
    const model = await loadModel(file, { threads: 1, contextSize });
    try {
      return await model.createSequence().evaluate([7, 8, 9, 10]);
    } finally {
      await model.dispose();
    }
  };

  it("takes the long factors of a context that is longer than the original one, and otherwise the short ones", async () => {
    const ones = six.map(() => 1);
    const plain = await load({}, {}, 101);
    expect(await load({}, { [long]: six, [short]: ones }, 100)).toEqual(plain);
    expect(await load({}, { [long]: ones, [short]: six }, 101)).toEqual(plain);
    expect(await load({}, { [long]: six, [short]: ones }, 101)).not.toEqual(plain);
    const factor = { "rope.scaling.attn_factor": 1.25 };
    expect(await load(factor, { [long]: six, [short]: ones }, 100)).not.toEqual(plain);
  });

  it.each([
    ["without the factors that it needs", {}, { [long]: six }, "GGUF_TENSOR_MISSING", short],
    ["with factors of another number of pairs", {}, { [long]: six, [short]: [1, 2] }, "GGUF_TENSOR_SHAPE", short],
    ["with a factor of 0", {}, { [long]: six, [short]: [1, 1, 0, 1, 1, 1] }, "GGUF_TENSOR_VALUE", short],
    [
      "with yarn besides",
      { "rope.scaling.type": "yarn" },
      { [long]: six, [short]: six },
      "UNSUPPORTED_ARCHITECTURE",
      "yarn",
    ],
    [
      "without factors, but with their magnitude",
      { "rope.scaling.attn_factor": 1.25 },
      {},
      "UNSUPPORTED_ARCHITECTURE",
      "attn_factor",
    ],
    [
      "with llama3's factors besides",
      {},
      { [long]: six, [short]: six, "rope_freqs.weight": six },
      "UNSUPPORTED_TENSORS",
      "rope_freqs",
    ],
  ] as const)("%s is refused", async (_, keys, vectors, code, named) => {
    await expect(load(keys, vectors, 64)).rejects.toMatchObject({ code, message: expect.stringContaining(named!) });
  });
});
