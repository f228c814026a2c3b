// Malformed vocabularies end in one clear error, and hostile texts in linear time.

import { describe, expect, it } from "vitest";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { preTokenizerNamed, wordEnds } from "../../dist/tokenizer/pretokenizers.js";
import {
  BYTE,
  byteLevel,
  byteTokens,
  CONTROL,
  metadataOf,
  NORMAL,
  sentencePiece,
  USER_DEFINED,
  wordPiece,
} from "../support/synthetic-vocabularies.js";

const TOKENS = "tokenizer.ggml.tokens";
const SCORES = "tokenizer.ggml.scores";
const TYPES = "tokenizer.ggml.token_type";
const MERGES = "tokenizer.ggml.merges";

/** A vocabulary with one value changed or removed. */
function changed(metadata: Map<string, unknown>, key: string, value?: unknown): Map<string, unknown> {
  if (value === undefined) metadata.delete(key);
  else metadata.set(key, value);
  return metadata;
}

const spm = () => sentencePiece(["a", "b"]);
const bpe = () => byteLevel(["a b"]);

describe("malformed vocabularies", () => {
  it.each<[string, Map<string, unknown>, string, string]>([
    ["no tokens", changed(spm(), TOKENS), "TOKENIZER_TOKENS", TOKENS],
    ["empty tokens", changed(spm(), TOKENS, []), "TOKENIZER_TOKENS", TOKENS],
    ["tokens that are numbers", changed(spm(), TOKENS, [1, 2]), "TOKENIZER_TYPE", TOKENS],
    ["tokens that are bytes", changed(spm(), TOKENS, new Uint8Array(9)), "TOKENIZER_TYPE", TOKENS],
    ["tokens that are one string", changed(spm(), TOKENS, "abc"), "TOKENIZER_TYPE", TOKENS],
    ["a token of 8 MB", changed(spm(), TOKENS, ["a", "b".repeat(2 ** 23)]), "TOKENIZER_TOKENS", TOKENS],
    ["too few scores", changed(spm(), SCORES, new Float32Array(3)), "TOKENIZER_LENGTH", SCORES],
    ["too many scores", changed(spm(), SCORES, new Float32Array(999)), "TOKENIZER_LENGTH", SCORES],
    ["scores of another type", changed(spm(), SCORES, new BigInt64Array(261)), "TOKENIZER_TYPE", SCORES],
    ["scores that are strings", changed(spm(), SCORES, ["1"]), "TOKENIZER_TYPE", SCORES],
    ["NaN scores", changed(spm(), SCORES, new Float32Array(261).fill(Number.NaN, 7)), "TOKENIZER_SCORE", SCORES],
    ["too few types", changed(spm(), TYPES, new Int32Array(1)), "TOKENIZER_LENGTH", TYPES],
    ["types of another type", changed(spm(), TYPES, new Float32Array(261)), "TOKENIZER_TYPE", TYPES],
    ["no merges", changed(bpe(), MERGES), "TOKENIZER_MERGES", MERGES],
    ["merges of another type", changed(bpe(), MERGES, 5), "TOKENIZER_TYPE", MERGES],
    ["a merge without a space", changed(bpe(), MERGES, ["a b", "ab", "a c"]), "TOKENIZER_MERGES", MERGES],
    ["a merge of nothing", changed(bpe(), MERGES, [""]), "TOKENIZER_MERGES", MERGES],
    ["a merge with nothing", changed(bpe(), MERGES, ["a "]), "TOKENIZER_MERGES", MERGES],
    ["an id beyond", changed(spm(), "tokenizer.ggml.bos_token_id", 261), "TOKENIZER_ID_RANGE", "bos_token_id"],
    ["a negative id", changed(spm(), "tokenizer.ggml.eos_token_id", -1), "TOKENIZER_ID_RANGE", "eos_token_id"],
    ["a broken id", changed(spm(), "tokenizer.ggml.eot_token_id", 1.5), "TOKENIZER_ID_RANGE", "eot_token_id"],
    ["an id as bigint", changed(spm(), "tokenizer.ggml.eom_token_id", 2n ** 63n), "TOKENIZER_ID_RANGE", "eom_token_id"],
    ["an id as text", changed(spm(), "tokenizer.ggml.eos_token_id", "2"), "TOKENIZER_TYPE", "eos_token_id"],
    ["a flag as number", changed(spm(), "tokenizer.ggml.add_bos_token", 1), "TOKENIZER_TYPE", "add_bos_token"],
    ["a name as number", changed(bpe(), "tokenizer.ggml.pre", 1), "TOKENIZER_TYPE", "tokenizer.ggml.pre"],
    ["BOS wanted, none there", metadataOf("llama", [["a"]]), "TOKENIZER_ID_MISSING", "bos_token_id"],
    [
      "EOS wanted, none there",
      metadataOf("gpt2", [["a"]], { merges: [], add_eos_token: true }),
      "TOKENIZER_ID_MISSING",
      "eos_token_id",
    ],
    [
      "no [SEP]",
      changed(wordPiece(["a"]), "tokenizer.ggml.seperator_token_id"),
      "TOKENIZER_ID_MISSING",
      "seperator_token_id",
    ],
    ...["<0x-1>", "<0xZZ>", "<0x100>", "<0x0a>", "0x0A", ""].map(
      (text): [string, Map<string, unknown>, string, string] => [
        `a byte token ${JSON.stringify(text)}`,
        sentencePiece([[text, BYTE, 0]]),
        "TOKENIZER_BYTE_TOKEN",
        TOKENS,
      ],
    ),
  ])("%s", (_name, metadata, code, subject) => {
    expect(() => tokenizerFrom(metadata)).toThrowError(
      expect.objectContaining({ name: "GgufError", code, subject: expect.stringContaining(subject) }),
    );
  });

  it.each([
    ["rwkv", /"rwkv".*llama, gpt2, bert/],
    ["toString", /"toString"/],
    [undefined, /not named/],
  ])("an unknown model %s is refused by name", (model, message) => {
    expect(() => tokenizerFrom(changed(spm(), "tokenizer.ggml.model", model))).toThrowError(
      expect.objectContaining({
        name: "UnsupportedError",
        code: "UNSUPPORTED_TOKENIZER",
        message: expect.stringMatching(message),
      }),
    );
  });

  it("an unknown pre-tokenizer is refused by name; a missing one is the default", () => {
    expect(() => tokenizerFrom(changed(bpe(), "tokenizer.ggml.pre", "my-own"))).toThrowError(
      expect.objectContaining({ name: "UnsupportedError", code: "UNSUPPORTED_PRETOKENIZER" }),
    );
    const text = "a+b 1234";
    const named = tokenizerFrom(changed(bpe(), "tokenizer.ggml.pre", "default")).encode(text);
    expect(tokenizerFrom(changed(bpe(), "tokenizer.ggml.pre")).encode(text)).toEqual(named);
  });

  it("harmless oddities are accepted as they are", () => {
    const plain = { bos: false } as const;
    const twice = tokenizerFrom(
      byteLevel(
        ["a b", "a b", "x y"],
        [
          ["ab", NORMAL],
          ["", NORMAL],
          ["[EMPTY_259]", NORMAL],
        ],
      ),
    );
    expect([...twice.encode("ab", plain)]).toEqual([256]);
    expect(twice.tokenText(259)).toBe("[EMPTY_259]");
    const unset = tokenizerFrom(changed(spm(), "tokenizer.ggml.padding_token_id", 0xffffffff));
    expect(unset.padId).toBeUndefined();
    const strange = changed(spm(), TYPES, new Int32Array(261).fill(77));
    expect(tokenizerFrom(strange).decode([260])).toBe("");
    const infinite = sentencePiece([
      ["a", NORMAL, Number.NEGATIVE_INFINITY],
      ["aa", NORMAL, Number.POSITIVE_INFINITY],
    ]);
    expect([...tokenizerFrom(infinite).encode("aa", plain)].at(-1)).toBe(260);
    const empty = tokenizerFrom(metadataOf("gpt2", [["a"]], { merges: [], pre: "gpt-2" }));
    expect([...empty.encode("banana", plain)]).toEqual([0, 0, 0]);
  });
});

