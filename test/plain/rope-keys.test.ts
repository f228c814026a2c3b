// The keys of RoPE: every number has a range, and within it all frequencies are finite.

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
    ["rope.scaling.yarn_log_multiplier", -1],
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
