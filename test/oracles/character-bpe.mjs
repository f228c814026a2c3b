// Compares cria's BPE over characters ("gemma4") with llama.cpp's answers, on a vocabulary that it trains on the repository's documents:
//
//   node test/oracles/character-bpe.mjs 20000 [FIXTURE]
//
// with bench/peers installed. FIXTURE is a file for the test's fixture: the vocabulary and the first 400 texts and ids
// (test/fixtures/character-bpe.json).

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { GgufWriter } from "../../dist/gguf/index.js";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";

const [count, fixture] = process.argv.slice(2);
const MERGES = 600;
const docs = new URL("../../docs/", import.meta.url);
const corpus = readdirSync(docs)
  .filter((name) => name.endsWith(".md"))
  .sort()
  .map((name) => readFileSync(new URL(name, docs), "utf8"))
  .join("\n");

let seed = 1;
/** The next pseudo-random integer below `n` (Park and Miller). */
const below = (n) => {
  seed = (seed * 48271) % 2147483647;
  return seed % n;
};

/** The most frequent pairs of neighbours, merged one after another. */
function train(text) {
  const lines = text
    .replaceAll(" ", "▁")
    .match(/\n+|[^\n]+/g)
    .map((line) => [...line]);
  const merges = [];
  while (merges.length < MERGES) {
    const counts = new Map();
    for (const line of lines) {
      for (let i = 1; i < line.length; i++) {
        const pair = `${line[i - 1]} ${line[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const [best] = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most));
    merges.push(best);
    const [left, right] = best.split(" ");
    for (const line of lines) {
      for (let i = 1; i < line.length; i++) {
        if (line[i - 1] === left && line[i] === right) line.splice(i - 1, 2, left + right);
      }
    }
  }
  return merges;
}

const merges = train(corpus.slice(0, 60000));
const letters = [...new Set(corpus.slice(0, 60000).replaceAll(" ", "▁"))].filter((letter) => letter !== "\n").sort();
// A merge of three line feeds that are no token, and one whose result is no token: both become bytes.
merges.push("\n \n", "\n\n \n", "ü ß");
const hidden = new Set(["\n\n\n", "üß"]);
const made = merges.map((merge) => merge.replace(" ", "")).filter((text) => !hidden.has(text));
const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
const specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>", "<|tool_response>"];
const tokens = [...new Set([...specials, ...bytes, "\n", "\n\n\n\n", ...letters, ...made])];
const types = tokens.map((text) => (specials.includes(text) ? 3 : bytes.includes(text) ? 6 : 1));
const metadata = new Map([
  ["tokenizer.ggml.model", "gemma4"],
  ["tokenizer.ggml.tokens", tokens],
  ["tokenizer.ggml.token_type", types],
  ["tokenizer.ggml.scores", tokens.map((_, id) => -id)],
  ["tokenizer.ggml.merges", merges],
  ["tokenizer.ggml.bos_token_id", 2],
  ["tokenizer.ggml.eos_token_id", 1],
  ["tokenizer.ggml.unknown_token_id", 3],
  ["tokenizer.ggml.padding_token_id", 0],
  ["tokenizer.ggml.add_bos_token", true],
]);

function randomText() {
  const pieces = [
    () => corpus.slice(below(corpus.length - 60)).slice(0, below(60)),
    () => "\n".repeat(below(7)),
    () => " ".repeat(below(5)),
    () => String.fromCodePoint(0x20 + below(0x2000)),
    () => String.fromCodePoint(0x1f300 + below(600)),
    () => ["üß", "▁", "\t", "\r\n", "<turn|>", "<0x41>", "é"][below(7)],
    () => letters[below(letters.length)].repeat(below(4)),
  ];
  return Array.from({ length: below(8) }, () => pieces[below(pieces.length)]()).join("");
}

const folder = mkdtempSync(join(tmpdir(), "cria-oracle-"));
const writer = new GgufWriter().set("general.architecture", "string", "llama").set("llama.context_length", "uint32", 8);
const kinds = { "tokenizer.ggml.tokens": "string[]", "tokenizer.ggml.merges": "string[]" };
for (const [key, value] of metadata) {
  if (key.endsWith("scores")) writer.set(key, "float32[]", Float32Array.from(value));
  else if (key.endsWith("token_type")) writer.set(key, "int32[]", Int32Array.from(value));
  else if (typeof value === "number") writer.set(key, "uint32", value);
  else if (typeof value === "boolean") writer.set(key, "bool", value);
  else writer.set(key, kinds[key] ?? "string", value);
}
const path = join(folder, "vocabulary.gguf");
writeFileSync(path, await writer.toBytes(new Map()));

const peers = createRequire(new URL("../../bench/peers/package.json", import.meta.url));
const { getLlama } = await import(pathToFileURL(peers.resolve("node-llama-cpp")).href);
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error" });
const theirs = await llama.loadModel({ modelPath: path, vocabOnly: true });
const ours = tokenizerFrom(
  new Map(
    [...metadata].map(([key, value]) => [
      key,
      key.endsWith("scores") ? Float32Array.from(value) : key.endsWith("token_type") ? Int32Array.from(value) : value,
    ]),
  ),
);

const cases = [];
let different = 0;
for (let i = 0; i < Number(count); i++) {
  const text = randomText();
  const expected = [...theirs.tokenize(text, false, "trimLeadingSpace")];
  const actual = [...ours.encode(text, { bos: false })];
  if (expected.join() !== actual.join() && different++ < 5) console.log(JSON.stringify({ text, expected, actual }));
  if (cases.length < 400) cases.push([text, expected]);
}
console.log({ texts: Number(count), different });
if (different > 0) process.exitCode = 1;
if (fixture !== undefined) writeFileSync(fixture, JSON.stringify({ metadata: [...metadata], cases }));
rmSync(folder, { recursive: true });
await llama.dispose();
