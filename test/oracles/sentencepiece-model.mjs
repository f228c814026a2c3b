// Reads a SentencePiece model (protocol buffers: sentencepiece/src/sentencepiece_model.proto) as the metadata of a GGUF file.

import { readFileSync } from "node:fs";

/** The fields of a message: number and value. */
function fieldsOf(bytes) {
  const fields = [];
  let at = 0;
  const varint = () => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [field, wire] = [Math.floor(key / 8), key % 8];
    if (wire === 0) {
      fields.push([field, varint()]);
    } else if (wire === 2) {
      const length = varint();
      fields.push([field, bytes.subarray(at, at + length)]);
      at += length;
    } else if (wire === 5) {
      fields.push([field, bytes.readFloatLE(at)]);
      at += 4;
    } else {
      throw new Error(`wire type ${wire}`);
    }
  }
  return fields;
}

/** @returns a Map of `tokenizer.ggml.*` */
export function readSentencePieceModel(path) {
  const [tokens, scores, types] = [[], [], []];
  let normalizer = new Map();
  for (const [field, value] of fieldsOf(readFileSync(path))) {
    if (field === 1) {
      const piece = new Map(fieldsOf(value));
      tokens.push(piece.get(1)?.toString("utf8") ?? "");
      scores.push(piece.get(2) ?? 0);
      types.push(piece.get(3) ?? 1);
    } else if (field === 3) {
      normalizer = new Map(fieldsOf(value));
    }
  }
  const key = (name) => `tokenizer.ggml.${name}`;
  return new Map([
    [key("model"), "t5"],
    [key("tokens"), tokens],
    [key("scores"), Float32Array.from(scores)],
    [key("token_type"), Int32Array.from(types)],
    [key("precompiled_charsmap"), Uint8Array.from(normalizer.get(2) ?? [])],
    [key("add_space_prefix"), (normalizer.get(3) ?? 1) === 1],
    [key("remove_extra_whitespaces"), (normalizer.get(4) ?? 1) === 1],
    [key("unknown_token_id"), types.indexOf(2)],
    [key("bos_token_id"), tokens.indexOf("<s>")],
    [key("eos_token_id"), tokens.indexOf("</s>")],
    [key("add_eos_token"), false],
  ]);
}
