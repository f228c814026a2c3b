// A byte-level vocabulary as large as a real one: 120,000 tokens of up to four letters, and 240,000 merges that make them.

import { GgufWriter, openGguf } from "cria/gguf";
import { fixtureModel } from "./fixture-model.js";
import { byteLetters, metadataOf, type Token } from "./synthetic-vocabularies.js";

const SIZE = 120_000;
const LETTERS = [..."abcdefghijklmnopqrstuvwxyz"];

/** The tokenizer's metadata. */
export function largeVocabulary(): Map<string, unknown> {
  const pairs = LETTERS.flatMap((a) => LETTERS.map((b) => a + b));
  const merges = pairs.map(([a, b]) => `${a} ${b}`);
  const longer: string[] = [];
  for (const left of pairs) {
    for (const right of [...LETTERS, ...pairs]) {
      if (byteLetters.length + pairs.length + longer.length === SIZE - 2) break;
      longer.push(left + right);
      merges.push(`${left} ${right}`, `${left[0]} ${left[1]}${right}`);
    }
  }
  const tokens: Token[] = [...byteLetters, ...pairs, ...longer].map((text) => [text]);
  const specials: Token[] = [
    ["<|begin_of_text|>", 3],
    ["<|end_of_text|>", 3],
  ];
  const ids = { bos_token_id: SIZE - 2, eos_token_id: SIZE - 1, add_bos_token: true };
  return metadataOf("gpt2", [...tokens, ...specials], { merges, pre: "llama-bpe", ...ids });
}

/** A model file with this vocabulary, and little else. */
export async function largeVocabularyModel(): Promise<Uint8Array<ArrayBuffer>> {
  const small = await fixtureModel({
    dim: 32,
    layers: 1,
    heads: 1,
    kvHeads: 1,
    ffn: 32,
    vocab: SIZE,
    format: () => "Q8_0",
  });
  const gguf = await openGguf(small);
  const writer = new GgufWriter();
  for (const [key, value] of gguf.metadata) {
    if (!key.startsWith("tokenizer.")) writer.set(key, gguf.metadata.typeOf(key)!, value);
  }
  const metadata = largeVocabulary();
  writer
    .set("tokenizer.ggml.model", "string", "gpt2")
    .set("tokenizer.ggml.pre", "string", "llama-bpe")
    .set("tokenizer.ggml.tokens", "string[]", metadata.get("tokenizer.ggml.tokens") as string[])
    .set("tokenizer.ggml.token_type", "int32[]", metadata.get("tokenizer.ggml.token_type") as Int32Array)
    .set("tokenizer.ggml.merges", "string[]", metadata.get("tokenizer.ggml.merges") as string[])
    .set("tokenizer.ggml.bos_token_id", "uint32", SIZE - 2)
    .set("tokenizer.ggml.eos_token_id", "uint32", SIZE - 1)
    .set("tokenizer.ggml.add_bos_token", "bool", true);
  const data = new Map<string, Uint8Array>();
  for (const tensor of gguf.tensors) {
    writer.addTensor(tensor.name, tensor.type, tensor.shape);
    data.set(tensor.name, await gguf.readTensor(tensor));
  }
  await gguf.close();
  return writer.toBytes(data);
}
