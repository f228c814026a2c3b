// The tokenizer that transformers.js uses, with the vocabulary of a GGUF file.

import { Tokenizer } from "@huggingface/tokenizers";
import type { GgufMetadata } from "../../../dist/gguf/index.js";

// What GGUF files put before a piece that begins a word, and tokenizer.json before one that does not.
const WORD = "\u2581";
const INSIDE = "##";

// tokenizer.ggml.token_type
const CONTROL = 3;

/** @param metadata of a model with WordPiece that makes texts lower case */
export function bertTokenizer(metadata: GgufMetadata): Tokenizer {
  const types = metadata.getNumbers("tokenizer.ggml.token_type")!;
  const tokens = [...metadata.getStrings("tokenizer.ggml.tokens")!];
  const isSpecial = (token: string, id: number) => types[id] === CONTROL || /^\[\w+\]$/.test(token);
  const pieces = tokens.map((token, id) => {
    if (isSpecial(token, id)) return token;
    return token.startsWith(WORD) ? token.slice(WORD.length) : `${INSIDE}${token}`;
  });
  const special = (kind: string) => {
    const id = metadata.getNumber(`tokenizer.ggml.${kind}_token_id`)!;
    return { content: pieces[id]!, id };
  };
  // seperator: so it is spelled in GGUF files
  const [cls, sep, unknown, pad] = ["cls", "seperator", "unknown", "padding"].map(special) as Special[];
  const ends = [
    { SpecialToken: { id: cls!.content, type_id: 0 } },
    { Sequence: { id: "A", type_id: 0 } },
    { SpecialToken: { id: sep!.content, type_id: 0 } },
  ];
  const description = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [cls!, sep!, unknown!, pad!].map((token) => ({ ...token, special: true, normalized: false })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: ends,
      pair: ends,
      special_tokens: Object.fromEntries(
        [cls!, sep!].map(({ id, content }) => [content, { id: content, ids: [id], tokens: [content] }]),
      ),
    },
    decoder: { type: "WordPiece", prefix: INSIDE, cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: unknown!.content,
      continuing_subword_prefix: INSIDE,
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
    },
  };
  return new Tokenizer(description, { unk_token: unknown!.content, pad_token: pad!.content });
}

interface Special {
  readonly id: number;
  readonly content: string;
}
