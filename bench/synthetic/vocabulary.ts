// A vocabulary of any size for byte-level BPE, as Llama 3 uses it: the 256 bytes, fillers that no merge reaches, and special
// tokens at the end. Text encodes to one token per byte; every id decodes.

import type { GgufWriter } from "cria/gguf";

// The names and places, from the first special token on, that Llama 3 gives its own.
const specialNames: Readonly<Record<number, string>> = {
  0: "<|begin_of_text|>",
  1: "<|end_of_text|>",
  6: "<|start_header_id|>",
  7: "<|end_header_id|>",
  9: "<|eot_id|>",
};

// tokenizer.ggml.token_type
const NORMAL = 1;
const CONTROL = 3;

/** Sets the tokenizer's keys for a vocabulary of `size`, at least 512. */
export function setVocabulary(writer: GgufWriter, size: number): void {
  const specials = size >= 8192 ? 256 : 16;
  const firstSpecial = size - specials;
  const tokens = byteTokens();
  while (tokens.length < firstSpecial) tokens.push(`\u0120w${tokens.length}`);
  for (let index = 0; index < specials; index++) {
    tokens.push(specialNames[index] ?? `<|reserved_special_token_${index}|>`);
  }
  const types = new Int32Array(size).fill(NORMAL).fill(CONTROL, firstSpecial);
  writer
    .set("tokenizer.ggml.model", "string", "gpt2")
    .set("tokenizer.ggml.pre", "string", "llama-bpe")
    .set("tokenizer.ggml.tokens", "string[]", tokens)
    .set("tokenizer.ggml.token_type", "int32[]", types)
    .set("tokenizer.ggml.merges", "string[]", [])
    .set("tokenizer.ggml.bos_token_id", "uint32", firstSpecial)
    .set("tokenizer.ggml.eos_token_id", "uint32", firstSpecial + 9)
    .set("tokenizer.ggml.add_bos_token", "bool", true);
}

// GPT-2's letters for bytes: printable Latin-1 stands for itself, the other bytes for U+0100 and on; its order of ids too.
function byteTokens(): string[] {
  const printable: number[] = [];
  const others: number[] = [];
  for (let byte = 0; byte < 256; byte++) {
    const stands = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    (stands ? printable : others).push(byte);
  }
  return [
    ...printable.map((byte) => String.fromCodePoint(byte)),
    ...others.map((_, index) => String.fromCodePoint(0x100 + index)),
  ];
}
