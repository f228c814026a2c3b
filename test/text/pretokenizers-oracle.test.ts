// Every pre-tokenizer's name beside llama.cpp: the ids of 300 random texts, in a vocabulary that merges any two bytes, so that ids show
// where words end. llama.cpp's are in test/fixtures/pretokenizers.json, as one digest of 32 bits for each text. They are recorded where
// bench/peers is installed by
//
//   CRIA_RECORD_ORACLE=pretokenizers npx vitest run test/text/pretokenizers-oracle.test.ts

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type GgufInput, type GgufType, GgufWriter } from "cria/gguf";
import { expect, it } from "vitest";
import { Random } from "../../bench/synthetic/random.js";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { preTokenizerNamed } from "../../dist/tokenizer/pretokenizers.js";
import { byteLetters, byteLevel, CONTROL } from "../support/synthetic-vocabularies.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** What llama.cpp makes of names that are one thing to it. */
interface Recorded {
  readonly names: readonly string[];
  readonly addsBos: boolean;
  /** Base64: 4 bytes for each text. */
  readonly digests: string;
}

const fixture = fileURLToPath(new URL("../fixtures/pretokenizers.json", import.meta.url));
const oracle = fileURLToPath(new URL("../oracles/tokenize.mjs", import.meta.url));

/** The names that llama.cpp knows and that run here. */
const names = [
  ...["a.x-4.0", "bloom", "chatglm-bpe", "codeshell", "cohere2moe", "command-r", "dbrx", "deepseek-coder"],
  "deepseek-llm",
  ...["deepseek-r1-qwen", "deepseek-v3", "default", "exaone", "exaone4", "f2llmv2", "falcon", "falcon-h1", "falcon3"],
  ...["gigachat", "glm4", "gpt-2", "gpt-4o", "gpt3-finnish", "granite-docling", "granite-embed-multi-97m", "grok-2"],
  ...["hunyuan", "hunyuan-dense", "jais", "jina-de", "jina-es", "jina-v1-en", "jina-v2-code", "jina-v2-de"],
  ...["jina-v2-es", "jina-v5-nano", "joyai-llm", "kanana2", "kimi-k2", "kormo", "lfm2", "llama-bpe", "llama-v3"],
  ...["llama3", "llama4", "megrez", "mellum", "mellum2", "midm-2.0", "minerva-7b", "minicpm5", "minimax-m2"],
  ...["modern-bert", "mpt", "olmo", "phi-2", "pixtral", "poro-chat", "qwen2", "qwen35", "refact", "roberta-bpe"],
  ...["seed-coder", "smaug-bpe", "smollm", "solar-open", "stablelm2", "starcoder", "superbpe", "talkie", "tekken"],
  ...["tiny_aya", "trillion", "ufakzeka", "viking"],
];

/** The names that llama.cpp knows, of architectures or ways to write bytes that do not run here. */
const refused = [
  ...["afmoe", "bailingmoe", "bailingmoe2", "chameleon", "exaone-moe", "jais-2", "laguna", "llada-moe"],
  ...["sarvam-moe", "whitespace", "youtu"],
];

const parts = [
  ..." \n\r\t'.,!?$+<=>^~|`_-/\"()#@[]{}%&*:;\\aZ17",
  ..."é½Ⅷ١яΩЯ中日語㐀한ßﬁǅʰ。、，～‘€ࠀかカ々\u0301\u093e\u00a0\u3000\u2003\u0085\u2028\ufeff\u200d\u001b",
  ...["🙂", "𝒜", "𐐀", "𝟙", "𠀀", "'s", "'LL", "'re", "HE", "he", "hE", "  ", "\r\n", "123", "4567", "1234567"],
  ...[" the", "The", "n't", "\n\n", "   ", "मानक", "é", "...", "//"],
];

function randomTexts(): string[] {
  const random = new Random(1);
  return Array.from({ length: 300 }, () =>
    Array.from({ length: 1 + random.below(24) }, () => parts[random.below(parts.length)]!).join(""),
  );
}

