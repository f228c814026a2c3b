// LoRA adapters beside the scalar reference, whose model has scale * alpha / rank * B . A written into its matrices. llama.cpp's numbers
// and the bits over threads, chunks and shards are cases of oracle.test.ts.

import type { LoraOptions } from "cria";
import { describe, expect, it } from "vitest";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import { randomIds, referenceOf } from "../../support/fixture-model.js";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { type AdapterShape, adapterFile, adapterParts, mergedModel } from "../../support/lora-adapter.js";
import { forward } from "../../support/reference/forward.js";
import { relativeError } from "../../support/reference/relative-error.js";

const TOKENS = 140; // more than one step

interface Case {
  readonly shape: ArchitectureShape;
  readonly adapters: readonly (AdapterShape & { readonly scale: number })[];
}

const encoder = { "attention.causal": false, "attention.head_count_kv": 4, pooling_type: 1 };
const experts = { expert_count: 6, expert_used_count: 2, expert_feed_forward_length: 48 };
const named = (pattern: RegExp) => (name: string) => pattern.test(name);

const cases: Readonly<Record<string, Case>> = {
  "llama, all matrices and the output": {
    shape: { architecture: "llama", has: (name) => name === "output.weight" },
    adapters: [{ rank: 6, alpha: 12, scale: 0.75, targets: named(/^(blk|output\.weight)/) }],
  },
  "qwen3, two adapters and one of them twice, without alpha": {
    shape: { architecture: "qwen3" },
    adapters: [
      { rank: 3, scale: 0.5, targets: named(/attn_[qk]\.weight/) },
      { rank: 9, scale: -1, seed: 2, targets: named(/attn_[kv]\.weight|ffn_down/) },
      { rank: 3, scale: 0.25, targets: named(/attn_[qk]\.weight/) },
    ],
  },
  "gemma3, in one layer": {
    shape: { architecture: "gemma3", keys: { "attention.sliding_window": 70 } },
    adapters: [{ rank: 16, alpha: 16, scale: 1, targets: named(/^blk\.2\.(attn_output|ffn_)/) }],
  },
  "qwen3moe, attention and router": {
    shape: { architecture: "qwen3moe", keys: experts },
    adapters: [{ rank: 4, alpha: 1, scale: 1, targets: named(/attn_\w+\.weight|ffn_gate_inp\.weight/) }],
  },
  "bert, with biases and an activation": {
    shape: { architecture: "bert", keys: encoder, has: named(/bias|token_types/) },
    adapters: [{ rank: 6, alpha: 12, scale: 0.5 }],
  },
  "nomic-bert, whose q, k and v are one matrix": {
    shape: { architecture: "nomic-bert", keys: encoder },
    adapters: [{ rank: 6, alpha: 12, scale: 0.5 }],
  },
};

async function withAdapters({ shape, adapters }: Case) {
  const file = await architectureModel(shape);
  const parts = await Promise.all(adapters.map((adapter) => adapterParts(file, adapter)));
  const lora: LoraOptions[] = await Promise.all(
    parts.map(async (one, i) => ({ path: await adapterFile(one), scale: adapters[i]!.scale })),
  );
  const merged = await mergedModel(
    file,
    parts.map((one, i) => ({ parts: one, scale: adapters[i]!.scale })),
  );
  return { file, lora, merged };
}

describe("LoRA adapters", () => {
  it.each(Object.keys(cases))("%s: as the merged model", async (name) => {
    const { file, lora, merged } = await withAdapters(cases[name]!);
    const ids = randomIds(TOKENS, 512);
    const { logits, hidden } = forward(await referenceOf(merged), ids);
    const plain = forward(await referenceOf(file), ids);
    const model = await loadWith(fastestBuild, file, { threads: 2, kvCache: "f32", lora });
    try {
      const [[tokens], all] = model.info.generates
        ? [[], await model.createSequence().evaluate(ids, { logits: "all" })]
        : [await model.embed([ids], { pooling: "none", normalize: false }), undefined];
      const ours = all ?? Float32Array.from(tokens!.flatMap((one) => [...one]));
      const [exact, without] = all === undefined ? [hidden, plain.hidden] : [logits, plain.logits];
      expect(relativeError(exact, ours)).toBeLessThan(2e-5);
      expect(relativeError(exact, without)).toBeGreaterThan(0.05); // the adapter changes something
    } finally {
      await model.dispose();
    }
  });
});
