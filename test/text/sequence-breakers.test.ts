// The sequence breakers of DRY: from texts to the tokens that hold them, begin them, or go on with them.

import { loadModel } from "cria";
import { openGguf } from "cria/gguf";
import { type Tokenizer, tokenizerFrom } from "cria/tokenizer";
import { expect, it } from "vitest";
import { tokenBreakers } from "../../dist/tokenizer/sequence-breakers.js";
import { sentencePiece } from "../support/synthetic-vocabularies.js";

const demo = new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url);

const textsOf = (tokenizer: Tokenizer, ids: Iterable<number>) => Array.from(ids, (id) => tokenizer.decode([id]));

it("a token that holds a breaker is one", () => {
  const tokenizer = tokenizerFrom(sentencePiece(["a", "b", "ab", "a:", "x:y", ":", "\n\n"]));
  const { singles, sequences } = tokenBreakers(tokenizer, [":", "\n"]);
  expect(textsOf(tokenizer, singles)).toEqual(["\n", ":", "a:", "x:y", ":", "\n\n"]);
  expect(sequences).toEqual([]);
});

it("a token that ends with the beginning of a breaker needs the tokens of the rest", () => {
  const tokenizer = tokenizerFrom(
    sentencePiece(["a", "b", "c", "xab", "bc", "abc", "xabcx"], { add_space_prefix: false }),
  );
  const { singles, sequences } = tokenBreakers(tokenizer, ["abc"]);
  expect(textsOf(tokenizer, singles)).toEqual(["abc", "xabcx"]);
  expect(sequences.map((sequence) => textsOf(tokenizer, sequence))).toEqual([
    ["a", "bc"],
    ["a", "bc"],
    ["xab", "c"],
  ]);
});

it("a breaker is never cut inside of a character", () => {
  const tokenizer = tokenizerFrom(sentencePiece(["a", "é", "xé"]));
  const { singles, sequences } = tokenBreakers(tokenizer, ["é"]);
  expect(textsOf(tokenizer, singles)).toEqual(["é", "xé"]);
  expect(sequences).toEqual([]);
});

it("those of the demo model are the tokens in which the texts are", async () => {
  const gguf = await openGguf(demo);
  const tokenizer = tokenizerFrom(gguf.metadata);
  await gguf.close();
  const { singles } = tokenBreakers(tokenizer, ["\n", "."]);
  const expected = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id).filter((id) =>
    /[\n.]/.test(tokenizer.decode([id], { special: true })),
  );
  expect([...singles]).toEqual(expected);
});

it("keep DRY from punishing what follows them", async () => {
  const model = await loadModel(demo, { threads: 1 });
  try {
    const prompt = "One day, a cat sat. One day, a dog sat. One day";
    const next = (dry?: { sequenceBreakers?: readonly string[] }) =>
      model.complete(prompt, {
        temperature: 0,
        maxTokens: 1,
        dry: dry && { multiplier: 50, allowedLength: 1, ...dry },
      });
    const plain = await next();
    const other = await next({ sequenceBreakers: [] });
    expect(plain.text).toBe(",");
    expect(other.text).not.toBe(",");
    expect((await next({ sequenceBreakers: ["y"] })).text).toBe(",");
  } finally {
    await model.dispose();
  }
});
