// The tokenizer of a model: what the file's metadata describes, checked against the rows of its embedding.

import { GgufError } from "../../errors.js";
import type { Gguf } from "../../gguf/index.js";
import type { Hyperparameters } from "../../model/hyperparameters.js";
import { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";

export async function readTokenizer(
  gguf: Gguf,
  h: Hyperparameters,
  assets: URL | undefined,
): Promise<BackgroundTokenizer> {
  const text = await BackgroundTokenizer.from(gguf.metadata, assets);
  const { vocabularySize } = text.tokenizer;
  if (vocabularySize > h.vocab) {
    throw new GgufError(
      "GGUF_TENSOR_SHAPE",
      `the vocabulary has ${vocabularySize} tokens, the embedding ${h.vocab} rows`,
      { subject: "token_embd.weight" },
    );
  }
  return text;
}
