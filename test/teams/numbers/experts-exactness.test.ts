// Mixtures of experts beside llama.cpp: how far each is from the same exact result, which the scalar reference computes in float64.
//
// The bars were measured with node-llama-cpp 3.22.1 on a processor with AVX-512 VNNI. Where bench/peers is installed and built
// (`cd bench/peers && npm ci && npx tsc`), they are measured again, and printed.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TensorTypeName } from "cria/gguf";
import { describe, expect, it } from "vitest";
import { type ArchitectureShape, architectureModel } from "../../support/architecture-model.js";
import { referenceOf } from "../../support/fixture-model.js";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { forward } from "../../support/reference/forward.js";
import { relativeError } from "../../support/reference/relative-error.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const VOCAB = 512;
const ids = Array.from({ length: 12 }, (_, i) => (i * 97 + 11) % VOCAB);

const common = {
  block_count: 2,
  embedding_length: 128,
  feed_forward_length: 96,
  "attention.key_length": 32,
  "attention.value_length": 32,
  "rope.dimension_count": 32,
  expert_count: 4,
  expert_used_count: 2,
  expert_feed_forward_length: 96,
};
const shapes: Readonly<Record<string, ArchitectureShape>> = {
  llama: { architecture: "llama", keys: common },
  qwen3moe: { architecture: "qwen3moe", keys: common },
  qwen2moe: {
    architecture: "qwen2moe",
    keys: { ...common, expert_shared_feed_forward_length: 64 },
    has: (name) => name === "output.weight" || /attn_[qkv]\.bias/.test(name),
  },
  "gpt-oss": {
    architecture: "gpt-oss",
    keys: {
      ...common,
      "attention.sliding_window": 5,
      "rope.freq_base": 150000,
      "rope.scaling.type": "yarn",
      "rope.scaling.factor": 32,
      "rope.scaling.original_context_length": 64,
    },
    has: () => true,
  },
};

/** Matrices of experts in MXFP4, the others in Q8_0, as gpt-oss comes; routers in F32. */
const formats: Readonly<Record<string, (name: string) => TensorTypeName>> = {
  F32: () => "F32",
  Q8_0: (name) => (name.includes("ffn_gate_inp") ? "F32" : "Q8_0"),
  MXFP4: (name) => (name.includes("ffn_gate_inp") ? "F32" : name.includes("_exps.") ? "MXFP4" : "Q8_0"),
};

/**
 * Seeds of models whose routers choose no expert by so little that rounding to 8 bits could decide, and how far llama.cpp is from the exact
 * logits. In F32 the bar is that of all architectures, 1e-5.
 */
const cases = [
  ["llama", "F32", 1, 5.1e-7],
  ["llama", "Q8_0", 104, 1.44e-2],
  ["llama", "MXFP4", 108, 1.46e-2],
  ["qwen3moe", "F32", 1, 8.3e-7],
  ["qwen3moe", "Q8_0", 36, 5.41e-2],
  ["qwen3moe", "MXFP4", 74, 9.98e-2],
  ["qwen2moe", "F32", 1, 4.1e-7],
  ["qwen2moe", "Q8_0", 34, 1.06e-2],
  ["qwen2moe", "MXFP4", 34, 3.55e-2],
  ["gpt-oss", "F32", 1, 4.9e-7],
  ["gpt-oss", "Q8_0", 45, 1.42e-2],
  ["gpt-oss", "MXFP4", 55, 1.52e-2],
] as const;

const native = fileURLToPath(new URL("../../../bench/peers/build/logits.js", import.meta.url));
const folder = temporaryFolder();

/** node-llama-cpp's logits. */
function nativeLogits(model: string, kvCache: string): Float32Array {
  const output = folder.path("native.f32");
  execFileSync(process.execPath, [native, JSON.stringify({ model, ids, output, kvCache })], { stdio: "pipe" });
  const bytes = readFileSync(output);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

describe(`kernels ${fastestBuild}`, () => {
  it.each(cases)("%s in %s", async (name, format, seed, bar) => {
    const file = await architectureModel({ ...shapes[name]!, format: formats[format]!, seed });
    const { logits } = forward(await referenceOf(file), ids);
    const kvCache = format === "F32" ? "f32" : "f16";
    const model = await loadWith(fastestBuild, file, { threads: 2, kvCache });
    let ours: number;
    try {
      ours = relativeError(logits, await model.createSequence().evaluate(ids, { logits: "all" }));
    } finally {
      await model.dispose();
    }
    const most = format === "F32" ? 1e-5 : 1.1 * bar;
    expect(ours).toBeLessThan(most);
    if (!existsSync(native)) return;
    const path = folder.path(`${name}-${format}.gguf`);
    writeFileSync(path, file);
    const theirs = relativeError(logits, nativeLogits(path, kvCache.toUpperCase()));
    console.log(`${name} ${format}: ours ${ours.toExponential(2)}, node-llama-cpp ${theirs.toExponential(2)}`);
    expect(theirs).toBeLessThan(most);
  });
});
