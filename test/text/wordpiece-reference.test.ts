// WordPiece against the models' own tokenizer (huggingface/tokenizers), over every assigned character below U+20000.

import { Tokenizer as ReferenceTokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { randomStream } from "../support/seed.js";
import { wordPiece } from "../support/synthetic-vocabularies.js";

const BEYOND = 0x20000;

const assigned: readonly string[] = Array.from({ length: BEYOND }, (_, c) => String.fromCodePoint(c)).filter(
  (character) => !/[\p{Cn}\p{Cs}]/u.test(character),
);

/** Of three characters one begins words, one goes on in them, and one does both, so that unknown words are met too. */
const vocabulary: readonly string[] = [
  ...new Set([
    ...[..."abAB10"].flatMap((letter) => [letter, `##${letter}`]),
    ...["\u2581", "\u2581a", "##\u2581"], // a beginning of words is written with this mark in GGUF files
    ...assigned.filter((_, i) => i % 3 !== 0),
    ...assigned.filter((_, i) => i % 3 !== 1).map((character) => `##${character}`),
  ]),
].filter((token) => token !== "" && token !== "#");

interface Normalisation {
  readonly lowercase: boolean;
  readonly stripAccents: boolean | null;
}

const SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/** The ids of texts, without [CLS] and [SEP]: ours, and the reference's. */
function encoders({ lowercase, stripAccents }: Normalisation) {
  const reference = new ReferenceTokenizer(
    {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [],
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: stripAccents,
        lowercase,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: null,
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: {
        type: "WordPiece",
        unk_token: "[UNK]",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries([...SPECIALS, ...vocabulary].map((token, id) => [token, id])),
      },
    } as never,
    { unk_token: "[UNK]" } as never,
  );
  const ours = tokenizerFrom(
    wordPiece(vocabulary, {
      "normalizer.lowercase": lowercase,
      ...(stripAccents === null ? {} : { "normalizer.strip_accents": stripAccents }),
    }),
  );
  return {
    expected: (text: string): readonly number[] => reference.encode(text, { add_special_tokens: false }).ids,
    actual: (text: string): readonly number[] => [...ours.encode(text, { bos: false })],
  };
}

const contexts: readonly ((character: string) => string)[] = [
  (c) => c,
  (c) => `a${c}b A${c} ${c}B 1${c}${c}.\u03a3  ${c} `,
];

describe.each<[string, Normalisation, readonly string[]]>([
  ["uncased", { lowercase: true, stripAccents: null }, assigned],
  ["cased", { lowercase: false, stripAccents: null }, assigned],
  ["uncased with accents", { lowercase: true, stripAccents: false }, assigned.slice(0, 2000)],
  ["cased without accents", { lowercase: false, stripAccents: true }, assigned.slice(0, 2000)],
])("WordPiece, %s", (_name, normalisation, characters) => {
  const { actual, expected } = encoders(normalisation);

  it("gives the ids of the models' own tokenizer for every character in small contexts", () => {
    const wrong: { codePoint: string; text: string; actual: readonly number[]; expected: readonly number[] }[] = [];
    for (const character of characters) {
      for (const context of contexts) {
        const text = context(character);
        const [found, wanted] = [actual(text), expected(text)];
        if (found.length === wanted.length && found.every((id, i) => id === wanted[i])) continue;
        wrong.push({ codePoint: character.codePointAt(0)!.toString(16), text, actual: found, expected: wanted });
      }
    }
    expect({ count: wrong.length, first: wrong.slice(0, 5) }).toEqual({ count: 0, first: [] });
  });

  it("gives them for random texts, in which characters change what their neighbours become", () => {
    const random = randomStream(0);
    const near = [
      ..."aAbB1 .'-\t\n\u03a3\u03c3\u0130I\u0307\u0301\u0323\u302e\u302f\u1b44\u2581\u00ad\u0085\ud55c\u4e00",
    ];
    for (let round = 0; round < 20_000; round++) {
      const text = Array.from({ length: 1 + random.below(12) }, () =>
        random.below(4) === 0 ? assigned[random.below(assigned.length)]! : near[random.below(near.length)]!,
      ).join("");
      expect({ text, ids: actual(text) }).toEqual({ text, ids: expected(text) });
    }
  });
});
