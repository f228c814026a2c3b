// A WordPiece vocabulary as BERT has it: special tokens at their usual ids, then the characters of ASCII and the groups of two and three
// letters, inside of words and at their beginning, as many as there is room for. An English word takes two or three tokens.

import type { GgufWriter } from "cria/gguf";

const specials: Readonly<Record<number, string>> = {
  0: "[PAD]",
  100: "[UNK]",
  101: "[CLS]",
  102: "[SEP]",
  103: "[MASK]",
};
const FIRST_PIECE = 104;
// What GGUF files put before a piece that begins a word.
const WORD = "\u2581";

// tokenizer.ggml.token_type
const NORMAL = 1;
const CONTROL = 3;

/** Sets the tokenizer's keys for a vocabulary of `size`, at least 512. */
export function setWordPieces(writer: GgufWriter, size: number): void {
  const tokens = Array.from({ length: FIRST_PIECE }, (_, id) => specials[id] ?? `[unused${id}]`);
  for (const piece of pieces()) {
    if (tokens.length === size) break;
    tokens.push(piece);
  }
  while (tokens.length < size) tokens.push(`[unused${tokens.length}]`);
  writer
    .set("tokenizer.ggml.model", "string", "bert")
    .set("tokenizer.ggml.pre", "string", "default")
    .set("tokenizer.ggml.tokens", "string[]", tokens)
    .set("tokenizer.ggml.token_type", "int32[]", new Int32Array(size).fill(NORMAL).fill(CONTROL, 0, FIRST_PIECE))
    .set("tokenizer.ggml.token_type_count", "uint32", 2)
    .set("tokenizer.ggml.bos_token_id", "uint32", 101)
    .set("tokenizer.ggml.cls_token_id", "uint32", 101)
    .set("tokenizer.ggml.seperator_token_id", "uint32", 102)
    .set("tokenizer.ggml.padding_token_id", "uint32", 0)
    .set("tokenizer.ggml.unknown_token_id", "uint32", 100)
    .set("tokenizer.ggml.mask_token_id", "uint32", 103);
}

function* pieces(): Generator<string> {
  const letters = Array.from("abcdefghijklmnopqrstuvwxyz");
  const pairs = letters.flatMap((a) => letters.map((b) => a + b));
  const triples = pairs.flatMap((a) => letters.map((b) => a + b));
  for (let code = 0x21; code < 0x7f; code++) {
    const character = String.fromCodePoint(code);
    if (character !== character.toLowerCase()) continue; // text is made lower case
    yield character;
    yield WORD + character;
  }
  for (const group of [pairs, triples]) {
    yield* group;
    for (const piece of group) yield WORD + piece;
  }
}
