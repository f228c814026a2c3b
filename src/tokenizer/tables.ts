// The tables of a tokenizer: all that it looks up, made once of a file's metadata. They are plain data, so that a worker can make them,
// and they can lie in shared memory, where all threads read the same ones.

import { GgufError, UnsupportedError } from "../errors.js";
import { type MergeTable, readMerges } from "./bpe.js";
import { type CharacterBpeTable, characterBpeTable } from "./character-bpe.js";
import { readBoolean, readString, type TokenizerMetadata } from "./metadata.js";
import { type Allocate, inThread, type PieceTableData } from "./piece-table.js";
import { preTokenizerNamed } from "./pretokenizers.js";
import { readSpecialIds, type SpecialDefaults, type SpecialIds } from "./special-ids.js";
import { type SpmTable, spmTable } from "./spm.js";
import { markStrips } from "./strips.js";
import { type UnigramTable, unigramTable } from "./unigram.js";
import { readVocabulary, type ScoredVocabulary, type Warn } from "./vocabulary.js";
import type { WordPieceOptions } from "./wordpiece.js";

/**
 * The kinds of tokenizer, as files name them: SentencePiece-style BPE, byte-level BPE, WordPiece, SentencePiece's unigram, BPE over
 * characters of a text, and of its words.
 */
export type TokenizerModel = "llama" | "gpt2" | "bert" | "t5" | "gemma4" | "whitespace";

const MODELS: readonly TokenizerModel[] = ["llama", "gpt2", "bert", "t5", "gemma4", "whitespace"];

/** Pre-tokenizers of files that say "gpt2" and mean "gemma4". */
const CHARACTER_BPE: readonly (string | undefined)[] = ["gemma4", "granite-embed-multi-311m"];

/** What each kind of tokenizer has of its own. */
type EncoderTable =
  | { readonly model: "gpt2"; readonly preTokenizer: string; readonly merges: MergeTable }
  | { readonly model: "llama"; readonly addSpacePrefix: boolean; readonly spm: SpmTable }
  | { readonly model: "bert"; readonly wordPiece: WordPieceOptions }
  | { readonly model: "t5"; readonly unigram: UnigramTable }
  | { readonly model: "gemma4"; readonly characters: CharacterBpeTable }
  | { readonly model: "whitespace"; readonly lowercase: boolean; readonly merges: MergeTable };