/** All pairs of bytes that the texts have, in a random order, and some words that no merges make. */
function vocabulary(name: string): Map<string, unknown> {
  const random = new Random(2);
  const bytes = [...new Set(new TextEncoder().encode(parts.join("")))].map((byte) => byteLetters[byte]!);
  const merges = bytes.flatMap((left) => bytes.map((right) => `${left} ${right}`));
  for (let i = merges.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [merges[i], merges[j]] = [merges[j]!, merges[i]!];
  }
  const written = (word: string) => [...new TextEncoder().encode(word)].map((byte) => byteLetters[byte]).join("");
  const words = [" the", "The", "123", "456", "he's", "ZHE", "中日", "..."].map((word) => [written(word)] as const);
  const end = 256 + merges.length + words.length;
  return byteLevel(merges, [...words, ["<|end|>", CONTROL]], { pre: name, bos_token_id: end, eos_token_id: end });
}

function digestOf(ids: readonly (readonly number[])[]): string {
  const digests = ids.map((one) => createHash("sha256").update(one.join()).digest().subarray(0, 4));
  return Buffer.concat(digests).toString("base64");
}

const types: readonly (readonly [(value: unknown) => boolean, GgufType])[] = [
  [(value) => typeof value === "string", "string"],
  [(value) => typeof value === "number", "uint32"],
  [(value) => value instanceof Int32Array, "int32[]"],
  [(value) => value instanceof Float32Array, "float32[]"],
  [Array.isArray, "string[]"],
];

/** A file that has a vocabulary and no weights. */
async function vocabularyFile(name: string): Promise<Uint8Array> {
  const writer = new GgufWriter().set("general.architecture", "string", "llama");
  const keys = {
    context_length: 64,
    embedding_length: 8,
    block_count: 1,
    feed_forward_length: 8,
    "attention.head_count": 1,
  };
  for (const [key, value] of Object.entries(keys)) writer.set(`llama.${key}`, "uint32", value);
  writer.set("llama.attention.layer_norm_rms_epsilon", "float32", 1e-5);
  for (const [key, value] of vocabulary(name)) {
    writer.set(key, types.find(([is]) => is(value))![1], value as GgufInput);
  }
  return writer.toBytes(new Map());
}

const folder = temporaryFolder();
const recording = process.env["CRIA_RECORD_ORACLE"] === "pretokenizers";

it.runIf(recording)("is recorded", { timeout: 600_000 }, async () => {
  for (const [i, name] of names.entries()) writeFileSync(folder.path(`${i}.gguf`), await vocabularyFile(name));
  writeFileSync(folder.path("texts.json"), JSON.stringify(randomTexts()));
  const question = { models: names.map((_, i) => folder.path(`${i}.gguf`)), texts: folder.path("texts.json") };
  const output = execFileSync(process.execPath, [oracle, JSON.stringify(question)], { maxBuffer: 2 ** 30 });
  const answers: { addsBos: boolean; ids: number[][] }[] = JSON.parse(output.toString());
  const groups = new Map<string, { names: string[]; addsBos: boolean; digests: string }>();
  for (const [i, name] of names.entries()) {
    const { addsBos, ids } = answers[i]!;
    const digests = digestOf(ids);
    const group = groups.get(`${addsBos}${digests}`);
    if (group === undefined) groups.set(`${addsBos}${digests}`, { names: [name], addsBos, digests });
    else group.names.push(name);
  }
  writeFileSync(fixture, `${JSON.stringify([...groups.values()], null, 1)}\n`);
});

const recorded = JSON.parse(readFileSync(fixture, "utf8")) as readonly Recorded[];

it.each(names)("%s: the ids of llama.cpp", (name) => {
  const tokenizer = tokenizerFrom(vocabulary(name));
  const texts = randomTexts();
  const ids = texts.map((text) => [...tokenizer.encode(text, { bos: false })]);
  const expected = recorded.find((group) => group.names.includes(name))!;
  const [ours, theirs] = [digestOf(ids), expected.digests].map((digests) => Buffer.from(digests, "base64"));
  const different = texts.filter((_, i) => ours!.readUInt32LE(4 * i) !== theirs!.readUInt32LE(4 * i));
  expect(different).toEqual([]);
  expect(tokenizer.addsBos).toBe(expected.addsBos);
});

it.each(refused)("%s is refused", (name) => {
  expect(() => preTokenizerNamed(name)).toThrowError(expect.objectContaining({ code: "UNSUPPORTED_PRETOKENIZER" }));
});
