// Reranking: what a reranker's head computes, what it reads, and models without a head. The models are random and small. In their
// vocabulary a text has one token for each byte.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "cria";
import { GgufWriter, openGguf } from "cria/gguf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../../bench/synthetic/random.js";
import { architectureModel } from "../../support/architecture-model.js";
import { type FixtureShape, fixtureModel } from "../../support/fixture-model.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const entry = fileURLToPath(new URL("../../../dist/bin/main.js", import.meta.url));
const folder = temporaryFolder();

const CONTEXT = 128;
// One draw for all runs: how far the types of tokens move a score is measured on it.
const random = new Random(3);
const values = (count: number) => Float32Array.from({ length: count }, () => 0.3 * random.normal());

const ENCODER_DIM = 40;
const pooler = { weight: values(ENCODER_DIM * ENCODER_DIM), bias: values(ENCODER_DIM) };
const classifier = { weight: values(ENCODER_DIM), bias: values(1) };

const DIM = 64;
const answers = values(2 * DIM).map((value) => 0.1 * value); // so that probabilities are not all 0 or 1
const shape: FixtureShape = {
  ...{ dim: DIM, layers: 2, heads: 4, kvHeads: 2, ffn: 128, vocab: 512 },
  format: () => "Q8_0",
};

/** Writes into the tensors of a file. */
type Change = (tensor: (name: string) => Float32Array) => void;

/** A BERT with types of tokens, pooler and classifier; texts end with a token of their own. */
async function crossEncoderFile(types: 1 | 2, change: Change = () => undefined): Promise<Uint8Array<ArrayBuffer>> {
  const keys = { "attention.causal": false, pooling_type: 4 };
  const has = (name: string) => name === "token_types.weight";
  const gguf = await openGguf(await architectureModel({ architecture: "bert", keys, has }));
  const writer = new GgufWriter();
  for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
  writer.set("tokenizer.ggml.add_eos_token", "bool", true).set("tokenizer.ggml.token_type_count", "uint32", types);
  const data = new Map<string, Uint8Array>();
  for (const tensor of gguf.tensors) {
    const shape = tensor.name === "token_types.weight" ? [ENCODER_DIM, types] : tensor.shape;
    const size = 4 * shape.reduce((product, size) => product * size, 1);
    writer.addTensor(tensor.name, "F32", shape);
    data.set(tensor.name, await gguf.readTensor(tensor, 0, size));
  }
  change((name) => new Float32Array(data.get(name)!.buffer));
  const head = {
    "cls.weight": { shape: [ENCODER_DIM, ENCODER_DIM], values: pooler.weight },
    "cls.bias": { shape: [ENCODER_DIM], values: pooler.bias },
    "cls.output.weight": { shape: [ENCODER_DIM, 1], values: classifier.weight },
    "cls.output.bias": { shape: [1], values: classifier.bias },
  };
  for (const [name, tensor] of Object.entries(head)) {
    writer.addTensor(name, "F32", tensor.shape);
    data.set(name, new Uint8Array(tensor.values.buffer));
  }
  return writer.toBytes(data);
}

const options = { threads: 1, contextSize: CONTEXT };
const load = async (more: Partial<FixtureShape>) => loadModel(await fixtureModel({ ...shape, ...more }), options);

let crossEncoder: Model;
let decoder: Model;
beforeAll(async () => {
  const file = await crossEncoderFile(2);
  writeFileSync(folder.path("model.gguf"), file);
  crossEncoder = await loadModel(file, options);
  decoder = await load({
    architecture: "qwen3",
    keys: { pooling_type: 4 },
    metadata: {
      "tokenizer.chat_template.rerank": "<|begin_of_text|>Query: {query}\nDocument: {document}<|eot_id|>yes or no?",
      "tokenizer.ggml.add_bos_token": false,
    },
    tensors: { "cls.output.weight": { shape: [DIM, 2], values: answers } },
  });
});
afterAll(async () => {
  await crossEncoder.dispose();
  await decoder.dispose();
});

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, x, d) => sum + x * b[d]!, 0);
const documents = ["a fox", "a bear in the woods", "", "nothing of the kind", "a fox"];

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: { code?: unknown }) => error.code,
  );

