// bge-m3 in small, from text to vectors, beside llama.cpp: a unigram vocabulary in XLM-RoBERTa's order of ids, one type of tokens, and the
// first token's state as the vector.
//
// llama.cpp's results are in test/fixtures/oracle/bge-m3.json. They are recorded where bench/peers is installed and built, by
//
//   CRIA_RECORD_ORACLE=bge-m3 npx vitest run test/teams/numbers/bge-m3.test.ts

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadModel } from "cria";
import { GgufWriter } from "cria/gguf";
import { beforeAll, expect, it } from "vitest";
import { Random } from "../../../bench/synthetic/random.js";
import { relativeError } from "../../support/reference/relative-error.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const [DIM, LAYERS, FFN, CONTEXT] = [64, 3, 96, 128];

const texts = [
  "The fox hid in the forest.",
  "Ein   Rezept f\u00fcr Brot mit N\u00fcssen",
  "\u0427\u0442\u043e \u0442\u0430\u043a\u043e\u0435 \u0432\u0435\u043a\u0442\u043e\u0440? \ufb01le not found",
  "\u6587\u5b57\u6570\u306e\u5f0f 12345",
  "a",
];

const fixture = fileURLToPath(new URL("../../fixtures/oracle/bge-m3.json", import.meta.url));
const native = fileURLToPath(new URL("../../../bench/peers/build/logits.js", import.meta.url));
const folder = temporaryFolder();

interface Recorded {
  /** SHA-256 of the model. */
  readonly model: string;
  /** Base64 of f32: (texts, DIM), of length 1. */
  readonly vectors: string;
}

/** XLM-RoBERTa's vocabulary, of the tokens and rules in the fixture of the unigram tokenizer. */
function setUnigram(writer: GgufWriter): number {
  const file = readFileSync(new URL("../../fixtures/unigram.json", import.meta.url), "utf8");
  const metadata = new Map<string, never>(JSON.parse(file).metadata);
  const values = <Value>(name: string): readonly Value[] => metadata.get(`tokenizer.ggml.${name}`)!;
  const tokens = ["<s>", "<pad>", "</s>", "<unk>", ...values<string>("tokens").slice(3)];
  const [control, unknown] = [3, 2];
  writer
    .set("tokenizer.ggml.model", "string", "t5")
    .set("tokenizer.ggml.pre", "string", "default")
    .set("tokenizer.ggml.tokens", "string[]", tokens)
    .set("tokenizer.ggml.scores", "float32[]", Float32Array.of(0, 0, 0, 0, ...values<number>("scores").slice(3)))
    .set(
      "tokenizer.ggml.token_type",
      "int32[]",
      Int32Array.of(control, control, control, unknown, ...values<number>("token_type").slice(3)),
    )
    .set("tokenizer.ggml.precompiled_charsmap", "uint8[]", Uint8Array.from(values<number>("precompiled_charsmap")))
    .set("tokenizer.ggml.add_space_prefix", "bool", true)
    .set("tokenizer.ggml.remove_extra_whitespaces", "bool", true)
    .set("tokenizer.ggml.token_type_count", "uint32", 1);
  const ids = { bos: 0, eos: 2, unknown: 3, seperator: 2, padding: 1, cls: 0 };
  for (const [role, id] of Object.entries(ids)) writer.set(`tokenizer.ggml.${role}_token_id`, "uint32", id);
  for (const role of ["bos", "eos", "sep"]) writer.set(`tokenizer.ggml.add_${role}_token`, "bool", true);
  return tokens.length;
}

async function modelFile(): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new GgufWriter().set("general.architecture", "string", "bert");
  const vocab = setUnigram(writer);
  const numbers = {
    context_length: CONTEXT,
    embedding_length: DIM,
    block_count: LAYERS,
    feed_forward_length: FFN,
    "attention.head_count": 4,
    pooling_type: 2,
  };
  for (const [key, value] of Object.entries(numbers)) writer.set(`bert.${key}`, "uint32", value);
  writer.set("bert.attention.layer_norm_epsilon", "float32", 1e-5).set("bert.attention.causal", "bool", false);
  const random = new Random(7);
  const data = new Map<string, Uint8Array>();
  const add = (name: string, shape: readonly number[], size: number, mean = 0) => {
    writer.addTensor(name, "F32", shape);
    const length = shape.reduce((product, n) => product * n, 1);
    data.set(name, new Uint8Array(Float32Array.from({ length }, () => mean + size * random.normal()).buffer));
  };
  const norm = (name: string) => {
    add(`${name}.weight`, [DIM], 0.1, 1);
    add(`${name}.bias`, [DIM], 0.3);
  };
  const linear = (name: string, columns: number, rows: number) => {
    add(`${name}.weight`, [columns, rows], Math.sqrt(2 / columns));
    add(`${name}.bias`, [rows], 0.3);
  };
  add("token_embd.weight", [DIM, vocab], 0.5);
  add("token_types.weight", [DIM], 0.5);
  add("position_embd.weight", [DIM, CONTEXT], 0.5);
  norm("token_embd_norm");
  for (let layer = 0; layer < LAYERS; layer++) {
    const blk = `blk.${layer}.`;
    for (const name of ["attn_q", "attn_k", "attn_v", "attn_output"]) linear(blk + name, DIM, DIM);
    norm(`${blk}attn_output_norm`);
    linear(`${blk}ffn_up`, DIM, FFN);
    linear(`${blk}ffn_down`, FFN, DIM);
    norm(`${blk}layer_output_norm`);
  }
  return writer.toBytes(data);
}

let file: Uint8Array<ArrayBuffer>;
let recorded: Recorded;

beforeAll(async () => {
  file = await modelFile();
  const digest = createHash("sha256").update(file).digest("hex");
  if (process.env["CRIA_RECORD_ORACLE"] === "bge-m3") record(digest);
  recorded = JSON.parse(readFileSync(fixture, "utf8"));
  expect(digest).toBe(recorded.model); // of another model, the results would say nothing
});

function record(digest: string): void {
  const [model, output] = [folder.path("model.gguf"), folder.path("output.f32")];
  writeFileSync(model, file);
  execFileSync(process.execPath, [native, JSON.stringify({ model, texts, output, kvCache: "F32" })]);
  const bytes = readFileSync(output);
  const vectors = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
  );
  for (let i = 0; i < texts.length; i++) {
    const vector = vectors.subarray(i * DIM, (i + 1) * DIM);
    const size = Math.hypot(...vector);
    vector.set(vector.map((value) => value / size));
  }
  const base64 = Buffer.from(vectors.buffer).toString("base64");
  writeFileSync(fixture, `${JSON.stringify({ model: digest, vectors: base64 }, null, 2)}\n`);
}

it("the vectors of texts", async () => {
  const model = await loadModel(file, { threads: 2 });
  try {
    const ours = Float32Array.from((await model.embed(texts)).flatMap((vector) => [...vector]));
    const theirs = new Float32Array(Uint8Array.from(Buffer.from(recorded.vectors, "base64")).buffer);
    const error = relativeError(theirs, ours);
    console.log(`bge-m3: ${error.toExponential(2)}`);
    expect(error).toBeLessThan(1e-3); // llama.cpp takes GELU from a table in f16
  } finally {
    await model.dispose();
  }
});