const MEGABYTE = 2 ** 20;
const doubling = Array.from({ length: 9 }, (_, i) => "a".repeat(2 ** i));
const spaces = Array.from({ length: 6 }, (_, i) => "Ġ".repeat(2 ** i));
const merges = [...doubling.map((a) => `${a} ${a}`), ...spaces.map((space) => `${space} ${space}`)];

const units: readonly (readonly [string, string])[] = [
  ["letters", "a"],
  ["capitals", "A"],
  ["both cases", "あA"],
  ["spaces", " "],
  ["line breaks", "\n"],
  ["spaces and line breaks", " \n"],
  ["tabs and spaces", "\t "],
  ["digits", "7"],
  ["apostrophes", "'"],
  ["punctuation", "!?"],
  ["emoji", "🙂"],
  ["accents", "e\u0301"],
  ["marks out of order", "\u0301\u0323"],
  ["final sigmas", "\u03a3."],
  ["syllables of three letters", "\ud55c"],
  ["halves of surrogate pairs", "\ud800"],
  ["beginnings of special tokens", "<|"],
];

const kinds: readonly (readonly [string, () => Map<string, unknown>])[] = [
  ["llama", () => sentencePiece([...doubling, ...doubling.slice(0, 6).map((a) => a.replaceAll("a", "▁"))])],
  ["bert", () => wordPiece(["a", "##a", "##aa", `##${"a".repeat(100)}`, "!", "?"])],
  [
    "gpt2",
    () =>
      byteLevel(merges, [
        ["<|end|>", CONTROL],
        ["<|", USER_DEFINED],
      ]),
  ],
];

