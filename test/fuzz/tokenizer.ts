// Texts and ids through every kind of tokenizer: nothing throws, every id is of the vocabulary, and what can come back comes back.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openGguf } from "cria/gguf";
import type { Random } from "../../bench/synthetic/random.js";
import { type Tokenizer, tokenizerFrom } from "../../dist/tokenizer/index.js";
import { preTokenizerNamed } from "../../dist/tokenizer/pretokenizers.js";
import {
  byteLetters,
  byteLevel,
  CONTROL,
  metadataOf,
  NORMAL,
  sentencePiece,
  UNKNOWN,
  USER_DEFINED,
  wordPiece,
} from "../support/synthetic-vocabularies.js";
import { pick, target } from "./target.js";
import { randomText } from "./texts.js";

interface Text {
  readonly tokenizer: string;
  readonly text: string;
  readonly special: boolean;
  readonly ids: readonly number[];
}

interface Family {
  readonly tokenizer: Tokenizer;
  /** What a text is after encode and decode; undefined where the vocabulary loses some. */
  readonly back: ((text: string) => string) | undefined;
  /** Tokens that stand for themselves. */
  readonly words: readonly string[];
}

const merges = ["a a", "aa aa", "a b", "Ġ Ġ", "Ġ a", "Ġa b", "1 2", "Ċ Ċ", "Ã ©", "Ã Ģ"];
const words = ["aa", "ab", "aaaa", " a", "12", "\n\n", "é", "<|end|>", "<|", "<tool>"];
const wellFormed = (text: string) => text.replace(/\p{Cs}/gu, "\ufffd");

/** A name for each row of the table; the error for a name that is not in it lists them. */
function preTokenizerNames(): string[] {
  let names: string[] = [];
  try {
    preTokenizerNamed("?");
  } catch (error) {
    names = (error as Error).message.replace(/^.*supported are /, "").split(", ");
  }
  return [...new Map(names.map((name) => [preTokenizerNamed(name), name])).values()];
}

async function families(): Promise<ReadonlyMap<string, Family>> {
  const found = new Map<string, Family>();
  const specials = [
    ["<|end|>", CONTROL],
    ["<|", USER_DEFINED],
    ["<tool>", USER_DEFINED],
  ] as const;
  for (const name of preTokenizerNames()) {
    const tokenizer = tokenizerFrom(byteLevel(merges, specials, { pre: name }));
    found.set(`gpt2 ${name}`, { tokenizer, words, back: wellFormed });
  }
  const some = byteLetters.filter((_, byte) => byte % 3 !== 0).map((text) => [text] as const);
  const partial = metadataOf("gpt2", some, { merges: [], pre: "gpt-2" });
  found.set("gpt2 without some bytes", { tokenizer: tokenizerFrom(partial), words, back: undefined });

  const marked = [["<tool>", USER_DEFINED, 0] as const, ["▁▁", USER_DEFINED, 0] as const];
  const pieces = ["▁", "a", "b", "ab", "▁a", "aa", "▁▁▁▁", "é", "中", "🙂"];
  const unspaced = (text: string) => wellFormed(text).replaceAll("\u2581", " ");
  // With a prefix, a space comes after each user-defined token, too, as in llama.cpp.
  for (const prefix of [true, false]) {
    const tokenizer = tokenizerFrom(
      sentencePiece(prefix ? pieces : [...pieces, ...marked], { add_space_prefix: prefix }),
    );
    found.set(`llama prefix ${prefix}`, { tokenizer, words: [...words, "<s>", "</s>"], back: unspaced });
  }
  const few = [
    ["<unk>", UNKNOWN],
    ["<s>", CONTROL],
    ["</s>", CONTROL],
    ["a", NORMAL, -1],
    ["▁", NORMAL, -2],
  ] as const;
  found.set("llama without bytes", { tokenizer: tokenizerFrom(metadataOf("llama", few)), words, back: undefined });
  const rests = wordPiece(["a", "##a", "ab", "##b", "!", "1", "##2", "ᄒ", "##ᅡ", "##ᆫ", "日", "e", "द", "##ु"]);
  found.set("bert", { tokenizer: tokenizerFrom(rests), words: ["aa", "ab", "한", "दु", "[CLS]", "!"], back: undefined });
  const demo = fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
  const { metadata } = await openGguf(new Uint8Array(readFileSync(demo)));
  found.set("demo", {
    tokenizer: tokenizerFrom(metadata),
    words: ["Once", " upon", " a", "the"],
    back: metadata.get("tokenizer.ggml.model") === "llama" ? unspaced : wellFormed,
  });
  return found;
}

export const tokenizer = target({
  name: "tokenizer",
  executes: "a text encoded, decoded at once and in pieces, and random ids decoded",
  perBuild: false,
  perProcess: 200_000,
  milliseconds: 1000,
  open: async () => {
    const all = await families();
    const names = [...all.keys()];
    return {
      make: (random: Random): Text => {
        const name = pick(random, names);
        const family = all.get(name)!;
        const special = random.below(3) === 0;
        const text = randomText(random, family.words);
        const ids = Array.from({ length: random.below(12) }, () => random.below(family.tokenizer.vocabularySize));
        return { tokenizer: name, text, special, ids };
      },
      run: ({ tokenizer: name, text, special, ids }: Text) => {
        const { tokenizer, back } = all.get(name)!;
        const encoded = tokenizer.encode(text, { special, bos: false });
        check(tokenizer, encoded);
        const decoded = tokenizer.decode(encoded, { special: true });
        if (back !== undefined && !special) same(back(tokenizer.decode(encoded)), back(text), "encode and decode");
        if (tokenizer.model !== "bert") same(decoded, inPieces(tokenizer, encoded), "decoder");
        const parts = tokenizer.encodeParts([{ text, special }]);
        const bare = tokenizer.addsBos && parts[0] === tokenizer.bosId ? parts.subarray(1) : parts;
        const first = tokenizer.addsBos && encoded[0] === tokenizer.bosId ? encoded.subarray(1) : encoded;
        same(bare.join(), first.join(), "encodeParts");
        same(tokenizer.encode(text, { special, bos: false }).join(), encoded.join(), "encode again");
        const other = tokenizer.decode(ids, { special: true });
        if (tokenizer.model !== "bert") same(other, inPieces(tokenizer, ids), "decoder of random ids");
        tokenizer.encode(other, { special: true });
        return "ok";
      },
    };
  },
});

function check(tokenizer: Tokenizer, ids: Int32Array): void {
  for (const id of ids) if (!(id >= 0 && id < tokenizer.vocabularySize)) throw new Error(`id ${id}`);
}

function inPieces(tokenizer: Tokenizer, ids: Iterable<number>): string {
  const decoder = tokenizer.decoder({ special: true });
  let text = "";
  for (const id of ids) text += decoder.push(id);
  return text + decoder.end();
}

function same(got: string, expected: string, what: string): void {
  if (got !== expected) throw new Error(`${what}: ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
}
