// Every architecture's forward pass against the scalar reference, on small models of the tests' own: the variants that a file can ask for.

import { loadModel, UnsupportedError } from "cria";
import { describe, expect, it } from "vitest";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import { randomIds, referenceOf } from "../../support/fixture-model.js";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { forward } from "../../support/reference/forward.js";
import { relativeError } from "../../support/reference/relative-error.js";

// More rows than one step takes, and more positions than two pages of the cache.
const TOKENS = 140;

const decoders: Readonly<Record<string, ArchitectureShape>> = {
  qwen2: { architecture: "qwen2" },
  "qwen2 with biases on q, k and v": { architecture: "qwen2", has: (name) => /attn_[qkv]\.bias/.test(name) },
  "qwen2 with a third of a head rotated": { architecture: "qwen2", keys: { "rope.dimension_count": 4 } },
  qwen3: { architecture: "qwen3" },
  "qwen3 with an output matrix of its own": { architecture: "qwen3", has: (name) => name === "output.weight" },
  gemma2: {
    architecture: "gemma2",
    keys: { "attention.sliding_window": 70, attn_logit_softcapping: 1.5, final_logit_softcapping: 2 },
  },
  "gemma2 of 27B, with a short window and the limits of its kind": {
    architecture: "gemma2",
    keys: { block_count: 46, "attention.sliding_window": 9 },
  },
  "gemma3 of 27B": { architecture: "gemma3", keys: { block_count: 62, "attention.sliding_window": 9 } },
  phi3: { architecture: "phi3", keys: { feed_forward_length: 56 } },
  "phi3 with windows, and a third of a head rotated": {
    architecture: "phi3",
    keys: { feed_forward_length: 56, "attention.sliding_window": 9, "rope.dimension_count": 4 },
  },
  glm4: {
    architecture: "glm4",
    keys: { feed_forward_length: 56, "rope.dimension_count": 4 },
    has: (name) => /attn_[qkv]\.bias/.test(name),
  },
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

const experts = { expert_count: 6, expert_used_count: 2, expert_feed_forward_length: 48 };

/** Widths of experts are multiples of 8. */
const mixtures: Readonly<Record<string, ArchitectureShape>> = {
  "llama with experts": { architecture: "llama", keys: { ...experts, feed_forward_length: 56 } },
  "llama with 4 of 5 experts and an output matrix": {
    architecture: "llama",
    keys: { expert_count: 5, expert_used_count: 4, feed_forward_length: 24 },
    has: (name) => name === "output.weight",
  },
  qwen3moe: { architecture: "qwen3moe", keys: experts },
  "qwen3moe whose weights are parts of the whole softmax": {
    architecture: "qwen3moe",
    keys: { ...experts, expert_weights_norm: false, expert_used_count: 3 },
  },
  "qwen3moe that chooses all of its 8 experts": {
    architecture: "qwen3moe",
    keys: { ...experts, expert_count: 8, expert_used_count: 8 },
  },
  qwen2moe: {
    architecture: "qwen2moe",
    keys: { ...experts, expert_shared_feed_forward_length: 36 },
    has: (name) => /attn_[qkv]\.bias/.test(name),
  },
  "qwen2moe with normalised weights": {
    architecture: "qwen2moe",
    keys: { ...experts, expert_shared_feed_forward_length: 60, expert_weights_norm: true },
  },
  "gpt-oss": {
    architecture: "gpt-oss",
    keys: { ...experts, "attention.sliding_window": 9 },
    has: () => true,
  },
  "gpt-oss with yarn, and a window longer than a page": {
    architecture: "gpt-oss",
    keys: {
      ...experts,
      expert_used_count: 4,
      "attention.sliding_window": 70,
      "rope.freq_base": 150000,
      "rope.scaling.type": "yarn",
      "rope.scaling.factor": 32,
      "rope.scaling.original_context_length": 64,
    },
    has: () => true,
  },
};

const encoder = { "attention.causal": false, "attention.head_count_kv": 4 };

const encoders: Readonly<Record<string, ArchitectureShape>> = {
  bert: { architecture: "bert", keys: encoder },
  "bert with types and biases": {
    architecture: "bert",
    keys: encoder,
    has: () => true,
  },
  "nomic-bert": {
    architecture: "nomic-bert",
    keys: { ...encoder, "rope.freq_base": 1000 },
    has: () => true,
  },
  "nomic-bert-moe": {
    architecture: "nomic-bert-moe",
    keys: { ...encoder, moe_every_n_layers: 2, expert_count: 5, expert_used_count: 2, feed_forward_length: 56 },
    has: () => true,
  },
  "jina-bert-v2": { architecture: "jina-bert-v2", keys: encoder, has: (name) => name === "token_types.weight" },
  "jina-bert-v2 with a gate and six heads": {
    architecture: "jina-bert-v2",
    keys: { ...encoder, "attention.head_count": 6, "attention.head_count_kv": 6 },
    told: { "blk.0.ffn_gate.weight": [40, 52] },
    has: () => true,
  },
  "jina-bert-v2 with gate and up in one matrix": {
    architecture: "jina-bert-v2",
    keys: { ...encoder, feed_forward_length: 56 },
    told: { "blk.0.ffn_up.weight": [40, 112] },
    has: () => true,
  },
  "jina-bert-v3": { architecture: "jina-bert-v3", keys: { ...encoder, "rope.freq_base": 1000 }, has: () => true },
  "modern-bert": {
    architecture: "modern-bert",
    keys: { ...encoder, feed_forward_length: 56, "attention.sliding_window": 30, "rope.freq_base_swa": 100 },
  },
  "modern-bert with SwiGLU, and without windows": {
    architecture: "modern-bert",
    keys: { ...encoder, feed_forward_length: 56, hidden_activation: "silu" },
  },
  eurobert: { architecture: "eurobert", keys: { "attention.causal": false, "rope.freq_base": 1000 } },
  "gemma-embedding": { architecture: "gemma-embedding" },
  "gemma-embedding with windows": {
    architecture: "gemma-embedding",
    keys: { "attention.sliding_window": 31, "attention.sliding_window_pattern": 2 },
  },
};

/**
 * A model that chooses no expert by so little that rounding could decide, and what the reference makes of some texts. In a thousand choices
 * of two logits that lie about 1 apart, one pair is nearer than 1e-3.
 */
async function decisiveModel(shape: ArchitectureShape, texts: readonly (readonly number[])[]) {
  for (let stream = 1; stream < 100; stream++) {
    const file = await architectureModel({ ...shape, stream });
    let nearest = Number.POSITIVE_INFINITY;
    const reference = {
      ...(await referenceOf(file)),
      onChoice: (distance: number) => (nearest = Math.min(nearest, distance)),
    };
    const results = texts.map((ids) => forward(reference, ids));
    if (nearest > 1e-4) return { file, results };
  }
  throw new Error("every model has a choice between experts that are nearly equal");
}

describe(`kernels ${fastestBuild}`, () => {
  it.each(Object.keys({ ...decoders, ...mixtures }))("%s", async (name) => {
    const ids = randomIds(TOKENS, 512);
    const { file, results } = await decisiveModel({ ...decoders, ...mixtures }[name]!, [ids]);
    const model = await loadWith(fastestBuild, file, { kvCache: "f32", threads: 2 });
    try {
      const ours = await model.createSequence().evaluate(ids, { logits: "all" });
      expect(relativeError(results[0]!.logits, ours)).toBeLessThan(1e-5);
      // One row at a time takes other paths, and gives the same result.
      const sequence = model.createSequence();
      for (const [i, id] of ids.slice(0, 20).entries()) {
        expect(await sequence.evaluate([id])).toEqual(ours.slice(i * 512, (i + 1) * 512));
      }
    } finally {
      await model.dispose();
    }
  });

  it.each(Object.keys(encoders))("%s", async (name) => {
    const texts = [TOKENS, 1, 17, 64].map((length, i) => randomIds(length, 512, i));
    const { file, results } = await decisiveModel(encoders[name]!, texts);
    const model = await loadWith(fastestBuild, file, { threads: 2 });
    let together: Float32Array[][];
    try {
      together = await model.embed(texts, { pooling: "none", normalize: false });
      for (const [i, text] of texts.entries()) {
        const ours = Float32Array.from(together[i]!.flatMap((vector) => [...vector]));
        expect(relativeError(results[i]!.hidden, ours)).toBeLessThan(1e-5);
        // Neither its neighbours in a step nor the number of threads change a text's vectors.
        expect(await model.embed([text], { pooling: "none", normalize: false })).toEqual([together[i]]);
      }
    } finally {
      await model.dispose();
    }
    const alone = await loadWith(fastestBuild, file, { threads: 1 });
    try {
      expect(await alone.embed(texts, { pooling: "none", normalize: false })).toEqual(together);
    } finally {
      await alone.dispose();
    }
  });
});

it.each(["rope.freq_base", "rope.freq_base_swa"])("gemma3 with a %s that is not a base is refused", async (key) => {
  // The fixture's shapes are read from its keys, as when a model is loaded.
  const file = architectureModel({ architecture: "gemma3", keys: { [key]: -2.5 } });
  await expect(file).rejects.toThrow(`-2.5 is not between 1 and 1000000000000 ("gemma3.${key}")`);
});

it.each([
  ["phi3", { feed_forward_length: 52 }, "blk.0.ffn_up.weight consists of matrices of 52, 52 rows"],
  ["phi3", { "attention.head_count_kv": 1 }, "blk.0.attn_qkv.weight consists of matrices of 48, 12, 12 rows"],
  ["nomic-bert", { "attention.head_count_kv": 1 }, "blk.0.attn_qkv.weight consists of matrices of 48, 12, 12 rows"],
])(
  "%s with %o, whose fused matrices have parts that are not whole groups, is refused",
  async (architecture, keys, message) => {
    const file = architectureModel({ architecture, keys });
    await expect(file).rejects.toMatchObject({
      code: "UNSUPPORTED_ARCHITECTURE",
      message: expect.stringContaining(message),
    });
  },
);

describe("an encoder", () => {
  const shape = { architecture: "bert", keys: { "attention.causal": false, "attention.head_count_kv": 4 } };

  it("does not generate text, and says what it does instead", async () => {
    const model = await loadModel(await architectureModel(shape), { threads: 1 });
    try {
      expect(model.info.generates).toBe(false);
      const refusal = { constructor: UnsupportedError, code: "NO_GENERATION" };
      await expect(model.complete([1, 2])).rejects.toMatchObject(refusal);
      await expect(model.generate("a").next()).rejects.toMatchObject(refusal);
      for (const call of [() => model.chat(), () => model.createSequence()]) {
        expect(call).toThrow(/bert.* is an encoder.* embed/);
        expect(call).toThrow(UnsupportedError);
      }
    } finally {
      await model.dispose();
    }
  });

  it("has only the positions that it has learned", async () => {
    const loading = loadModel(await architectureModel(shape), { contextSize: 257 });
    await expect(loading).rejects.toThrow(
      /contextSize must be at most 256, the positions that the model has learned; it is 257/,
    );
  });

  it("reads hundreds of texts in one call as it reads each alone, and a text as long as its context", async () => {
    const model = await loadModel(await architectureModel(shape), { threads: 2 });
    try {
      const texts = Array.from({ length: 300 }, (_, i) => randomIds(1 + ((i * 37) % 90), 512, i));
      texts.splice(100, 0, randomIds(256, 512));
      // What two texts begin with is not the same to them: its tokens see what follows.
      for (const end of [1, 2]) texts.push([...randomIds(128, 512, 7), ...randomIds(20, 512, end)]);
      const together = await model.embed(texts);
      for (const i of [0, 99, 100, 101, 301, 302]) expect(await model.embed([texts[i]!])).toEqual([together[i]]);
      expect(new Set(together.map((vector) => vector.join())).size).toBe(texts.length);
    } finally {
      await model.dispose();
    }
  });
});
