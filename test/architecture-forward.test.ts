// Every architecture's forward pass against the scalar reference, on small models of the tests' own: the variants that a file can ask for.

import { describe, expect, it } from "vitest";
import { type ArchitectureShape, architectureModel } from "./architecture-model.js";
import { randomIds, referenceOf } from "./fixture-model.js";
import { kernelBuilds, loadWith } from "./kernel-builds.js";
import { forward } from "./reference/forward.js";
import { relativeError } from "./reference/relative-error.js";

// More rows than one step takes, and more positions than two pages of the cache.
const TOKENS = 140;

const variants: Readonly<Record<string, ArchitectureShape>> = {
  qwen2: { architecture: "qwen2" },
  "qwen2 with biases on q, k and v": { architecture: "qwen2", has: (name) => /attn_[qkv]\.bias/.test(name) },
  "qwen2 with a third of a head rotated": { architecture: "qwen2", keys: { "rope.dimension_count": 4 } },
  qwen3: { architecture: "qwen3" },
  "qwen3 with an output matrix of its own": { architecture: "qwen3", has: (name) => name === "output.weight" },
  gemma3: { architecture: "gemma3", keys: { "attention.sliding_window": 70 } },
  "gemma3 with a pattern of 2, two bases and linear scaling": {
    architecture: "gemma3",
    keys: {
      "attention.sliding_window": 9,
      "attention.sliding_window_pattern": 2,
      "rope.freq_base": 1e6,
      "rope.freq_base_swa": 500,
      "rope.scaling.factor": 8,
    },
  },
};

describe.each(kernelBuilds)("kernels %s", (build) => {
  it.each(Object.keys(variants))("%s", async (name) => {
    const file = await architectureModel(variants[name]);
    const ids = randomIds(TOKENS, 512);
    const { logits } = forward(await referenceOf(file), ids);
    const model = await loadWith(build, file, { kvCache: "f32", threads: 2 });
    try {
      const ours = await model.createSequence().evaluate(ids, { logits: "all" });
      expect(relativeError(logits, ours)).toBeLessThan(1e-5);
      // One row at a time takes other paths, and gives the same.
      const sequence = model.createSequence();
      for (const [i, id] of ids.slice(0, 20).entries()) {
        expect(await sequence.evaluate([id])).toEqual(ours.slice(i * 512, (i + 1) * 512));
      }
    } finally {
      await model.dispose();
    }
  });
});
