// Inputs to pieces: a text, or ids, becomes the ids that the model reads. What is too long is refused, cut, or split into several.

import { ContextError } from "../../errors.js";
import { checkArray, invalidOption } from "../../options.js";
import { joinIds } from "../../protocol/ids.js";
import type { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import type { Tokenizer } from "../../tokenizer/index.js";
import { checkIds } from "../sequences/sequence.js";

/** What happens to an input that has more tokens than the context. */
export type Overlong = "error" | "truncate" | "chunk-mean";

/** A text, or token ids that are taken as they are. */
export type EmbedInput = string | ArrayLike<number>;

export class InputReader {
  readonly #text: BackgroundTokenizer;
  readonly #tokenizer: Tokenizer;
  readonly #contextSize: number;
  readonly #overlong: Overlong;
  readonly #prompt: string;
  /** The ids of the prompt alone. Those that an input's ids also begin with are its prompt. */
  readonly #promptIds: Int32Array;
  readonly #endId: number | undefined;

  /** `prompt`: what goes before every text. */
  constructor(text: BackgroundTokenizer, contextSize: number, overlong: Overlong, prompt: string) {
    const { tokenizer } = text;
    this.#text = text;
    this.#tokenizer = tokenizer;
    this.#contextSize = contextSize;
    this.#overlong = overlong;
    this.#prompt = prompt;
    this.#promptIds = tokenizer.encode(prompt, { bos: false });
    if (tokenizer.addsEos) this.#endId = tokenizer.model === "bert" ? tokenizer.separatorId : tokenizer.eosId;
  }

  /** Checks what can be checked before anything is computed. Returns copies, because the caller may change the inputs. @throws CriaError */
  check(inputs: unknown, vocabularySize: number): readonly EmbedInput[] {
    return checkArray("inputs", inputs, "strings or arrays of token ids", (name, given) => {
      if (typeof given === "string") return given;
      const input = given as ArrayLike<number> | null;
      if (typeof input !== "object" || input === null || typeof input.length !== "number") {
        throw invalidOption(name, "a string or an array of token ids", input);
      }
      if (this.#prompt !== "") throw invalidOption(name, "a string, because purpose puts words before it", input);
      return input.length > 0 ? checkIds(input, vocabularySize) : new Int32Array(0);
    });
  }

  /** The pieces of an input: one, or several if it is long. @throws ContextError; rejects with the signal's reason */
  async read(input: EmbedInput, index: number, signal: AbortSignal | undefined): Promise<readonly Int32Array[]> {
    const isText = typeof input === "string";
    const ids = isText ? await this.#text.encode(this.#prompt + input, signal) : Int32Array.from(input);
    if (ids.length === 0) throw new ContextError("EMPTY_INPUT", `input ${index} has no tokens`);
    if (ids.length <= this.#contextSize) return [ids];
    switch (this.#overlong) {
      case "error":
        throw new ContextError(
          "CONTEXT_FULL",
          `input ${index} has ${ids.length} tokens; the context has room for ${this.#contextSize}. ` +
            `overlong: "truncate" cuts it, "chunk-mean" takes the mean of its parts`,
        );
      case "truncate":
        return [this.#truncated(ids)];
      case "chunk-mean":
        return this.#chunks(ids, index);
    }
  }

  /** As many tokens as fit. The token that ends a text stays the last one. */
  #truncated(ids: Int32Array): Int32Array {
    const cut = ids.slice(0, this.#contextSize);
    if (this.#hasEnd(ids)) cut[cut.length - 1] = ids.at(-1)!;
    return cut;
  }

  /** Parts of equal length, as few as possible, each with the begin, the prompt and the end of the whole. */
  #chunks(ids: Int32Array, index: number): readonly Int32Array[] {
    const begin = this.#tokenizer.addsBos && ids[0] === this.#tokenizer.bosId ? 1 : 0;
    let head = begin;
    while (head - begin < this.#promptIds.length && ids[head] === this.#promptIds[head - begin]) head++;
    const tail = this.#hasEnd(ids) ? 1 : 0;
    const room = this.#contextSize - head - tail;
    if (room < 1) {
      throw new ContextError(
        "CONTEXT_FULL",
        `a context of ${this.#contextSize} has no room for input ${index} besides the ${head + tail} tokens around it`,
      );
    }
    const body = ids.subarray(head, ids.length - tail);
    const count = Math.ceil(body.length / room);
    return Array.from({ length: count }, (_, i) => {
      const part = body.subarray(Math.floor((i * body.length) / count), Math.floor(((i + 1) * body.length) / count));
      return joinIds([ids.subarray(0, head), part, ids.subarray(ids.length - tail)]);
    });
  }

  #hasEnd(ids: Int32Array): boolean {
    return this.#endId !== undefined && ids.at(-1) === this.#endId;
  }
}