// If any step were quadratic, each of these would take longer.
const limit = { timeout: 5000 };

describe.each(kinds)("long uniform texts through %s", (kind, metadata) => {
  const tokenizer = tokenizerFrom(metadata());

  it("a megabyte of one letter takes less than two seconds of CPU", () => {
    const start = process.cpuUsage();
    const ids = tokenizer.encode("a".repeat(MEGABYTE), { bos: false });
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(2000);
    expect(ids.length).toBeGreaterThanOrEqual(MEGABYTE / 512);
  });

  it.each(units)("%s", limit, (_name, unit) => {
    const text = unit.repeat(2 ** 17 / unit.length);
    const ids = tokenizer.encode(`${text}x`, { special: true, bos: false });
    const same = tokenizer.decode(ids) === `${text.replaceAll("\ud800", "\ufffd")}x`; // too long to be shown where it fails
    expect(kind === "bert" ? ids.length > 0 : same).toBe(true);
  });
});

it("WordPiece reads a word of two million letters", () => {
  const tokenizer = tokenizerFrom(wordPiece(["a", "##a", ...[..."\u1112\u1161\u11ab"].map((letter) => `##${letter}`)]));
  expect(tokenizer.encode("a".repeat(2 ** 21), { bos: false })).toHaveLength(2 ** 21);
  expect(tokenizer.encode(`a${"\ud55c".repeat(2 ** 19)}`, { bos: false })).toHaveLength(1 + 3 * 2 ** 19);
});

const preTokenizers = [
  "default",
  "gpt-2",
  "llama-bpe",
  "qwen2",
  "qwen35",
  "smollm",
  "starcoder",
  "refact",
  "mpt",
].concat(
  ["command-r", "falcon", "deepseek-llm", "deepseek-coder", "tekken", "gpt-4o"],
  ["deepseek-v3", "granite-embed-multi-97m", "kimi-k2", "poro-chat", "superbpe", "tiny_aya"],
);

describe.each(preTokenizers)("long uniform texts through the pre-tokenizer %s", (name) => {
  it.each(units)("%s", limit, (_name, unit) => {
    const text = `${unit.repeat(2 ** 17 / unit.length)}x`.replaceAll("\ud800", "\ufffd");
    expect(wordEnds(preTokenizerNamed(name), text).at(-1)).toBe(text.length);
  });
});

describe("vocabularies of strange shape", () => {
  it("may have a token of a megabyte", () => {
    const long = "a".repeat(MEGABYTE);
    const kinds = [
      sentencePiece([...doubling, [long, NORMAL, 1]]),
      byteLevel(merges, [[long, NORMAL]], { pre: "llama-bpe" }),
      wordPiece(["a", "##a", `##${long}b`]),
    ];
    for (const metadata of kinds) {
      const tokenizer = tokenizerFrom(metadata);
      expect(tokenizer.encode(long).length).toBeGreaterThan(0);
    }
  });

  it("may have thousands of special tokens with the same beginning", () => {
    const unused = Array.from({ length: 5000 }, (_, i) => [`<unused${i}>`, USER_DEFINED, 0] as const);
    const tokenizer = tokenizerFrom(sentencePiece([...unused]));
    const ids = tokenizer.encode("<unused4999><unused".repeat(20000), { bos: false });
    expect(ids.filter((id) => id === 259 + 4999)).toHaveLength(20000);
  });

  it("may have 10,000 user-defined runs in a text", () => {
    const runs = Array.from({ length: 30 }, (_, i) => ["\n".repeat(i + 1), USER_DEFINED, 0] as const);
    const tokenizer = tokenizerFrom(sentencePiece([...runs]));
    expect(tokenizer.encode("\n".repeat(300_007), { bos: false })).toHaveLength(10_001);
  });

  it("may consist of bytes only", () => {
    const tokenizer = tokenizerFrom(
      metadataOf("llama", [...byteTokens], { add_bos_token: false, add_space_prefix: false }),
    );
    expect(tokenizer.decode(tokenizer.encode("Llama 🦙"))).toBe("Llama\u2581🦙");
  });
});
