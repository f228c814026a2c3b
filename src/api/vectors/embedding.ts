// Texts to vectors: the options of `Model.embed`, and what they mean.

import { UnsupportedError } from "../../errors.js";
import {
  checkBoolean,
  checkCallback,
  checkChoice,
  checkInteger,
  checkSignal,
  idleOption,
  invalidOption,
  namesOf,
  optionsOf,
} from "../../options.js";
import type { ModelClient } from "../../protocol/client.js";
import type { Pooling } from "../../protocol/pooling.js";
import type { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import type { EmbeddingInfo, ModelInfo } from "../model-info.js";
import { type EmbedInput, InputReader, type Overlong } from "./inputs.js";
import { type Purpose, type PurposePrompts, promptFor } from "./purposes.js";
import { Vectors } from "./vectors.js";
import { embedAll } from "./windows.js";

/** How to embed. */
export interface EmbedOptions<Pools extends Pooling = Exclude<Pooling, "none">> {
  /**
   * Which hidden states of a text its vector is made from. mean: the mean of all tokens; cls: the first token; last: the last token;
   * none: a vector for each token; rank: the scores of a reranker, as they are. Default: what the file says, else mean.
   */
  readonly pooling?: Pools;
  /** Scale to length 1, so that the dot product of two vectors is their cosine. Default true. */
  readonly normalize?: boolean;
  /**
   * Keep only this many elements of each vector, the first ones, and scale to length 1 again. For models that were trained for it
   * (Matryoshka Representation Learning, Kusupati et al. 2022). Default: all.
   */
  readonly dimensions?: number;
  /** What the texts are for. Each text gets the prefix that the model's family expects. Default: texts as they are. */
  readonly purpose?: Purpose;
  /** What `purpose` puts before a text, where the model's family is unknown or another prefix is wanted. */
  readonly prompts?: PurposePrompts;
  /**
   * What happens to an input with more tokens than the context. error (default); truncate: its end is cut off, but it keeps the token
   * that ends every text; chunk-mean: it is cut into parts of equal length, and its vector is the mean of theirs, weighted by tokens.
   */
  readonly overlong?: Overlong;
  /** Called each time more inputs are done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called once, before the vectors are returned. */
  readonly onUsage?: (usage: EmbedUsage) => void;
  readonly signal?: AbortSignal;
}

/** What a call of `embed` consumed. */
export interface EmbedUsage {
  /** Tokens that the model read. This includes those that begin and end a text and those of a purpose, but not those cut off. */
  readonly promptTokens: number;
}

const optionNames = namesOf<EmbedOptions<Pooling>>({
  pooling: true,
  normalize: true,
  dimensions: true,
  purpose: true,
  prompts: true,
  overlong: true,
  onProgress: true,
  onUsage: true,
  signal: true,
});

/** What embedding needs from its model. */
export interface EmbedModel {
  readonly client: ModelClient;
  readonly text: BackgroundTokenizer;
  readonly info: ModelInfo;
}

/** `Model.embed`. */
export async function embed(
  model: EmbedModel,
  inputs: readonly EmbedInput[],
  given: EmbedOptions<Pooling>,
): Promise<Float32Array[] | Float32Array[][]> {
  const options = optionsOf("embed", given, optionNames);
  const { info, text, client } = model;
  const { overlong = "error", onProgress, onUsage, signal } = options;
  checkCallback("onProgress", onProgress);
  checkCallback("onUsage", onUsage);
  checkSignal(signal);
  const pooling = checkPooling(options.pooling, info.embedding);
  checkChoice("overlong", overlong, ["error", "truncate", "chunk-mean"]);
  if (overlong === "chunk-mean" && (pooling === "none" || pooling === "rank")) {
    throw invalidOption(
      "overlong",
      `error or truncate with pooling "${pooling}", which has no mean of chunks`,
      overlong,
    );
  }
  const shape = vectorShape(pooling, options, info.embedding.dimensions);
  const prompt = promptFor(options.purpose, options.prompts, info);
  const reader = new InputReader(text, info.contextSize, overlong, prompt);
  const list = reader.check(inputs, text.tokenizer.vocabularySize);
  signal?.throwIfAborted();

  const vectors = new Vectors(list.length, shape);
  const read = (i: number) => reader.read(list[i]!, i, signal);
  const promptTokens = await embedAll(client, list.length, read, { pooling, vectors, onProgress, signal });
  onUsage?.({ promptTokens });
  return vectors.values;
}

function checkPooling(wanted: Pooling | undefined, embedding: EmbeddingInfo): Pooling {
  if (wanted === undefined && embedding.pooling === "rank") {
    throw new UnsupportedError(
      "RERANKER",
      'the model is a reranker: use rerank, or say which pooling ("rank": its scores)',
    );
  }
  const pooling = checkChoice("pooling", wanted ?? embedding.pooling, ["mean", "cls", "last", "none", "rank"]);
  if (pooling === "rank" && !embedding.reranks) throw noRankHead();
  return pooling;
}

function vectorShape(pooling: Pooling, options: EmbedOptions<Pooling>, size: number) {
  if (pooling !== "rank") {
    const normalize = checkBoolean("normalize", options.normalize ?? true);
    const dimensions = checkInteger("dimensions", options.dimensions ?? size, 1, size);
    return { dimensions, normalize, perToken: pooling === "none" };
  }
  if (options.normalize === true || options.dimensions !== undefined) {
    const name = options.normalize === true ? "normalize" : "dimensions";
    throw idleOption(name, 'pooling "rank" gives scores, which have neither a length nor dimensions');
  }
  return { dimensions: undefined, normalize: false, perToken: false };
}

/** The error when a model without a classifier is asked for scores. */
export function noRankHead(): UnsupportedError {
  return new UnsupportedError(
    "NOT_A_RERANKER",
    "the model has no ranking head (the tensors cls or cls.output), and is not named Qwen3-Reranker; supported: rerankers, such as " +
      "cross-encoders of BERT, and with loadModel's rerank: true others of Qwen3 that answer yes or no. With other models, embed the texts " +
      "and compare the vectors",
  );
}
