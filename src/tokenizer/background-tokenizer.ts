// A tokenizer for threads that must not stall: tables of large vocabularies are made by the text worker, and long texts encoded there. What
// takes no time is done at once.

import { isStringList, type TokenizerMetadata } from "./metadata.js";
import type { TokenBreakers } from "./sequence-breakers.js";
import { tokenizerTables } from "./tables.js";
import type { KeyedTables } from "./text-jobs.js";
import { type TextThread, textThread } from "./text-thread.js";
import { type PromptPart, Tokenizer } from "./tokenizer.js";

// Each limit keeps what is done at once under some 5 ms, on a slow core and with code that was not compiled yet.

/** UTF-16 units of a short text. */
const SHORT_TEXT = 2048;
/** Bytes of a small vocabulary, its merges included. */
const SMALL_VOCABULARY = 2 ** 16;

/** Lists of sequence breakers that are kept. */
const MOST_BREAKERS = 16;

let nextKey = 0;

/** A tokenizer that leaves long texts to a worker. */
export class BackgroundTokenizer {
  readonly tokenizer: Tokenizer;
  readonly #keyed: KeyedTables;
  readonly #thread: TextThread;
  readonly #breakers = new Map<string, TokenBreakers>();

  private constructor(keyed: KeyedTables, thread: TextThread) {
    this.tokenizer = new Tokenizer(keyed.tables);
    this.#keyed = keyed;
    this.#thread = thread;
  }

  /** Starts the text worker, for a vocabulary that is large. */
  static prepare(assets?: URL): void {
    textThread(assets).prepare();
  }

  /**
   * The tokenizer that the metadata of an open file describes. The buffers of its arrays of strings may go to the text worker for good:
   * copies of megabytes, made while the weights are read, would stall this thread.
   *
   * @param assets the folder in which text-worker.js lies; by default this package's own
   * @throws GgufError (TOKENIZER_...), UnsupportedError, CriaError TEXT_WORKER
   */
  static async from(
    metadata: TokenizerMetadata & Iterable<readonly [string, unknown]>,
    assets?: URL,
  ): Promise<BackgroundTokenizer> {
    const thread = textThread(assets);
    const entries = [...metadata].filter(([key]) => /^(tokenizer\.ggml\.|general\.(architecture|name)$)/.test(key));
    const lists = entries.map(([, value]) => value).filter(isStringList);
    const size = lists.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const buffers = lists.flatMap(({ bytes, offsets }) => [bytes.buffer as ArrayBuffer, offsets.buffer as ArrayBuffer]);
    const tables =
      size > SMALL_VOCABULARY ? await thread.run("tables", entries, { transfer: buffers }) : tokenizerTables(metadata);
    return new BackgroundTokenizer({ key: nextKey++, tables }, thread);
  }

  /** `Tokenizer.encode`; rejects with the signal's reason. */
  async encode(text: string, signal?: AbortSignal): Promise<Int32Array> {
    if (text.length <= SHORT_TEXT) return this.tokenizer.encode(text);
    return this.#thread.run("encode", { tokenizer: this.#keyed, text }, { signal });
  }

  /** `Tokenizer.encodeParts`; rejects with the signal's reason. */
  async encodeParts(parts: readonly PromptPart[], signal?: AbortSignal): Promise<Int32Array> {
    const length = parts.reduce((sum, { text }) => sum + text.length, 0);
    if (length <= SHORT_TEXT) return this.tokenizer.encodeParts(parts);
    return this.#thread.run("encodeParts", { tokenizer: this.#keyed, parts }, { signal });
  }

  /** The sequence breakers of DRY in tokens. All tokens are looked at, so what was found is kept. */
  async breakers(texts: readonly string[]): Promise<TokenBreakers> {
    const key = JSON.stringify(texts);
    const known = this.#breakers.get(key);
    if (known !== undefined) return known;
    const found = await this.#thread.run("breakers", { tokenizer: this.#keyed, texts });
    if (this.#breakers.size >= MOST_BREAKERS) this.#breakers.clear();
    this.#breakers.set(key, found);
    return found;
  }
}
