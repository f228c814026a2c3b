// The scalar reference, compared with exact logits and hidden states that other programs computed, and with results by hand where
// the reference data have no such model.

import { readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { openGguf } from "../../dist/gguf/index.js";
import { divergence } from "../support/reference/divergence.js";
import { forward, type ReferenceModel, readReferenceModel } from "../support/reference/forward.js";
import { ropeTable } from "../support/reference/rope.js";
import { hasReferenceData, readFloats, readJson, referenceData } from "../support/reference-data.js";

async function evaluate(path: string, ids: readonly number[]) {
  const gguf = await openGguf(referenceData(path));
  const model = await readReferenceModel(gguf).finally(() => gguf.close());
  return { ...forward(model, ids), vocab: model.tensor("token_embd.weight")!.rows, model };
}

const largestDifference = (a: Float32Array, b: Float32Array): number => {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
};

// One unquantised file and one quantised: dequantize.test.ts checks bit for bit what each format's blocks mean.
const microTypes = ["F32", "Q8_0"];

const architectures = hasReferenceData
  ? readdirSync(referenceData("architectures"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".gguf"))
      .map((name) => ({ folder: `architectures/${dirname(name)}`, type: basename(name, ".gguf") }))
  : [];

describe.skipIf(!hasReferenceData)("the scalar reference", () => {
  it.each(microTypes)("gives the exact logits of micro/%s.gguf", async (type) => {
    const { logits, vocab, hidden } = await evaluate(`micro/${type}.gguf`, readJson<number[]>("micro/tokens.json"));
    const { klMean, top1, maxAbs } = divergence(readFloats(`micro/${type}.logits.f32`), logits, vocab);
    expect(maxAbs).toBeLessThan(2e-6);
    expect(klMean).toBeLessThan(1e-14);
    expect(top1).toBe(1);
    expect(largestDifference(hidden, readFloats(`micro/${type}.hidden.f32`))).toBeLessThan(2e-6);
  });

  it.each(architectures)("gives the exact logits and hidden states of $folder $type", async ({ folder, type }) => {
    const { logits, hidden } = await evaluate(`${folder}/${type}.gguf`, readJson<number[]>(`${folder}/tokens.json`));
    expect(largestDifference(hidden, readFloats(`${folder}/${type}.hidden.f32`))).toBeLessThan(2e-6);
    if (logits.length > 0) {
      expect(largestDifference(logits, readFloats(`${folder}/${type}.logits.f32`))).toBeLessThan(2e-6);
    }
  });

  it.each(["00", "01", "02", "03", "04", "05"])("gives llama2.c's logits of stories260K, prompt %s", async (prompt) => {
    const { tokens } = readJson<{ tokens: number[] }>(`stories260k/expected/${prompt}.tokens.json`);
    const { logits } = await evaluate("stories260k/stories260K-f32.gguf", [1, ...tokens.slice(0, 15)]);
    // llama2.c computes in 32-bit floats
    expect(largestDifference(logits, readFloats(`stories260k/expected/${prompt}.logits.f32`))).toBeLessThan(1e-4);
  });
});

/** A model of one layer in which token id t is embedded as row t of `embedding`; every matrix is the identity. */
function identityModel(
  embedding: number[][],
  keys: Record<string, number | string>,
  more: Record<string, number[]> = {},
) {
  const dim = embedding[0]!.length;
  const identity = Array.from({ length: dim * dim }, (_, i) => (i % (dim + 1) === 0 ? 1 : 0));
  const tensors: Record<string, number[]> = {
    "token_embd.weight": embedding.flat(),
    "output.weight": identity,
    ...more,
  };
  for (const name of ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]) {
    tensors[`blk.0.${name}.weight`] ??= identity;
  }
  const ones = new Array<number>(dim).fill(1);
  for (const name of ["blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"]) tensors[`${name}.weight`] ??= ones;
  const all: Record<string, number | string> = {
    block_count: 1,
    embedding_length: dim,
    "attention.head_count": 1,
    "attention.layer_norm_rms_epsilon": 0,
    ...keys,
  };
  const model: ReferenceModel = {
    architecture: "llama",
    key: (name) => all[name] as number | undefined,
    text: (name) => all[name] as string | undefined,
    flag: () => undefined,
    tensor: (name) => {
      const values = tensors[name];
      if (values === undefined) return undefined;
      return { rows: values.length / dim, columns: dim, values: Float32Array.from(values) };
    },
  };
  return model;
}

