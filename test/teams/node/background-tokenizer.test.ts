// The text worker makes the same of vocabularies and texts as this thread does.

import { type TokenizerMetadata, tokenizerFrom } from "cria/tokenizer";
import { describe, expect, it } from "vitest";
import { BackgroundTokenizer } from "../../../dist/tokenizer/background-tokenizer.js";
import { tokenizerTables } from "../../../dist/tokenizer/tables.js";
import { Tokenizer } from "../../../dist/tokenizer/tokenizer.js";
import { runProgram } from "../../support/run-program.js";
import { byteLevel, sentencePiece, wordPiece } from "../../support/synthetic-vocabularies.js";

type Metadata = Map<string, unknown>;

/** As `openGguf` gives it: strings are bytes. */
function asOpened(metadata: Metadata): Metadata {
  const encoder = new TextEncoder();
  const table = (texts: readonly string[]) => {
    const encoded = texts.map((text) => encoder.encode(text));
    const offsets = new Uint32Array(texts.length + 1);
    for (const [i, { length }] of encoded.entries()) offsets[i + 1] = offsets[i]! + length;
    const bytes = new Uint8Array(offsets.at(-1)!);
    for (const [i, text] of encoded.entries()) bytes.set(text, offsets[i]);
    return { bytes, offsets, length: texts.length };
  };
  return new Map(
    [...metadata].map(([key, value]) => [
      key,
      Array.isArray(value) && value.every((item) => typeof item === "string") ? table(value) : value,
    ]),
  );
}

const words = Array.from({ length: 12_000 }, (_, i) => `word${(i * 7919).toString(36)}`);
const merges = words.slice(0, 10_000).map((word) => `${word.slice(0, -1)} ${word.slice(-1)}`);

const kinds: readonly (readonly [string, () => Metadata])[] = [
  ["llama", () => sentencePiece([" the", "he", "th", ...words])],
  ["gpt2", () => byteLevel(["t h", "th e", "w o", "r d", "wo rd", ...merges], [["<|end|>", 3]])],
  ["bert", () => wordPiece(["the", "##word", "##1", "##2", ...words])],
];

describe.each(kinds)("a %s vocabulary", (_, make) => {
  it("gives the same ids for short and long texts, and the same texts for ids", async () => {
    const here = tokenizerFrom(make());
    const background = await BackgroundTokenizer.from(asOpened(make()) as Metadata & TokenizerMetadata);
    const { tokenizer } = background;
    const short = "the word word1 <|end|> wörd\n";
    for (const text of [short, short.repeat(100), words.slice(0, 1000).join(" ")]) {
      const expected = here.encode(text).join();
      expect((await background.encode(text)).join()).toBe(expected);
      expect(tokenizer.encode(text).join()).toBe(expected);
      for (const special of [true, false]) {
        const parts = [
          { text, special: !special },
          { text: "<|end|>", special },
        ];
        expect((await background.encodeParts(parts)).join()).toBe(here.encodeParts(parts).join());
      }
    }
    const ids = here.encode(words.slice(0, 1000).join(" "));
    expect(tokenizer.decode(ids)).toBe(here.decode(ids));
    for (let id = 0; id < here.vocabularySize; id += 97) {
      expect(tokenizer.tokenText(id)).toBe(here.tokenText(id));
      expect(tokenizer.tokenBytes(id).join()).toBe(here.tokenBytes(id).join());
    }
    const decoder = tokenizer.decoder();
    expect([...ids].map((id) => decoder.push(id)).join("") + decoder.end()).toBe(
      [...ids]
        .map(
          (
            (d) => (id: number) =>
              d.push(id)
          )(here.decoder()),
        )
        .join(""),
    );
    expect([...tokenizer.endOfGenerationIds]).toEqual([...here.endOfGenerationIds]);
  });
});

it.each(kinds)("a %s vocabulary in shared memory is never decoded there, which browsers refuse", (_, make) => {
  const { decode } = TextDecoder.prototype;
  TextDecoder.prototype.decode = function (this: TextDecoder, bytes?: ArrayBufferView, options?: object) {
    if (bytes?.buffer instanceof SharedArrayBuffer) throw new TypeError("the bytes are shared");
    return decode.call(this, bytes as Uint8Array, options);
  } as typeof decode;
  try {
    const tokenizer = new Tokenizer(tokenizerTables(make(), (bytes) => new SharedArrayBuffer(bytes)));
    const ids = tokenizer.encode("the word word1 <|end|> wörd\n", { special: true });
    const decoder = tokenizer.decoder({ special: true });
    for (const id of ids) expect(decoder.push(id) + tokenizer.tokenText(id)).toBeTypeOf("string");
    expect(tokenizer.decode(ids, { special: true })).toContain("the");
  } finally {
    TextDecoder.prototype.decode = decode;
  }
});

describe("a text worker that is prepared", () => {
  const module = new URL("../../../dist/tokenizer/background-tokenizer.js", import.meta.url).href;

  it("does what comes after, and before it is ready", () => {
    const { stdout } = runProgram(`
      import { StringTable } from "cria/gguf";
      import { BackgroundTokenizer } from ${JSON.stringify(module)};
      const words = Array.from({ length: 20_000 }, (_, i) => "word" + i);
      const metadata = new Map([
        ["tokenizer.ggml.model", "llama"],
        ["tokenizer.ggml.tokens", StringTable.from(["<unk>", "<s>", "</s>", ...words])],
      ]);
      BackgroundTokenizer.prepare();
      BackgroundTokenizer.prepare();
      const text = await BackgroundTokenizer.from(metadata);
      console.log((await text.encode("word7".repeat(1000))).length);
    `);
    expect(Number(stdout)).toBeGreaterThan(1);
  });

  it("does not keep a program alive when it has nothing to do", () => {
    const { stdout } = runProgram(`
      import { BackgroundTokenizer } from ${JSON.stringify(module)};
      BackgroundTokenizer.prepare();
      console.log("over");
    `);
    expect(stdout.trim()).toBe("over");
  });
});

describe("a malformed vocabulary", () => {
  it.each<[string, (metadata: Metadata) => unknown]>([
    ["merges that are not pairs", (metadata) => metadata.set("tokenizer.ggml.merges", ["ab"])],
    ["an id beyond the vocabulary", (metadata) => metadata.set("tokenizer.ggml.bos_token_id", 10 ** 6)],
    ["an unknown pre-tokenizer", (metadata) => metadata.set("tokenizer.ggml.pre", "none")],
    ["no tokens of its kind", (metadata) => metadata.set("tokenizer.ggml.tokens", 3)],
  ])("%s: fails with the same error in the worker", async (_, spoil) => {
    const make = () => {
      const metadata = byteLevel(merges);
      spoil(metadata);
      // Whatever else is large has the worker make the tables.
      return asOpened(metadata.set("tokenizer.ggml.more", words));
    };
    const failure = (error: unknown) => error as Error & { code: string; subject?: string };
    let here: ReturnType<typeof failure> | undefined;
    try {
      tokenizerFrom(make());
    } catch (error) {
      here = failure(error);
    }
    const there = await BackgroundTokenizer.from(make()).catch(failure);
    expect(here).toBeDefined();
    expect(there).toMatchObject({ name: here!.name, code: here!.code, message: here!.message });
    expect((there as { subject?: string }).subject).toBe(here!.subject);
    expect(there).toBeInstanceOf(here!.constructor);
  });
});
