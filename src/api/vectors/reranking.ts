// Reranking: a query and documents to scores, by models that read both together and have a ranking head. Their input is put together as
// llama.cpp's server does it for /rerank. Token types are those of transformers' tokenizers, 0 for the query and 1 for the document:
// BERT cross-encoders were trained with them. With type 0 for all, as in llama.cpp's graph, they rank differently.

import { ContextError } from "../../errors.js";
import type { GgufMetadata } from "../../gguf/index.js";
import type { HeadShape } from "../../model/head.js";
import { SECOND_TYPE } from "../../model/step.js";
import {
  checkArray,
  checkCallback,
  checkChoice,
  checkInteger,
  checkSignal,
  checkText,
  namesOf,
  optionsOf,
} from "../../options.js";
import { joinIds } from "../../protocol/ids.js";
import type { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import type { PromptPart } from "../../tokenizer/index.js";
import { type EmbedModel, type EmbedUsage, noRankHead } from "./embedding.js";
import { Vectors } from "./vectors.js";
import { embedAll } from "./windows.js";

/** How to rerank. */
export interface RerankOptions {
  /** How many of the best documents to return. Default: all. */
  readonly topN?: number;
  /** What happens to a pair with more tokens than the context. error (default); truncate: the document's end is cut off. */
  readonly overlong?: "error" | "truncate";
  /** Called each time more documents are done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called once, before the scores are returned. */
  readonly onUsage?: (usage: EmbedUsage) => void;
  readonly signal?: AbortSignal;
}

/** A document and its score as an answer. */
export interface RankedDocument {
  /** Its index in the given documents. */
  readonly index: number;
  /** The output of the model's head; higher is better. Qwen3-Reranker gives a probability, cross-encoders any number. */
  readonly score: number;
}

/** How a file joins a query and a document into one text. */
export interface PairFormat {
  /** A text with {query} and {document} in it: `tokenizer.chat_template.rerank`. */
  readonly template: string | undefined;
  /** Whether one more separator stands between them: `tokenizer.ggml.add_sep_token`, or in older files the habit of the vocabulary. */
  readonly separates: boolean;
  /** `tokenizer.ggml.token_type_count` above 1: whether the second text's tokens have a type of their own. */
  readonly hasTypes: boolean;
}

/** The pair in Qwen3-Reranker's form, by its model card at huggingface.co/Qwen/Qwen3-Reranker-0.6B, with the card's instruction. */
const ANSWERS_TEMPLATE =
  "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
  'Note that the answer can only be "yes" or "no".<|im_end|>\n' +
  "<|im_start|>user\n<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n" +
  "<Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

/** Pre-tokenizers of vocabularies that have one more separator between two texts. */
const SEPARATING: readonly (string | undefined)[] = ["jina-v1-en", "jina-v2-code", "roberta-bpe"];

/** Whether a vocabulary has the habit of one more separator between two texts: as in XLM-R and RoBERTa. */
function separatesTexts(metadata: GgufMetadata): boolean {
  return (
    metadata.getString("tokenizer.ggml.model") === "t5" || SEPARATING.includes(metadata.getString("tokenizer.ggml.pre"))
  );
}

/** The format that a file's metadata asks for; without a template, that of a model that ranks by its answers is Qwen3-Reranker's. */
export function pairFormatOf(metadata: GgufMetadata, { answers, scores }: HeadShape): PairFormat {
  const otherwise = answers && scores > 0 ? ANSWERS_TEMPLATE : undefined;
  return {
    template: scores > 0 ? (metadata.getString("tokenizer.chat_template.rerank") ?? otherwise) : undefined,
    separates: metadata.getBoolean("tokenizer.ggml.add_sep_token") ?? separatesTexts(metadata),
    hasTypes: (metadata.getNumber("tokenizer.ggml.token_type_count") ?? 0) > 1,
  };
}

const optionNames = namesOf<RerankOptions>({
  topN: true,
  overlong: true,
  onProgress: true,
  onUsage: true,
  signal: true,
});

/** `Model.rerank`. */
export async function rerank(
  { info, text, client, pairFormat }: EmbedModel & { readonly pairFormat: PairFormat },
  query: string,
  documents: readonly string[],
  given: RerankOptions,
): Promise<RankedDocument[]> {
  const options = optionsOf("rerank", given, optionNames);
  if (!info.embedding.reranks) throw noRankHead();
  const { overlong = "error", onProgress, onUsage, signal } = options;
  checkChoice("overlong", overlong, ["error", "truncate"]);
  checkText("query", query);
  const list = checkArray("documents", documents, "strings", (name, document) => checkText(name, document));
  checkCallback("onProgress", onProgress);
  checkCallback("onUsage", onUsage);
  checkSignal(signal);
  const topN = checkInteger("topN", options.topN ?? list.length, 0, Number.MAX_SAFE_INTEGER);
  signal?.throwIfAborted();

  const pair = await pairReader(text, pairFormat, query);
  const read = async (i: number) => {
    const { ids, before } = fitted(await pair(list[i]!), info.contextSize, overlong, i);
    const typed = pairFormat.hasTypes ? ids.map((id, k) => (k < before ? id : id + SECOND_TYPE)) : ids;
    return [typed];
  };
  const vectors = new Vectors(list.length, { dimensions: undefined, normalize: false, perToken: false });
  const target = { pooling: "rank", vectors, onProgress, signal } as const;
  const promptTokens = await embedAll(client, list.length, read, target);
  onUsage?.({ promptTokens });
  const scores = (vectors.values as Float32Array[]).map(([score], index) => ({ index, score: score! }));
  return scores.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, topN);
}