describe("the scalar reference by hand", () => {
  const embedding = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 3, 4],
  ];
  const silu = (value: number): number => value / (1 + Math.exp(-value));
  const norm = (x: number[]): number[] => {
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length);
    return x.map((value) => value / rms);
  };

  it("is norm, attention, SwiGLU and the residuals for a single token", () => {
    const afterAttention = [0, 0, 3, 4].map((value, i) => value + norm([0, 0, 3, 4])[i]!); // a softmax over one is 1
    const x = afterAttention.map((value, i) => value + silu(norm(afterAttention)[i]!) * norm(afterAttention)[i]!);
    const { hidden, logits } = forward(identityModel(embedding, {}), [2]);
    expect([...hidden]).toEqual(norm(x).map(Math.fround));
    expect(logits).toEqual(hidden); // the output matrix is the identity
  });

  it("sees as many tokens as the sliding window says, itself included", () => {
    const alone = forward(identityModel(embedding, { "rope.scaling.type": "none" }), [2]);
    const of = (window: number, tokens: number[]) =>
      forward(identityModel(embedding, { "attention.sliding_window": window }), tokens).hidden.slice(-4);
    expect(of(1, [0, 1, 2])).toEqual(alone.hidden);
    expect(of(2, [0, 1, 2])).not.toEqual(alone.hidden);
    // only the previous position is seen: earlier ones make no difference
    expect(of(2, [0, 1, 2])).toEqual(of(2, [2, 1, 2]));
    expect(of(3, [0, 1, 2])).not.toEqual(of(3, [2, 1, 2]));
  });

  it("adds biases before the rotation", () => {
    const bias = [0.5, -1, 2, 0];
    const plain = forward(identityModel(embedding, {}), [0, 2]);
    for (const name of ["attn_q", "attn_k"]) {
      const { hidden } = forward(identityModel(embedding, {}, { [`blk.0.${name}.bias`]: bias }), [0, 2]);
      expect(hidden.slice(0, 4)).toEqual(plain.hidden.slice(0, 4)); // one score only: any score is a weight of 1
      expect(hidden.slice(4)).not.toEqual(plain.hidden.slice(4));
    }
    const shifted = [1, 0, 0, 0].map((value, i) => value + norm([1, 0, 0, 0])[i]! + bias[i]!);
    const x = shifted.map((value, i) => value + silu(norm(shifted)[i]!) * norm(shifted)[i]!);
    const { hidden } = forward(identityModel(embedding, {}, { "blk.0.attn_v.bias": bias }), [0]);
    expect([...hidden]).toEqual(norm(x).map(Math.fround));
  });

  it("turns pairs by position times frequency: plain, linear, by rope_freqs, and YaRN's ends", () => {
    const angles = (keys: Record<string, number | string>, more?: Record<string, number[]>) =>
      ropeTable(identityModel(embedding, keys, more), 4, 4)[3]!.map(({ cos, sin }) => Math.atan2(sin, cos));
    const near = (expected: number[]) => expected.map((value) => expect.closeTo(value, 12));
    expect(angles({})).toEqual(near([3, 0.03]));
    expect(angles({ "rope.freq_base": 100 })).toEqual(near([3, 0.3]));
    expect(angles({ "rope.scaling.factor": 4 })).toEqual(near([0.75, 0.0075]));
    expect(angles({ "rope.scaling.type": "none", "rope.scaling.factor": 4 })).toEqual(near([3, 0.03]));
    expect(angles({}, { "rope_freqs.weight": [1, 8, 1, 1] })).toEqual(near([3, 0.00375]));
    // 32 turns in 4000 positions are at pair 0.65, one turn at 1.40: the ramp is from pair 0 to 2, with pair 1 half-way
    const yarn = {
      "rope.scaling.type": "yarn",
      "rope.scaling.factor": 4,
      "rope.scaling.original_context_length": 4000,
    };
    expect(angles(yarn)).toEqual(near([3, 0.03 * 0.5 + 0.0075 * 0.5]));
    const { cos, sin } = ropeTable(identityModel(embedding, yarn), 4, 4)[3]![0]!;
    expect(Math.hypot(cos, sin)).toBeCloseTo(1 + 0.1 * Math.log(4), 12);
  });
});

describe("divergence", () => {
  it("is the KL divergence of the softmax, and ignores a constant added to a row", () => {
    const exact = Float32Array.of(Math.log(0.5), Math.log(0.25), Math.log(0.25), 1, 2, 3);
    const ours = Float32Array.of(Math.log(0.25) + 7, Math.log(0.5) + 7, Math.log(0.25) + 7, 1, 2, 3);
    const { klMean, klMax, top1, maxAbs } = divergence(exact, ours, 3);
    const kl = 0.5 * Math.log(2) - 0.25 * Math.log(2);
    expect(klMax).toBeCloseTo(kl, 6);
    expect(klMean).toBeCloseTo(kl / 2, 6);
    expect(top1).toBe(0.5);
    expect(maxAbs).toBeCloseTo(7 + Math.log(2), 6);
  });

  it("lets neither NaN nor a missing row pass for agreement", () => {
    const { klMean, maxAbs } = divergence(Float32Array.of(1, 2), Float32Array.of(1, Number.NaN), 2);
    expect([klMean, maxAbs]).toEqual([Number.NaN, Number.NaN]);
    expect(() => divergence(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2), 2)).toThrow("cannot compare 4 with 2");
    expect(() => divergence(new Float32Array(0), new Float32Array(0), 2)).toThrow("cannot compare");
  });
});
