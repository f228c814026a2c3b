// The tokenizer against ids that reference implementations gave for real vocabularies.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openGguf } from "../../dist/gguf/index.js";
import { type Tokenizer, tokenizerFrom } from "../../dist/tokenizer/index.js";
import { hasReferenceData, referenceData } from "../support/reference-data.js";

async function tokenizerOf(path: string): Promise<Tokenizer> {
  const gguf = await openGguf(path);
  try {
    return tokenizerFrom(gguf.metadata);
  } finally {
    await gguf.close();
  }
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

const vocabularies = [
  "tokenizers/ggml-vocab-llama-spm.gguf",
  "tokenizers/ggml-vocab-gpt-2.gguf",
  "tokenizers/ggml-vocab-deepseek-llm.gguf",
  "tokenizers/ggml-vocab-bert-bge.gguf",
  "tokenizers/llama3.1-vocab.gguf",
];
const architectures = [
  "bert",
  "nomic-bert",
  "gemma3",
  "gemma-embedding",
  "gemma-embedding-dense",
  "llama-gqa8",
  "llama-yarn",
  "qwen2",
  "qwen3",
];

interface Golden {
  readonly texts: readonly string[];
  readonly results: Record<string, readonly { readonly plain: number[]; readonly special: number[] }[]>;
}

describe.skipIf(!hasReferenceData)("tokenizers of real models", () => {
  it.each([...vocabularies, "stories260k/stories260K-f32.gguf"])("%s gives the golden ids", async (file) => {
    const tokenizer = await tokenizerOf(referenceData(file));
    const golden = readJson<Golden>(referenceData("tokenizers/golden.json"));
    const expected = golden.results[file.slice(file.indexOf("/") + 1)]!;
    expect(expected).toHaveLength(golden.texts.length);
    golden.texts.forEach((text, i) => {
      const plain = [...tokenizer.encode(text, { special: false, bos: false })];
      const special = [...tokenizer.encode(text, { special: true, bos: false })];
      expect({ text, plain, special }).toEqual({ text, ...expected[i] });
    });
  });

  it.each(vocabularies)("%s gives the ids of its .out file, and its texts back", async (file) => {
    const tokenizer = await tokenizerOf(referenceData(file));
    const texts = readFileSync(referenceData(`${file}.inp`), "utf8").split("\n__ggml_vocab_test__\n");
    const lines = readFileSync(referenceData(`${file}.out`), "utf8").split("\n");
    expect(texts.length).toBeGreaterThan(40);
    texts.forEach((text, i) => {
      const ids = tokenizer.encode(text, { special: false, bos: false });
      expect({ text, ids: [...ids] }).toEqual({ text, ids: (lines[i]!.match(/\d+/g) ?? []).map(Number) });
      if (tokenizer.model !== "bert") expect(tokenizer.decode(ids)).toBe(text);
    });
  });

  it.each(architectures)("%s gives the ids of its texts, with begin and end by the flags of the file", async (name) => {
    const tokenizer = await tokenizerOf(referenceData(`architectures/${name}/Q8_0.gguf`));
    const cases = readJson<{ text: string; ids: number[] }[]>(referenceData(`architectures/${name}/texts.json`));
    expect(cases.length).toBeGreaterThan(20);
    for (const { text, ids } of cases) expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids });
  });

  it("Llama 3.1 has its special tokens and its ends of generation", async () => {
    const tokenizer = await tokenizerOf(referenceData("tokenizers/llama3.1-vocab.gguf"));
    const ids = tokenizer.encode("<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", { special: true });
    expect([...ids]).toEqual([128000, 128006, 882, 128007, 271, 13347, 128009]);
    expect(tokenizer.decode(ids)).toBe("user\n\nHi");
    expect([...tokenizer.endOfGenerationIds].sort()).toEqual([128001, 128009]);
    expect(tokenizer.idOf("<|eot_id|>")).toBe(128009);
    expect(tokenizer.vocabularySize).toBe(128256);
  });

  it.each(vocabularies)("%s encodes and decodes a long text in pieces as it does whole", async (file) => {
    const tokenizer = await tokenizerOf(referenceData(file));
    const text = "Once upon a time, 3 llamas — naïve ones 🦙👩‍👩‍👧 — said: “日本語!”\n".repeat(20);
    const ids = tokenizer.encode(text, { bos: false });
    const decoder = tokenizer.decoder();
    const parts = [...ids].map((id) => decoder.push(id));
    parts.push(decoder.end());
    if (tokenizer.model === "bert") return expect(parts.join("")).toContain("once upon a time");
    expect(parts.join("")).toBe(text);
    expect(parts.every((part) => !part.includes("\ufffd"))).toBe(true);
  });
});

const demo = fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));

describe.skipIf(!existsSync(demo))("the tokenizer of the demo model", () => {
  it("encodes a chat turn", async () => {
    const tokenizer = await tokenizerOf(demo);
    const ids = tokenizer.encodeParts([
      { text: "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n", special: true },
      { text: "Tell me a story about a fox named Mia who lives in a forest.", special: false },
      { text: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", special: true },
    ]);
    expect([...ids]).toEqual([
      2043, 2045, 356, 2046, 344, 706, 407, 256, 417, 434, 256, 1061, 314, 970, 378, 534, 300, 256, 1305, 13, 2047,
      2045, 358, 2046, 344,
    ]);
    expect([...tokenizer.endOfGenerationIds].map((id) => tokenizer.tokenText(id)).sort()).toEqual([
      "<|end_of_text|>",
      "<|eot_id|>",
    ]);
  });
});
