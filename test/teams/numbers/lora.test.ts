// LoRA adapters beside models that have scale * alpha / rank * B . A written into their matrices: by the scalar reference, and for every
// architecture by cria itself. llama.cpp's numbers and the bits over threads, chunks and shards are cases of oracle.test.ts.

import type { LoadOptions, LoraOptions } from "cria";
import { openGguf } from "cria/gguf";
import { describe, expect, it } from "vitest";
import { architectureOf, readModel } from "../../../dist/model/architectures/table.js";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import { randomIds, referenceOf } from "../../support/fixture-model.js";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { type AdapterShape, adapterFile, adapterParts, mergedModel } from "../../support/lora-adapter.js";
import { oracleArchitectures, oracleModel } from "../../support/oracle-cases.js";
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

/** Logits of a decoder, or the vectors of an encoder's tokens. */
async function results(file: Uint8Array, ids: readonly number[], options: LoadOptions = {}): Promise<Float32Array> {
  const model = await loadWith(fastestBuild, file, { threads: 2, kvCache: "f32", ...options });
  try {
    if (model.info.generates) return await model.createSequence().evaluate(ids, { logits: "all" });
    const [tokens] = await model.embed([ids], { pooling: "none", normalize: false });
    return Float32Array.from(tokens!.flatMap((one) => [...one]));
  } finally {
    await model.dispose();
  }
}

describe("LoRA adapters", () => {
  it.each(Object.keys(cases))("%s: as the reference's merged model", async (name) => {
    const { file, lora, merged } = await withAdapters(cases[name]!);
    const ids = randomIds(TOKENS, 512);
    const exactOf = async (model: Uint8Array<ArrayBuffer>) => {
      const { logits, hidden } = forward(await referenceOf(model), ids);
      return logits.length > 0 ? logits : hidden;
    };
    const exact = await exactOf(merged);
    expect(relativeError(exact, await results(file, ids, { lora }))).toBeLessThan(2e-5);
    expect(relativeError(exact, await exactOf(file))).toBeGreaterThan(0.05); // the adapter changes something
  });

  const every = oracleArchitectures.flatMap(({ name, cases }) =>
    Object.entries(cases).map(([title, one]) => ({ name, title, one })),
  );
  it.each(every)("$name, $title: on each of its matrices, as its merged model", async ({ name, one }) => {
    const file = await oracleModel(name, one);
    const gguf = await openGguf(file);
    const has = (tensor: string) => gguf.tensor(tensor) !== undefined;
    const specs = architectureOf(name).weights(readModel(gguf).hyperparameters, has);
    const matrices = specs.filter(({ role, matrices, name }) => {
      return role === "matrix" && matrices === undefined && name !== "token_embd.weight" && has(name);
    });
    const ids = randomIds(TOKENS, 512);
    const parts = await adapterParts(file, { rank: 5, targets: (name) => matrices.some((spec) => spec.name === name) });
    // How workers share the work is seen above, and in oracle.test.ts.
    const alone = { threads: 1 };
    const merged = await results(await mergedModel(file, [{ parts, scale: 0.5 }]), ids, alone);
    const adapted = await results(file, ids, { ...alone, lora: [{ path: await adapterFile(parts), scale: 0.5 }] });
    expect(relativeError(merged, adapted)).toBeLessThan(1e-4);
  });
});