describe("a cross-encoder", () => {
  it("scores by pooler, tanh and classifier of the first token of the pair", async () => {
    const { tokenizer } = crossEncoder;
    const encode = (text: string) => [...tokenizer.encode(text, { bos: false }), tokenizer.eosId!];
    const query = [tokenizer.bosId!, ...encode("who?")];
    const pairs = documents.map((document) => [...query, ...encode(document)]);
    // What embed reads has type 0. With the difference of the types in the positions behind the query, that comes to the same.
    const typed = await crossEncoderFile(2, (tensor) => {
      const types = tensor("token_types.weight");
      const positions = tensor("position_embd.weight");
      for (let i = query.length * ENCODER_DIM; i < positions.length; i++) {
        positions[i]! += types[ENCODER_DIM + (i % ENCODER_DIM)]! - types[i % ENCODER_DIM]!;
      }
    });
    const model = await loadModel(typed, options);
    const states = await model.embed(pairs, { pooling: "cls", normalize: false });
    await model.dispose();
    const expected = states.map((state) => {
      const pooled = Array.from(pooler.bias, (bias, row) => {
        return Math.tanh(dot(state, pooler.weight.subarray(row * ENCODER_DIM, (row + 1) * ENCODER_DIM)) + bias);
      });
      return dot(pooled, classifier.weight) + classifier.bias[0]!;
    });
    const ranked = await crossEncoder.rerank("who?", documents);
    expect(ranked.length).toBe(documents.length);
    for (const { index, score } of ranked) expect(score).toBeCloseTo(expected[index]!, 4);
    expect(new Set(expected.map((score) => score.toFixed(4))).size).toBe(documents.length - 1); // two are the same text
    const scores = await crossEncoder.embed(pairs, { pooling: "rank" }); // of type 0
    for (const { index, score } of ranked) expect(Math.abs(scores[index]![0]! - score)).toBeGreaterThan(0.002); // twenty times what the comparison above allows
  });

  it("with only one type of tokens uses it for both texts", async () => {
    const { tokenizer } = crossEncoder;
    const encode = (text: string) => [...tokenizer.encode(text, { bos: false }), tokenizer.eosId!];
    const model = await loadModel(await crossEncoderFile(1), options);
    const pairs = documents.map((document) => [tokenizer.bosId!, ...encode("who?"), ...encode(document)]);
    const scores = await model.embed(pairs, { pooling: "rank" });
    for (const { index, score } of await model.rerank("who?", documents)) {
      expect(scores[index]).toEqual(Float32Array.of(score));
    }
    await model.dispose();
  });

  it("refuses a pair that is too long, or leaves out the document's end", async () => {
    const long = "word ".repeat(100);
    expect(await codeOf(crossEncoder.rerank("who?", ["a", long]))).toBe("CONTEXT_FULL");
    let tokens = 0;
    const onUsage = (usage: { promptTokens: number }) => {
      tokens = usage.promptTokens;
    };
    await crossEncoder.rerank("who?", [long], { overlong: "truncate", onUsage });
    expect(tokens).toBe(CONTEXT);
    expect(await codeOf(crossEncoder.rerank(long, ["a"], { overlong: "truncate" }))).toBe("CONTEXT_FULL");
  });

  it("reports progress and usage, and can be aborted", async () => {
    let last: unknown;
    let tokens = 0;
    await crossEncoder.rerank("who?", documents, {
      onProgress: (done, total) => {
        last = [done, total];
      },
      onUsage: ({ promptTokens }) => {
        tokens = promptTokens;
      },
    });
    expect(last).toEqual([5, 5]);
    expect(tokens).toBe(documents.reduce((sum, document) => sum + 7 + document.length, 0)); // BOS, query, two EOS
    const reason = new Error("enough");
    await expect(crossEncoder.rerank("who?", documents, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("embeds only when the pooling is given", async () => {
    expect(crossEncoder.info.embedding).toMatchObject({ pooling: "rank", reranks: true });
    expect(await codeOf(crossEncoder.embed(["a"]))).toBe("RERANKER");
    expect(await codeOf(crossEncoder.embed(["a"], { pooling: "rank", normalize: true }))).toBe("INVALID_OPTION");
    expect(await codeOf(crossEncoder.embed(["a"], { pooling: "rank", dimensions: 1 }))).toBe("INVALID_OPTION");
  });
});

describe("a decoder that answers yes or no", () => {
  const prompt = (query: string, document: string) => [
    { text: "<|begin_of_text|>Query: ", special: true },
    { text: query, special: false },
    { text: "\nDocument: ", special: true },
    { text: document, special: false },
    { text: "<|eot_id|>yes or no?", special: true },
  ];

  it("scores by the probability of yes after the last token of the file's template", async () => {
    const query = "who? <|eot_id|>"; // which stays text
    const pairs = documents.map((document) => decoder.tokenizer.encodeParts(prompt(query, document)));
    const states = await decoder.embed(pairs, { pooling: "last", normalize: false });
    const expected = states.map((state) => {
      const [yes, no] = [answers.subarray(0, DIM), answers.subarray(DIM)].map((row) => dot(state, row));
      return 1 / (1 + Math.exp(no! - yes!));
    });
    for (const { index, score } of await decoder.rerank(query, documents)) {
      expect(score).toBeCloseTo(expected[index]!, 5);
    }
  });

  it("puts the best first, among equals the earlier, and returns as many as are asked for", async () => {
    const ranked = await decoder.rerank("who?", documents);
    expect(ranked).toEqual([...ranked].sort((a, b) => b.score - a.score || a.index - b.index));
    expect(new Set(ranked.map(({ score }) => score)).size).toBe(documents.length - 1); // two are the same text
    expect(await decoder.rerank("who?", documents, { topN: 2 })).toEqual(ranked.slice(0, 2));
    expect(await decoder.rerank("who?", [])).toEqual([]);
  });

  it("gives a document the same bits as alone", async () => {
    for (const { index, score } of await decoder.rerank("who?", documents)) {
      expect(await decoder.rerank("who?", [documents[index]!])).toEqual([{ index: 0, score }]);
    }
  });

  it("keeps the end of the template when a document is cut", async () => {
    const long = "word ".repeat(100);
    const { tokenizer } = decoder;
    const ids = tokenizer.encodeParts(prompt("who?", long));
    const end = tokenizer.encodeParts(prompt("who?", long).slice(-1));
    const cut = [...ids.slice(0, CONTEXT - end.length), ...end];
    const [[score] = []] = await decoder.embed([cut], { pooling: "rank" });
    expect(await decoder.rerank("who?", [long], { overlong: "truncate" })).toEqual([{ index: 0, score }]);
  });
});

describe("cria rerank", () => {
  const run = (args: readonly string[], input = "") => {
    const options = ["-m", folder.path("model.gguf"), "-c", String(CONTEXT), "-t", "2"];
    const { status, stdout, stderr } = spawnSync(process.execPath, [entry, "rerank", ...options, ...args], {
      ...{ input, encoding: "utf8" },
    });
    return { code: status, out: stdout, err: stderr };
  };

  it("prints what the library returns, the best first, for arguments, lines of a file, or stdin", async () => {
    const ranked = await crossEncoder.rerank("who?", documents);
    const lines = ranked.map(({ index, score }) => `${score.toFixed(6)}\t${index}\t${documents[index]}\n`);
    expect(run(["who?", ...documents]).out).toBe(lines.join(""));
    writeFileSync(folder.path("lines.txt"), `${documents.join("\n")}\n`);
    expect(run(["who?", "-f", folder.path("lines.txt"), "--top-n", "2"]).out).toBe(lines.slice(0, 2).join(""));
    const rows = JSON.parse(run(["--json", "who?"], documents.join("\n")).out);
    expect(rows).toEqual(ranked.map((row) => ({ ...row, document: documents[row.index] })));
  });

  it("refuses what the library refuses, in one line", () => {
    const long = "word ".repeat(100);
    expect(run(["who?", long])).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/^cria: .*128.*\n$/) });
    expect(run(["who?", long, "--overlong", "truncate"]).code).toBe(0);
    expect(run(["who?", "a", "-f", "lines.txt"])).toMatchObject({ code: 2, err: expect.stringContaining("not both") });
    expect(run(["who?"], "").err).toMatch(/a document is missing/);
  });
});

describe("mistakes", () => {
  it("a score that is not a number is refused", async () => {
    const broken = await crossEncoderFile(2, (tensor) => void tensor("token_embd.weight").fill(Number.NaN));
    const model = await loadModel(broken, options);
    expect(await codeOf(model.rerank("who?", ["a fox"]))).toBe("NAN_LOGITS");
    await model.dispose();
  });

  it("a model without a head says so", async () => {
    const model = await load({});
    expect(await codeOf(model.rerank("who?", ["a fox"]))).toBe("NOT_A_RERANKER");
    expect(await codeOf(model.embed(["a"], { pooling: "rank" }))).toBe("NOT_A_RERANKER");
    await model.dispose();
  });

  it.each([
    ["a query that is not a text", [1 as never, ["a"], {}]],
    ["documents that are not an array", ["a", "b" as never, {}]],
    ["documents that are not texts", ["a", [1 as never], {}]],
    ["an unknown option", ["a", ["b"], { top: 1 } as never]],
    ["topN below 0", ["a", ["b"], { topN: -1 }]],
    ["a mean of chunks", ["a", ["b"], { overlong: "chunk-mean" as never }]],
  ] as const)("%s", async (_, [query, given, options]) => {
    expect(await codeOf(crossEncoder.rerank(query, given, options))).toBe("INVALID_OPTION");
  });
});