export interface TokenizerTables {
  readonly size: number;
  readonly pieces: PieceTableData;
  readonly attributes: Uint8Array;
  readonly ids: SpecialIds;
  readonly encoder: EncoderTable;
  /** What the file does not say, and what was taken in its place: a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Makes the tables.
 *
 * @param allocate where they lie; by default in memory of this thread
 * @throws GgufError (TOKENIZER_...), UnsupportedError
 */
export function tokenizerTables(metadata: TokenizerMetadata, allocate: Allocate = inThread): TokenizerTables {
  const model = readModel(metadata);
  const warnings: string[] = [];
  const warn: Warn = (guess) => warnings.push(guess);
  const preTokenizer = model === "gpt2" ? readPreTokenizer(metadata, warn) : undefined;
  const vocabulary = readVocabulary(metadata, allocate, warn);
  if ((model === "llama" || model === "t5") && !metadata.has("tokenizer.ggml.scores")) {
    warn("tokenizer.ggml.scores is missing: all tokens count as equally good");
  }
  const ids = readSpecialIds(metadata, vocabulary, defaultsOf(model, preTokenizer), warn);
  markStrips(metadata, vocabulary, warn);
  warnOfUnapplied(metadata, model, warn);
  if (model !== "bert" && ids.endOfGenerationIds.size === 0) {
    warn("the file names no token that ends a text: an answer ends at maxTokens or a stop string only");
  }
  if (model === "bert" && (ids.bosId === undefined || ids.separatorId === undefined)) {
    throw new GgufError("TOKENIZER_ID_MISSING", "A WordPiece vocabulary has tokens for the begin and end of a text", {
      subject: ids.bosId === undefined ? "tokenizer.ggml.bos_token_id" : "tokenizer.ggml.seperator_token_id",
    });
  }
  const encoder = encoderTable(metadata, vocabulary, ids, allocate, model, preTokenizer);
  // The merges may have added pieces.
  const { size, pieces, attributes } = vocabulary;
  return { size, pieces: pieces.data, attributes, ids, encoder, warnings };
}

function encoderTable(
  metadata: TokenizerMetadata,
  vocabulary: ScoredVocabulary,
  ids: SpecialIds,
  allocate: Allocate,
  model: TokenizerModel,
  preTokenizer = "default",
): EncoderTable {
  switch (model) {
    case "gpt2":
      return { model, preTokenizer, merges: readMerges(metadata, vocabulary.pieces, allocate) };
    case "llama": {
      const addSpacePrefix = readBoolean(metadata, "tokenizer.ggml.add_space_prefix") ?? true;
      return { model, addSpacePrefix, spm: spmTable(vocabulary, ids.unknownId, allocate) };
    }
    case "bert":
      return { model, wordPiece: wordPieceOptions(metadata, ids) };
    case "t5":
      return { model, unigram: unigramTable(metadata, vocabulary, ids.unknownId, allocate) };
    case "gemma4": {
      const merges = readMerges(metadata, vocabulary.pieces, allocate);
      return { model, characters: characterBpeTable(vocabulary, merges, allocate) };
    }
    case "whitespace": {
      const lowercase = readBoolean(metadata, "tokenizer.ggml.normalizer.lowercase") ?? false;
      return { model, lowercase, merges: readMerges(metadata, vocabulary.pieces, allocate) };
    }
  }
}

function readModel(metadata: TokenizerMetadata): TokenizerModel {
  const name = readString(metadata, "tokenizer.ggml.model");
  const model = MODELS.find((known) => known === name);
  if (model === "gpt2" && CHARACTER_BPE.includes(readString(metadata, "tokenizer.ggml.pre"))) return "gemma4";
  if (model !== undefined) return model;
  throw new UnsupportedError(
    "UNSUPPORTED_TOKENIZER",
    `The tokenizer ${name === undefined ? "is not named in the file" : `${JSON.stringify(name)} is not supported`}; supported are ${MODELS.join(", ")}`,
  );
}

function readPreTokenizer(metadata: TokenizerMetadata, warn: Warn): string {
  const name = readString(metadata, "tokenizer.ggml.pre");
  if (name) return name;
  warn(
    'tokenizer.ggml.pre is missing: text is cut into words as by "default", which may not be how the model learned it',
  );
  return "default";
}

/** Ids that hold where a file names none: those of Llama 1 and 2, of BERT, and of T5. Byte-level vocabularies have none in common. */
function defaultsOf(model: TokenizerModel, preTokenizer: string | undefined): SpecialDefaults {
  switch (model) {
    case "llama":
      return { bos: 1, eos: 2, unknown: 0, addsBos: true };
    case "bert":
      return { bos: 101, unknown: 100, separator: 102, pad: 0, mask: 103, addsBos: true, bosIsCls: true };
    case "t5":
      return { eos: 1, unknown: 2, pad: 0, addsBos: false, addsEos: true };
    case "gemma4":
      return { addsBos: true, alwaysBos: true };
    case "whitespace":
      return { addsBos: false };
    case "gpt2":
      return { addsBos: preTokenizer !== undefined && preTokenizerNamed(preTokenizer).addsBos === true };
  }
}

/** Steps of a tokenizer that files of other kinds ask for. llama.cpp leaves them out, too. */
function warnOfUnapplied(metadata: TokenizerMetadata, model: TokenizerModel, warn: Warn): void {
  if (metadata.has("tokenizer.ggml.suppress_tokens")) {
    warn("tokenizer.ggml.suppress_tokens is not applied: an answer may have these tokens, unless logitBias bans them");
  }
  if (model === "t5") return;
  if (metadata.has("tokenizer.ggml.precompiled_charsmap")) {
    warn("tokenizer.ggml.precompiled_charsmap is not applied: text is not normalised by it");
  }
  if (readBoolean(metadata, "tokenizer.ggml.remove_extra_whitespaces") === true) {
    warn("tokenizer.ggml.remove_extra_whitespaces is not applied: white space stays as it is");
  }
}

function wordPieceOptions(metadata: TokenizerMetadata, { unknownId }: SpecialIds): WordPieceOptions {
  const lowercase = readBoolean(metadata, "tokenizer.ggml.normalizer.lowercase") ?? true;
  const stripAccents = readBoolean(metadata, "tokenizer.ggml.normalizer.strip_accents") ?? lowercase;
  return { lowercase, stripAccents, unknownId };
}
