// The texts of bench/peers have the lengths that its tables name, and both sides' tokenizers the same ids for them.

import { GgufWriter, openGguf } from "cria/gguf";
import { tokenizerFrom } from "cria/tokenizer";
import { describe, expect, it } from "vitest";
import { bertTokenizer } from "../../bench/peers/src/bert-tokenizer.js";
import { textsOf } from "../../bench/peers/src/texts.js";
import { setWordPieces } from "../../bench/synthetic/word-pieces.js";
import { hasReferenceData, referenceData } from "../support/reference-data.js";

const synthetic = () => {
  const writer = new GgufWriter().set("general.architecture", "string", "bert");
  setWordPieces(writer, 30522);
  return writer.header();
};

describe.each([
  ["a synthetic vocabulary", true, synthetic],
  ["BERT's vocabulary", hasReferenceData, () => referenceData("tokenizers/ggml-vocab-bert-bge.gguf")],
])("texts of bench/peers, by %s", (_name, isPresent, source) => {
  it.runIf(isPresent)("have as many tokens as they are to have, and are the same tokens to the peer", async () => {
    const { metadata } = await openGguf(source());
    const [ours, theirs] = [tokenizerFrom(metadata), bertTokenizer(metadata)];
    const countTokens = (text: string) => ours.encode(text).length;

    const short = textsOf({ count: 64, tokens: [8, 16] }, countTokens);
    const lengths = short.map(countTokens);
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([8, 16]);
    expect(new Set(lengths).size).toBe(9);
    const long = textsOf({ count: 16, tokens: [128, 128] }, countTokens);
    expect(new Set(long.map(countTokens))).toEqual(new Set([128]));
    const mixed = textsOf({ count: 64, tokens: "mixed" }, countTokens);
    for (const texts of [short, long, mixed]) {
      expect(new Set(texts).size).toBe(texts.length);
      for (const text of texts) expect(theirs.encode(text).ids).toEqual([...ours.encode(text)]);
    }
  });
});