/** A query and a document as the model reads them. */
interface Pair {
  readonly ids: Int32Array;
  /** How many ids stand before the document, and which ids stand after it. */
  readonly before: number;
  readonly after: Int32Array;
}

/** The pair; where it is too long, without the document's end. */
function fitted(pair: Pair, contextSize: number, overlong: "error" | "truncate", index: number): Pair {
  const { ids, before, after } = pair;
  if (ids.length <= contextSize) return pair;
  const room = contextSize - before - after.length;
  if (overlong === "error" || room < 0) {
    throw new ContextError(
      "CONTEXT_FULL",
      `the query and document ${index} have ${ids.length} tokens; the context has room for ${contextSize}` +
        (room < 0
          ? `, and without the document they are ${before + after.length}`
          : '. overlong: "truncate" cuts the document'),
    );
  }
  return { ...pair, ids: joinIds([ids.subarray(0, contextSize - after.length), after]) };
}

type PairReader = (document: string) => Promise<Pair>;

function pairReader(
  text: BackgroundTokenizer,
  { template, separates }: PairFormat,
  query: string,
): Promise<PairReader> {
  return template === undefined ? plainReader(text, separates, query) : templateReader(text, template, query);
}

/** [BOS] query [EOS] ([SEP]) document [EOS]; with a WordPiece vocabulary [CLS] query [SEP] document [SEP]. */
async function plainReader(text: BackgroundTokenizer, separates: boolean, query: string): Promise<PairReader> {
  const { bosId, eosId, separatorId, addsBos, addsEos, model } = text.tokenizer;
  const encode = async (content: string) =>
    withoutBos(text, await text.encodeParts([{ text: content, special: false }]));
  const wordPiece = model === "bert";
  const endId = wordPiece ? separatorId : (eosId ?? separatorId);
  const end = addsEos ? listOf(endId) : [];
  const begin = addsBos ? listOf(bosId) : [];
  const separator = separates && !wordPiece ? listOf(model === "t5" ? (separatorId ?? eosId) : separatorId) : [];
  const before = joinIds([begin, await encode(query), end, separator]);
  const after = Int32Array.from(end);
  return async (document) => ({
    ids: joinIds([before, await encode(document), after]),
    before: before.length,
    after,
  });
}

/** The file's own text, with {query} and {document} in it. Control tokens are recognised in that text only. */
async function templateReader(text: BackgroundTokenizer, template: string, query: string): Promise<PairReader> {
  const parts = (form: string, document: string): readonly PromptPart[] =>
    form.split(/(\{query\}|\{document\})/).map((part) => {
      if (part === "{query}") return { text: query, special: false };
      return part === "{document}" ? { text: document, special: false } : { text: part, special: true };
    });
  const [ahead = "", ...rest] = template.split("{document}");
  const before = await text.encodeParts(parts(ahead, ""));
  const after = withoutBos(text, await text.encodeParts(parts(rest.join("{document}"), "")));
  return async (document) => ({
    ids: await text.encodeParts(parts(template, document)),
    before: before.length,
    after,
  });
}

function listOf(id: number | undefined): readonly number[] {
  return id === undefined ? [] : [id];
}

function withoutBos({ tokenizer }: BackgroundTokenizer, ids: Int32Array): Int32Array {
  return tokenizer.addsBos && ids[0] === tokenizer.bosId ? ids.subarray(1) : ids;
}
