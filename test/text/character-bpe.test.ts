// BPE over characters ("gemma4"): equal to llama.cpp's, whatever the text.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { byteTokens, CONTROL, metadataOf, type Token } from "../support/synthetic-vocabularies.js";

const fixture: {
  readonly metadata: readonly (readonly [string, unknown])[];
  readonly cases: readonly (readonly [text: string, ids: readonly number[]])[];
} = JSON.parse(readFileSync(new URL("../fixtures/character-bpe.json", import.meta.url), "utf8"));

const key = (name: string) => `tokenizer.ggml.${name}`;

function recorded(others: Readonly<Record<string, unknown>> = {}) {
  const metadata = new Map(fixture.metadata);
  metadata.set(key("scores"), Float32Array.from(metadata.get(key("scores")) as number[]));
  metadata.set(key("token_type"), Int32Array.from(metadata.get(key("token_type")) as number[]));
  for (const [name, value] of Object.entries(others)) metadata.set(key(name), value);
  return tokenizerFrom(metadata);
}

/** <bos> 0, <turn|> 1, 256 bytes from id 2, then `tokens` from id 258. */
function small(merges: readonly string[], tokens: readonly string[], more: Record<string, unknown> = {}) {
  const specials: Token[] = [
    ["<bos>", CONTROL],
    ["<turn|>", CONTROL],
  ];
  const all = [...specials, ...byteTokens, ...tokens.map((text): Token => [text])];
  return tokenizerFrom(metadataOf("gemma4", all, { merges: [...merges], bos_token_id: 0, ...more }));
}

describe("BPE over characters", () => {
  it("writes 400 random texts as llama.cpp does", () => {
    const tokenizer = recorded();
    expect(fixture.cases.length).toBe(400);
    for (const [text, ids] of fixture.cases)
      expect([text, [...tokenizer.encode(text, { bos: false })]]).toEqual([text, ids]);
  });

  it("gives every text back", () => {
    const tokenizer = recorded();
    // A mark of the vocabulary's own reads as the space that it stands for.
    for (const [text] of fixture.cases) {
      expect(tokenizer.decode(tokenizer.encode(text, { bos: false }))).toBe(text.replaceAll("▁", " "));
    }
  });

  it("begins a text with BOS even if the file says otherwise, and tells", () => {
    const tokenizer = recorded({ add_bos_token: false });
    expect(tokenizer.addsBos).toBe(true);
    expect(tokenizer.encode("a")[0]).toBe(2);
    expect(tokenizer.warnings).toContainEqual(expect.stringContaining("begin with BOS all the same"));
    expect(recorded().warnings).toEqual([]);
  });

  it("takes a run of line feeds that is a token whole, and otherwise merges it", () => {
    const tokenizer = small(["\n \n"], ["\n", "\n\n", "\n\n\n"]);
    expect([...tokenizer.encode("\n\n\n", { bos: false })]).toEqual([260]);
    expect([...tokenizer.encode("\n\n\n\n", { bos: false })]).toEqual([259, 259]);
    expect([...tokenizer.encode("\n\n\n\n\n", { bos: false })]).toEqual([259, 259, 258]);
  });

  it("does not merge over the end of a line", () => {
    const tokenizer = small(["a \n", "a b"], ["a", "b", "\n", "a\n", "ab"]);
    expect([...tokenizer.encode("a\nab", { bos: false })]).toEqual([258, 260, 262]);
  });

  it("merges spaces as marks, and writes anything else in bytes", () => {
    const tokenizer = small(["▁ ▁"], ["▁", "▁▁"]);
    expect([...tokenizer.encode("   é", { bos: false })]).toEqual([259, 258, 2 + 0xc3, 2 + 0xa9]);
    expect(tokenizer.decode([259, 258, 2 + 0xc3, 2 + 0xa9])).toBe("   é");
  });

  it("is meant by files that name it as a pre-tokenizer", () => {
    const { metadata } = fixture;
    const named = new Map(metadata);
    named.set(key("model"), "gpt2");
    named.set(key("pre"), "granite-embed-multi-311m");
    named.set(key("scores"), Float32Array.from(named.get(key("scores")) as number[]));
    named.set(key("token_type"), Int32Array.from(named.get(key("token_type")) as number[]));
    const [text, ids] = fixture.cases.find(([one]) => one.length > 60)!;
    expect([...tokenizerFrom(named).encode(text, { bos: false })]).toEqual(ids);
  });

  it("needs merges", () => {
    expect(() => tokenizerFrom(metadataOf("gemma4", [["a"]]))).toThrow(/no merges/);
  });
});
