// Many texts to vectors. A window of texts is made ids of, sorted by length and sent to the leader in one message; while it computes one
// window the next one is prepared, and never more: memory does not grow with the number of texts. The leader packs texts into steps
// without padding, so a vector is the same bits whatever is embedded beside it.

import { CriaError } from "../errors.js";
import { nextTurn } from "../next-turn.js";
import type { BackgroundTokenizer } from "../tokenizer/background-tokenizer.js";
import type { LeaderClient } from "./client.js";
import { type EmbedInput, InputReader, type Overlong } from "./embed-inputs.js";
import type { ModelInfo } from "./model-info.js";
import { checkChoice, checkInteger, checkNames } from "./options.js";
import type { Pooling } from "./pooling.js";
import { type Purpose, type PurposePrompts, promptFor } from "./purposes.js";
import { Vectors } from "./vectors.js";

/** How to embed. */
export interface EmbedOptions<Pools extends Pooling = Exclude<Pooling, "none">> {
  /**
   * What of a text its vector is. mean: the mean of all tokens; cls: the first token; last: the last token; none: a vector for each
   * token. Default: what the file says, else mean.
   */
  readonly pooling?: Pools;
  /** Scale to length 1, so that the dot product of two vectors is their cosine. Default true. */
  readonly normalize?: boolean;
  /**
   * Keep so many elements of each vector, the first ones, and scale to length 1 again: for models that were trained for it (Matryoshka
   * Representation Learning, Kusupati et al. 2022). Default: all.
   */
  readonly dimensions?: number;
  /** What the texts are for: puts before each what the model's family wants there. Default: texts as they are. */
  readonly purpose?: Purpose;
  /** What `purpose` puts before a text, where the model's family is not known or another is wanted. */
  readonly prompts?: PurposePrompts;
  /**
   * An input with more tokens than the context: error (default); truncate: its end is left out, but for the token that ends every text;
   * chunk-mean: it is cut into parts of equal length, and its vector is the mean of theirs, weighted by their tokens.
   */
  readonly overlong?: Overlong;
  /** Called each time some more inputs are done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called once, before the vectors are returned. */
  readonly onUsage?: (usage: EmbedUsage) => void;
  readonly signal?: AbortSignal;
}

/** What embedding took. */
export interface EmbedUsage {
  /** Tokens that the model read: those that begin and end a text and those of a purpose included, those that were cut off not. */
  readonly promptTokens: number;
}

const optionNames = [
  "pooling",
  "normalize",
  "dimensions",
  "purpose",
  "prompts",
  "overlong",
  "onProgress",
  "onUsage",
  "signal",
];

/** What embedding needs of its model. */
export interface EmbedModel {
  readonly client: LeaderClient;
  readonly text: BackgroundTokenizer;
  readonly info: ModelInfo;
}

/** A window: at most so many texts, and tokens unless one text has more. The leader works on one while the next one is prepared. */
const WINDOW_TEXTS = 256;
const WINDOW_TOKENS = 2048;
const WINDOWS_UNDER_WAY = 2;

/** How long texts are made ids of before the event loop gets its turn, ms. */
const SLICE_MILLISECONDS = 8;

/** An input, or a part of it, on its way to a vector. */
interface Piece {
  readonly input: number;
  readonly part: number;
  readonly ids: Int32Array;
}

