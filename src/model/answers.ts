// Rerankers that are decoders, such as Qwen3-Reranker (Zhang et al. 2025): they are asked whether a document answers a query, and the score
// is the probability of "yes" against "no" in place of the next token. llama.cpp's conversion makes a classifier of the two rows of the
// output matrix, cls.output (yes, no). Files of other conversions lack it: then the rows are taken from the output matrix itself.

import { type Gguf, StringTable } from "../gguf/index.js";
import { gathered, type WeightSpec } from "./plan/weight-specs.js";

/** The architecture of these rerankers. */
export const ANSWERING_ARCHITECTURE = "qwen3";

/** `general.name` and `general.basename`, in lower case with "-" between their words. */
const NAMES = /qwen3-reranker/;

/** Whether a file says by its name, or by the kind of pooling, that the model ranks by its answers. */
export function saysReranker({ metadata }: Gguf): boolean {
  if (metadata.getString("general.architecture") !== ANSWERING_ARCHITECTURE) return false;
  if (metadata.getNumber(`${ANSWERING_ARCHITECTURE}.pooling_type`) === RANK) return true;
  return ["general.name", "general.basename"].some((key) => {
    return NAMES.test((metadata.getString(key) ?? "").toLowerCase().replaceAll(/[\s_-]+/g, "-"));
  });
}

/** llama.cpp's number of the pooling "rank". */
const RANK = 4;

/** cls.output (2, dim) of the output matrix's rows for yes and no. undefined: the vocabulary lacks one of the two. */
export function answerRows(gguf: Gguf, dim: number): WeightSpec | undefined {
  const tokens = gguf.metadata.get("tokenizer.ggml.tokens");
  if (!(tokens instanceof StringTable)) return undefined;
  const [yes, no] = ["yes", "no"].map((answer) => idOf(tokens, answer));
  const output = gguf.tensor("output.weight") === undefined ? "token_embd.weight" : "output.weight";
  const rows = gguf.tensor(output)?.shape[1] ?? 0;
  if (yes === undefined || no === undefined || Math.max(yes, no) >= rows) return undefined;
  return gathered("cls.output.weight", output, [yes, no], dim);
}

function idOf(tokens: StringTable, text: string): number | undefined {
  const wanted = new TextEncoder().encode(text);
  const { bytes, offsets, length } = tokens;
  for (let id = 0; id < length; id++) {
    const from = offsets[id]!;
    if (offsets[id + 1]! - from === wanted.length && wanted.every((byte, i) => bytes[from + i] === byte)) return id;
  }
  return undefined;
}
