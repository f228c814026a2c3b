// Wrong arguments of the tokenizer's methods: one typed error at once. null counts as absent where a value is optional.

import { CriaError } from "cria";
import { describe, expect, it } from "vitest";
import { type Tokenizer, tokenizerFrom } from "../../dist/tokenizer/index.js";
import { byteLevel, CONTROL, sentencePiece, wordPiece } from "../support/synthetic-vocabularies.js";

const hostile: readonly (readonly [string, unknown])[] = [
  ["null", null],
  ["undefined", undefined],
  ["a number", 5],
  ["NaN", Number.NaN],
  ["a BigInt", 1n],
  ["a symbol", Symbol("s")],
  ["a function", () => "a"],
  ["an object", {}],
  ["an object without a primitive form", Object.create(null)],
  ["a String object", new String("a")],
  ["an array of strings", ["a", "b"]],
  ["an array of null", [null]],
  ["an array of BigInts", [1n]],
  [
    "a proxy that refuses everything",
    new Proxy(
      {},
      {
        get: () => {
          throw new Error("no");
        },
      },
    ),
  ],
  ["a revoked proxy", revoked()],
];

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const kinds: readonly (readonly [string, Tokenizer])[] = [
  ["llama", tokenizerFrom(sentencePiece(["a"]))],
  ["gpt2", tokenizerFrom(byteLevel(["a b"], [["<|end|>", CONTROL]]))],
  ["bert", tokenizerFrom(wordPiece(["a"]))],
];

const typed = expect.objectContaining({ code: expect.stringMatching(/^INVALID_(OPTION|TOKEN)$/) });

describe.each(kinds)("%s", (_kind, tokenizer) => {
  it.each(hostile)("%s is refused wherever a value is needed", (_name, value) => {
    const given = value as never;
    const calls = {
      encode: () => tokenizer.encode(given),
      count: () => tokenizer.count(given),
      encodeParts: () => tokenizer.encodeParts(given),
      decode: () => tokenizer.decode(given),
      push: () => tokenizer.decoder().push(given),
      tokenText: () => tokenizer.tokenText(given === 5 ? (5.5 as never) : given),
      tokenBytes: () => tokenizer.tokenBytes(given === 5 ? (-1 as never) : given),
      isSpecial: () => tokenizer.isSpecial(given === 5 ? (1e9 as never) : given),
      idOf: () => tokenizer.idOf(given),
    };
    for (const [name, call] of Object.entries(calls)) {
      if (name === "push" && value === 5) continue; // an id
      expect(call, name).toThrowError(CriaError);
      expect(call, name).toThrowError(typed);
    }
  });

  it("null options are absent ones; others of a wrong type are refused, unknown names too", () => {
    expect(tokenizer.encode("a", null as never)).toEqual(tokenizer.encode("a"));
    expect(tokenizer.encode("a", { bos: null, special: null } as never)).toEqual(tokenizer.encode("a"));
    expect(tokenizer.decode([5], { special: null } as never)).toBe(tokenizer.decode([5]));
    const message = 'encode has no option "addBos"; it has special, bos';
    expect(() => tokenizer.encode("a", { addBos: true } as never)).toThrowError(expect.objectContaining({ message }));
    for (const call of [
      () => tokenizer.encode("a", { bos: 1 } as never),
      () => tokenizer.encode("a", { special: "yes" } as never),
      () => tokenizer.encode("a", 5 as never),
      () => tokenizer.decode([5], { special: 1 } as never),
      () => tokenizer.decoder({ continues: {} } as never),
      () => tokenizer.encodeParts([{ text: 1, special: false }] as never),
      () => tokenizer.encodeParts([{ text: "a", special: 1 }] as never),
    ]) {
      expect(call).toThrowError(expect.objectContaining({ code: "INVALID_OPTION" }));
    }
  });

  it("ids may be any iterable, and none of them may lie outside the vocabulary", () => {
    expect(tokenizer.decode(new Set([5]))).toBe(tokenizer.decode(Int32Array.of(5)));
    for (const id of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, tokenizer.vocabularySize]) {
      expect(() => tokenizer.decode([id])).toThrowError(expect.objectContaining({ code: "INVALID_TOKEN" }));
    }
  });
});