/** `Model.embed`. */
export async function embed(
  model: EmbedModel,
  inputs: readonly EmbedInput[],
  options: EmbedOptions<Pooling>,
): Promise<Float32Array[] | Float32Array[][]> {
  checkNames("embed", options, optionNames);
  if (!Array.isArray(inputs)) throw new CriaError("INVALID_OPTION", "embed takes an array of texts or ids");
  const { info, text } = model;
  const { overlong = "error", normalize = true, onProgress, onUsage, signal } = options;
  const pooling = checkChoice("pooling", options.pooling ?? info.embedding.pooling, ["mean", "cls", "last", "none"]);
  checkChoice("overlong", overlong, ["error", "truncate", "chunk-mean"]);
  if (overlong === "chunk-mean" && pooling === "none") {
    throw new CriaError(
      "INVALID_OPTION",
      `overlong "chunk-mean" makes one vector of several; pooling "none" makes many`,
    );
  }
  const size = info.embedding.dimensions;
  const dimensions = checkInteger("dimensions", options.dimensions ?? size, 1, size);
  const prompt = promptFor(options.purpose, options.prompts, info);
  const reader = new InputReader(text, info.contextSize, overlong, prompt);
  reader.check(inputs, info.vocabularySize);
  signal?.throwIfAborted();

  const vectors = new Vectors(inputs.length, { size, dimensions, normalize, perToken: pooling === "none" });
  const usage = { promptTokens: 0 };
  // When a window fails the others must not run on.
  const failed = new AbortController();
  const signals = [signal, failed.signal];
  const send = async (window: readonly Piece[]) => {
    const values = await model.client.embed({ type: "embed", ...joined(window), pooling }, signals);
    let row = 0;
    for (const piece of window) {
      const tokens = piece.ids.length;
      const rows = pooling === "none" ? tokens : 1;
      vectors.add(piece, values.subarray(row * size, (row + rows) * size), tokens);
      row += rows;
      usage.promptTokens += tokens;
    }
    onProgress?.(vectors.done, inputs.length);
  };
  const underWay = new Set<Promise<void>>();
  try {
    for await (const window of windowsOf(inputs, reader, vectors, signals)) {
      const sending = send(window).catch((error: unknown) => failed.abort(error));
      underWay.add(sending);
      void sending.then(() => underWay.delete(sending));
      if (underWay.size === WINDOWS_UNDER_WAY) await Promise.race(underWay);
    }
  } catch (error) {
    failed.abort(error);
  }
  await Promise.all(underWay);
  failed.signal.throwIfAborted();
  onUsage?.(usage);
  return vectors.values;
}

/** Makes ids of the inputs, a window at a time, and lets the event loop have its turn. */
async function* windowsOf(
  inputs: readonly EmbedInput[],
  reader: InputReader,
  vectors: Vectors,
  signals: readonly (AbortSignal | undefined)[],
): AsyncGenerator<readonly Piece[]> {
  let window: Piece[] = [];
  let tokens = 0;
  let turn = performance.now();
  for (const [input, content] of inputs.entries()) {
    if (performance.now() - turn > SLICE_MILLISECONDS) {
      await new Promise<void>(nextTurn);
      for (const signal of signals) signal?.throwIfAborted();
      turn = performance.now();
    }
    const pieces = await reader.read(content, input);
    vectors.expect(input, pieces.length);
    for (const [part, ids] of pieces.entries()) {
      if (window.length === WINDOW_TEXTS || (window.length > 0 && tokens + ids.length > WINDOW_TOKENS)) {
        yield longestFirst(window);
        window = [];
        tokens = 0;
      }
      window.push({ input, part, ids });
      tokens += ids.length;
    }
  }
  if (window.length > 0) yield longestFirst(window);
}

/** The short texts then fill what the long ones leave open of a step. */
function longestFirst(window: readonly Piece[]): readonly Piece[] {
  return [...window].sort((a, b) => b.ids.length - a.ids.length);
}

/** A window as the leader takes it. */
function joined(window: readonly Piece[]): { readonly ids: Int32Array; readonly ends: Int32Array } {
  const ends = new Int32Array(window.length);
  let length = 0;
  for (const [i, { ids }] of window.entries()) {
    length += ids.length;
    ends[i] = length;
  }
  const ids = new Int32Array(length);
  for (const [i, piece] of window.entries()) ids.set(piece.ids, ends[i - 1] ?? 0);
  return { ids, ends };
}
