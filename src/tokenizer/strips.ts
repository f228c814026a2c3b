// Which tokens take the white space beside them. GGUF has no such attributes: they follow from the names of model, architecture and
// pre-tokenizer, as in llama.cpp.

import type { TokenizerMetadata } from "./metadata.js";
import {
  CONTROL,
  findToken,
  LEFT_STRIP,
  RIGHT_STRIP,
  UNKNOWN,
  USER_DEFINED,
  type Vocabulary,
  type Warn,
} from "./vocabulary.js";

/** Completes `vocabulary.attributes`. */
export function markStrips(metadata: TokenizerMetadata, vocabulary: Vocabulary, warn: Warn): void {
  const { attributes } = vocabulary;
  const textOf = (key: string): string => String(metadata.get(key) ?? "");
  const preTokenizer = textOf("tokenizer.ggml.pre");
  const architecture = textOf("general.architecture");
  const name = textOf("general.name").toLowerCase();
  const mark = (text: string, bit: number): void => {
    const id = findToken(vocabulary, text);
    if (id !== undefined) attributes[id]! |= bit;
  };
  if (/jina-v2-(?:de|es|code)/.test(preTokenizer) || /nomic-bert-moe|jina-bert-v3/.test(architecture)) {
    mark("<mask>", LEFT_STRIP);
  } else if (/phi-?3/.test(name)) {
    warn("general.name says Phi-3: white space after control tokens belongs to them, as in that model");
    for (let id = 0; id < attributes.length; id++) {
      if ((attributes[id]! & (CONTROL | USER_DEFINED | UNKNOWN)) !== 0) attributes[id]! |= RIGHT_STRIP;
    }
    mark("</s>", RIGHT_STRIP);
    for (const text of ["<unk>", "<s>", "<|endoftext|>"]) {
      const id = findToken(vocabulary, text);
      if (id !== undefined) attributes[id]! &= ~RIGHT_STRIP;
    }
  } else if (name.includes("modern-bert")) {
    warn("general.name says ModernBERT: white space before [MASK] belongs to it, as in that model");
    mark("[MASK]", LEFT_STRIP);
  }
}
