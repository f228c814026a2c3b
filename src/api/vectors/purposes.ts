// What retrieval models expect before a query and before a document. They were trained with these words, and without them they find
// less without any warning. Sources: the models' cards at huggingface.co/<source>, the `prompts` of their
// config_sentence_transformers.json, and what the MTEB benchmark runs them with (github.com/embeddings-benchmark/mteb, the file in
// mteb/models/model_implementations that is named beside the source). Names match only the models that these sources describe:
// related models may need other words.

import { UnsupportedError } from "../../errors.js";
import { checkChoice, checkText, groupOf, idleOption, namesOf } from "../../options.js";

/** What a text is for. */
export type Purpose = "query" | "document";

/** What goes before a text, by purpose. */
export interface PurposePrompts {
  readonly query?: string;
  readonly document?: string;
}

interface Family {
  readonly name: string;
  /** Matches `general.name` in lower case with "-" between its words. */
  readonly names: RegExp;
  /** The architecture that only this family has. */
  readonly architecture?: string;
  readonly query: string;
  readonly document: string;
  /** Where the card is. */
  readonly source: string;
}

const WEB_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";
const REPRESENT = "Represent this sentence for searching relevant passages: ";

// The first match counts, so special cases stand before their family. Architectures count only when no name matches.
const families: readonly Family[] = [
  {
    name: "EmbeddingGemma",
    names: /embedding-?gemma/,
    architecture: "gemma-embedding",
    query: "task: search result | query: ",
    document: "title: none | text: ",
    source: "google/embeddinggemma-300m", // google_embeddinggemma.py
  },
  {
    name: "Qwen3-Embedding",
    names: /qwen3-embedding/,
    query: WEB_SEARCH,
    document: "",
    source: "Qwen/Qwen3-Embedding-0.6B", // qwen3_models.py
  },
  {
    name: "GTE-Qwen (instruct)",
    names: /gte-qwen(1\.5|2)-.*instruct/,
    query: `${WEB_SEARCH} `,
    document: "",
    source: "Alibaba-NLP/gte-Qwen2-1.5B-instruct", // gte_models.py
  },
  {
    name: "GTE",
    names: /(^|-)gte-(small|base|large|multilingual|modernbert)/,
    query: "",
    document: "",
    source: "thenlper/gte-small", // gte_models.py
  },
  {
    name: "E5 (instruct)",
    names: /(^|-)e5-(large|mistral-7b)-instruct/,
    query: `${WEB_SEARCH} `,
    document: "",
    source: "intfloat/multilingual-e5-large-instruct", // e5_instruct.py
  },
  {
    name: "E5",
    names: /(^|-)e5-(small|base|large)/,
    query: "query: ",
    document: "passage: ",
    source: "intfloat/e5-small-v2", // e5_models.py
  },
  {
    name: "Snowflake Arctic Embed 2",
    names: /arctic-embed(2|-.*v2)/,
    query: "query: ",
    document: "",
    source: "Snowflake/snowflake-arctic-embed-l-v2.0", // arctic_models.py
  },
  {
    name: "Snowflake Arctic Embed",
    names: /arctic-embed/,
    query: REPRESENT,
    document: "",
    source: "Snowflake/snowflake-arctic-embed-m-v1.5", // arctic_models.py
  },
  {
    name: "mxbai-embed-large",
    names: /mxbai-embed-large/,
    query: REPRESENT,
    document: "",
    source: "mixedbread-ai/mxbai-embed-large-v1", // mxbai_models.py
  },
  {
    name: "BGE-M3",
    names: /bge-m3/,
    query: "",
    document: "",
    source: "BAAI/bge-m3", // bge_models.py
  },
  {
    name: "BGE (Chinese)",
    names: /bge-(small|base|large)-zh/,
    query: "为这个句子生成表示以用于检索相关文章：",
    document: "",
    source: "BAAI/bge-small-zh-v1.5", // bge_models.py
  },
  {
    name: "BGE",
    names: /bge-(small|base|large)-en/,
    query: REPRESENT,
    document: "",
    source: "BAAI/bge-small-en-v1.5", // bge_models.py
  },
  {
    name: "MiniLM",
    names: /(all|paraphrase(-multilingual)?|multi-qa)-minilm/,
    query: "",
    document: "",
    source: "sentence-transformers/all-MiniLM-L6-v2", // sentence_transformers_models.py
  },
  {
    name: "ModernBERT Embed",
    names: /modernbert-embed/,
    query: "search_query: ",
    document: "search_document: ",
    source: "nomic-ai/modernbert-embed-base", // nomic_models.py
  },
  {
    name: "Jina Embeddings 5",
    names: /jina-embeddings-v5/,
    query: "Query: ",
    document: "Document: ",
    source: "jinaai/jina-embeddings-v5-text-nano", // jina_models.py
  },
  {
    name: "Jina Embeddings 2",
    names: /jina-embeddings-v2/,
    query: "",
    document: "",
    source: "jinaai/jina-embeddings-v2-base-en", // jina_models.py
  },
  {
    name: "Granite Embedding",
    names: /granite-embedding/,
    query: "",
    document: "",
    source: "ibm-granite/granite-embedding-english-r2", // granite_models.py
  },
  {
    name: "Nomic Embed Text",
    names: /nomic-embed-text/,
    query: "search_query: ",
    document: "search_document: ",
    source: "nomic-ai/nomic-embed-text-v1.5", // nomic_models.py
  },
];

/** The family of a model, by `general.name`, else by its architecture. undefined: it is unknown. */
export function familyOf(name: string | undefined, architecture: string): string | undefined {
  return findFamily(name, architecture)?.name;
}

function findFamily(name: string | undefined, architecture: string): Family | undefined {
  const words = (name ?? "").toLowerCase().replaceAll(/[\s_-]+/g, "-");
  return (
    families.find(({ names }) => names.test(words)) ?? families.find((family) => family.architecture === architecture)
  );
}

/**
 * Returns what goes before each text.
 *
 * @throws UnsupportedError for a purpose where the model's family is not known and `prompts` does not say what it means, CriaError
 * INVALID_OPTION
 */
export function promptFor(
  purpose: Purpose | undefined,
  givenPrompts: PurposePrompts | undefined,
  model: { readonly name: string | undefined; readonly architecture: string },
): string {
  const prompts = givenPrompts && checkPrompts(givenPrompts);
  if (purpose === undefined) {
    if (prompts === undefined) return "";
    throw idleOption("prompts", "purpose is not: it says which of them goes before the texts");
  }
  checkChoice("purpose", purpose, ["query", "document"]);
  const prompt = prompts?.[purpose] ?? findFamily(model.name, model.architecture)?.[purpose];
  if (prompt !== undefined) return prompt;
  throw new UnsupportedError(
    "UNKNOWN_PURPOSE",
    `what "${model.name ?? "(a model without a name)"}" (${model.architecture}) wants before a ${purpose} is not known; ` +
      `known: ${families.map((family) => family.name).join(", ")}; ` +
      `for others, give it yourself: prompts: { ${purpose}: "..." }, or "" for nothing`,
  );
}

function checkPrompts(given: PurposePrompts): PurposePrompts {
  const prompts = groupOf<PurposePrompts>("prompts", given, namesOf<PurposePrompts>({ query: true, document: true }));
  for (const [name, prompt] of Object.entries(prompts)) checkText(`prompts.${name}`, prompt);
  return prompts;
}
