// Rerankers beside llama.cpp, on models of random weights: a cross-encoder with XLM-R's tokenizer, such as bge-reranker-v2-m3, and a decoder
// that answers yes or no, Qwen3-Reranker, whose file has the rows of its output matrix for these answers, or lacks them.
//
// llama.cpp's scores are in test/fixtures/oracle/reranking.json. They are recorded where bench/peers is installed and built, by
//
//   CRIA_RECORD_ORACLE=reranking npx vitest run test/teams/numbers/reranking-oracle.test.ts

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "cria";
import { openGguf } from "cria/gguf";
import { beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../../bench/synthetic/random.js";
import { architectureModel } from "../../support/architecture-model.js";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { type Changes, rewritten } from "../../support/rewrite-model.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const query = "where does a fox sleep?";
const documents = ["In a den in the forest.", "The train leaves at noon.", "a fox", "Bread with nuts, and more bread."];

const native = fileURLToPath(new URL("../../../bench/peers/build/logits.js", import.meta.url));
const fixture = fileURLToPath(new URL("../../fixtures/oracle/reranking.json", import.meta.url));
const folder = temporaryFolder();
const random = new Random(5);
const values = (count: number, deviation: number) =>
  Float32Array.from({ length: count }, () => deviation * random.normal());

/** What llama.cpp gave for `documents`. */
interface Recorded {
  /** SHA-256 of the model. */
  readonly model: string;
  readonly scores: readonly number[];
}

const DIM = 64;
const keys = {
  embedding_length: DIM,
  feed_forward_length: 96,
  "attention.key_length": 16,
  "attention.value_length": 16,
};

/** bge-reranker-v2-m3's tensors and keys: XLM-R with one type of token, pooler (cls) and classifier (cls.output). */
async function crossEncoder(): Promise<Uint8Array<ArrayBuffer>> {
  const unigram: { readonly metadata: readonly (readonly [string, unknown])[] } = JSON.parse(
    readFileSync(new URL("../../fixtures/unigram.json", import.meta.url), "utf8"),
  );
  const vocabulary = new Map(unigram.metadata);
  const key = (name: string) => `tokenizer.ggml.${name}`;
  const tokens = vocabulary.get(key("tokens")) as string[];
  const file = await architectureModel({
    architecture: "bert",
    keys: {
      ...{ ...keys, "attention.causal": false, "attention.head_count_kv": 4, pooling_type: 4, context_length: 512 },
    },
    has: (name) => /bias/.test(name) && !name.startsWith("cls"),
    seed: 7,
  });
  const changes: Changes = {
    keys: {
      [key("model")]: ["string", "t5"],
      [key("pre")]: ["string", "default"],
      [key("tokens")]: ["string[]", tokens],
      [key("scores")]: ["float32[]", Float32Array.from(vocabulary.get(key("scores")) as number[])],
      [key("token_type")]: ["int32[]", Int32Array.from(vocabulary.get(key("token_type")) as number[])],
      [key("token_type_count")]: ["uint32", 1],
      [key("merges")]: undefined,
      [key("precompiled_charsmap")]: [
        "uint8[]",
        Uint8Array.from(vocabulary.get(key("precompiled_charsmap")) as number[]),
      ],
      [key("add_space_prefix")]: ["bool", true],
      [key("remove_extra_whitespaces")]: ["bool", true],
      [key("bos_token_id")]: ["uint32", tokens.indexOf("<s>")],
      [key("eos_token_id")]: ["uint32", tokens.indexOf("</s>")],
      [key("seperator_token_id")]: ["uint32", tokens.indexOf("</s>")],
      [key("unknown_token_id")]: ["uint32", tokens.indexOf("<unk>")],
      [key("add_bos_token")]: ["bool", true],
      [key("add_eos_token")]: ["bool", true],
      [key("add_sep_token")]: ["bool", true],
    },
    tensors: {
      "token_embd.weight": { shape: [DIM, tokens.length], values: values(DIM * tokens.length, 0.5) },
      "token_types.weight": { shape: [DIM, 1], values: values(DIM, 0.5) },
      "cls.weight": { shape: [DIM, DIM], values: values(DIM * DIM, 0.25) },
      "cls.bias": { shape: [DIM], values: values(DIM, 0.1) },
      "cls.output.weight": { shape: [DIM, 1], values: values(DIM, 0.5) },
      "cls.output.bias": { shape: [1], values: values(1, 0.2) },
    },
  };
  return rewritten(file, changes);
}

/** gte-reranker-modernbert's tensors and keys: the mean of all tokens, pooler with a norm (cls, cls.norm) and classifier (cls.output). */
async function modernCrossEncoder(): Promise<Uint8Array<ArrayBuffer>> {
  const file = await architectureModel({
    architecture: "modern-bert",
    keys: {
      ...{ ...keys, "attention.causal": false, "attention.head_count_kv": 4, pooling_type: 4, context_length: 512 },
      ...{ "attention.sliding_window": 16, "rope.freq_base": 160000 },
    },
    seed: 13,
  });
  const seperator = (await openGguf(file)).metadata.get("tokenizer.ggml.eos_token_id") as number;
  return rewritten(file, {
    keys: {
      "tokenizer.ggml.pre": ["string", "modern-bert"],
      "tokenizer.ggml.seperator_token_id": ["uint32", seperator],
      ...Object.fromEntries(["bos", "eos", "sep"].map((role) => [`tokenizer.ggml.add_${role}_token`, ["bool", true]])),
    },
    tensors: {
      "cls.weight": { shape: [DIM, DIM], values: values(DIM * DIM, 0.25) },
      "cls.norm.weight": { shape: [DIM], values: values(DIM, 1) },
      "cls.output.weight": { shape: [DIM, 1], values: values(DIM, 0.5) },
      "cls.output.bias": { shape: [1], values: values(1, 0.2) },
    },
  });
}

// The converter's, after the model's card.
const template =
  "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
  'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n<Instruct>: Given a web search query, ' +
  "retrieve relevant passages that answer the query\n<Query>: {query}\n<Document>: {document}<|im_end|>\n" +
  "<|im_start|>assistant\n<think>\n\n</think>\n\n";
const YES = 300;
const NO = 411;

/** A Qwen3-Reranker: of llama.cpp's conversion, or of others, which know nothing of rerankers. */
async function answering(conversion: "llama.cpp" | "other", output: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const file = await architectureModel({
    ...{ architecture: "qwen3", keys: { ...keys, context_length: 512 }, seed: 11 },
    has: (name) => output && name === "output.weight",
  });
  const gguf = await openGguf(file);
  const tokens = [...gguf.metadata.getStrings("tokenizer.ggml.tokens")!];
  for (const [id, text] of [
    [YES, "yes"],
    [NO, "no"],
    [497, "<|im_start|>"],
    [498, "<|im_end|>"],
    [499, "<think>"],
    [500, "</think>"],
  ] as const) {
    tokens[id] = text;
  }
  const tensor = gguf.tensor(output ? "output.weight" : "token_embd.weight")!;
  const rows = new Float32Array(2 * DIM);
  for (const [i, id] of [YES, NO].entries()) {
    rows.set(new Float32Array((await gguf.readTensor(tensor, id * DIM * 4, DIM * 4)).buffer), i * DIM);
  }
  return rewritten(file, {
    keys: {
      "general.name": ["string", "Qwen3 Reranker Micro"],
      "tokenizer.ggml.tokens": ["string[]", tokens],
      "tokenizer.ggml.add_bos_token": ["bool", false],
      ...(conversion === "llama.cpp" && {
        "qwen3.pooling_type": ["uint32", 4],
        "qwen3.classifier.output_labels": ["string[]", ["yes", "no"]],
        "tokenizer.chat_template.rerank": ["string", template],
      }),
    },
    tensors: conversion === "llama.cpp" ? { "cls.output.weight": { shape: [DIM, 2], values: rows } } : {},
  });
}

/** The scores in the order of the documents. */
async function scoresOf(model: Model): Promise<number[]> {
  const ranked = await model.rerank(query, documents);
  return ranked.sort((a, b) => a.index - b.index).map(({ score }) => score);
}

async function scored(file: Uint8Array, options = {}): Promise<number[]> {
  const model = await loadWith(fastestBuild, file, { threads: 2, contextSize: 512, kvCache: "f32", ...options });
  try {
    return await scoresOf(model);
  } finally {
    await model.dispose();
  }
}

let files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
let recorded: Readonly<Record<string, Recorded>>;
beforeAll(async () => {
  files = {
    "bge-reranker": await crossEncoder(),
    "gte-reranker-modernbert": await modernCrossEncoder(),
    "Qwen3-Reranker": await answering("llama.cpp", false),
    "Qwen3-Reranker with an output matrix": await answering("llama.cpp", true),
  };
  if (process.env["CRIA_RECORD_ORACLE"] === "reranking") {
    const results = Object.entries(files).map(([name, file]) => {
      const [model, output] = [folder.path("model.gguf"), folder.path("scores.f32")];
      writeFileSync(model, file);
      const question = { model, pairs: { query, documents }, output, kvCache: "F32" };
      execFileSync(process.execPath, [native, JSON.stringify(question)], { stdio: "pipe" });
      const scores = new Float32Array(new Uint8Array(readFileSync(output)).buffer);
      return [name, { model: createHash("sha256").update(file).digest("hex"), scores: [...scores] }];
    });
    writeFileSync(fixture, `${JSON.stringify(Object.fromEntries(results), null, 2)}\n`);
  }
  recorded = existsSync(fixture) ? JSON.parse(readFileSync(fixture, "utf8")) : {};
}, 120_000);

describe("llama.cpp's scores", () => {
  it.each([
    ["bge-reranker", 5e-3], // it takes GELU from a table in f16
    ["gte-reranker-modernbert", 5e-3],
    ["Qwen3-Reranker", 2e-5],
    ["Qwen3-Reranker with an output matrix", 2e-5],
  ])("%s", async (name, bar) => {
    const file = files[name]!;
    // Another model than the recorded one says nothing about the engine.
    expect(createHash("sha256").update(file).digest("hex")).toBe(recorded[name]?.model);
    const ours = await scored(file);
    // node-llama-cpp makes a cross-encoder's score a probability.
    const theirs = recorded[name]!.scores.map((p) => (name.startsWith("Qwen3") ? p : Math.log(p / (1 - p))));
    const error = Math.max(...ours.map((score, i) => Math.abs(score - theirs[i]!)));
    const spread = Math.max(...theirs) - Math.min(...theirs);
    console.log(
      `${name}: ${ours.map((score) => score.toFixed(4))}, off by ${(error / spread).toExponential(1)} of their spread`,
    );
    expect(error / spread).toBeLessThan(bar);
    expect(spread).toBeGreaterThan(0.05);
  });
});

describe("a cross-encoder with XLM-R's tokenizer", () => {
  it("has two separators between the texts, also where an older file does not say so", async () => {
    const file = files["bge-reranker"]!;
    const older = { "tokenizer.ggml.add_sep_token": undefined, "tokenizer.ggml.seperator_token_id": undefined };
    expect(await scored(await rewritten(file, { keys: older }))).toEqual(await scored(file));
    const single = await rewritten(file, { keys: { "tokenizer.ggml.add_sep_token": ["bool", false] } });
    expect(await scored(single)).not.toEqual(await scored(file));
  });
});

describe("a Qwen3-Reranker without a ranking head", () => {
  it.each([false, true])("scores as the same model with one, with an output matrix of its own: %s", async (output) => {
    const name = output ? "Qwen3-Reranker with an output matrix" : "Qwen3-Reranker";
    const file = await answering("other", output);
    expect(await scored(file)).toEqual(await scored(files[name]!));
    const model = await loadModel(file, { threads: 1 });
    expect(model.info.embedding).toMatchObject({ reranks: true, pooling: "rank", pairTemplate: template });
    expect(model.info.warnings.join()).toMatch(/cls\.output\.weight is missing: .*"yes" and "no"/);
    expect((await model.createSequence().evaluate([1])).length).toBe(512); // it is still a decoder
    await model.dispose();
  });

  it("is one by its name, or by the option rerank", async () => {
    const file = await answering("other", false);
    const unnamed = await rewritten(file, { keys: { "general.name": ["string", "Zerank"] } });
    await expect(scored(unnamed)).rejects.toMatchObject({
      code: "NOT_A_RERANKER",
      message: expect.stringContaining("rerank: true"),
    });
    expect(await scored(unnamed, { rerank: true })).toEqual(await scored(file));
    await expect(scored(file, { rerank: false })).rejects.toMatchObject({ code: "NOT_A_RERANKER" });
    for (const [key, value] of [
      ["general.name", "Qwen.Qwen3-Reranker-0.6B"],
      ["general.basename", "qwen3_reranker"],
    ] as const) {
      expect(await scored(await rewritten(unnamed, { keys: { [key]: ["string", value] } }))).toEqual(
        await scored(file),
      );
    }
    const pooled = await rewritten(unnamed, { keys: { "qwen3.pooling_type": ["uint32", 4] } });
    expect(await scored(pooled)).toEqual(await scored(file));
  });

  it("refuses the option for another architecture, and a vocabulary without the answers", async () => {
    const llama = await architectureModel({ architecture: "llama" });
    await expect(loadModel(llama, { rerank: true })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: "rerank is set, but the model's architecture is llama: models that rank by their answers are qwen3",
    });
    const mute = await architectureModel({ architecture: "qwen3" });
    await expect(loadModel(mute, { rerank: true })).rejects.toMatchObject({ code: "NOT_A_RERANKER" });
  });
});
