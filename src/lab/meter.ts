// How fast a loaded model is: short bursts of decoding, of prompts, and of embedding, which rounds of a measurement take in turns.

import type { Model } from "../index.js";
import { Random } from "../sampling/random.js";

/** Tokens of the prompts that generations begin with. */
const PROMPT = 16;
const MOST_TOKENS = 256;

/** What was decoded. */
export interface Decoded {
  /** Tokens of all texts together, and steps that had one token of each. */
  readonly tokens: number;
  readonly steps: number;
  readonly seconds: number;
}

export class Meter {
  readonly #model: Model;
  readonly #random = Random.seeded(1);
  /** Keeps a model going that ends its text at once. */
  #bias: ReadonlyMap<number, number> | undefined;
  /** What generations begin with: a prefix of it is in the cache. */
  #prefix: Int32Array = new Int32Array(0);

  constructor(model: Model) {
    this.#model = model;
  }

  /**
   * Generates so many texts side by side for at least some milliseconds, and counts from where all of them have a first token to where the
   * first of them ends.
   */
  async decode(texts: number, milliseconds: number, signal?: AbortSignal): Promise<Decoded> {
    let tokens = 0;
    let seconds = 0;
    while (1000 * seconds < milliseconds) {
      const burst = await this.#decodeOnce(texts, milliseconds - 1000 * seconds, signal);
      tokens += burst.tokens;
      seconds += burst.seconds;
      if (burst.tokens === 0) {
        const ends = this.#model.tokenizer.endOfGenerationIds;
        this.#bias = new Map([...ends].map((id) => [id, Number.NEGATIVE_INFINITY]));
      }
    }
    return { tokens, steps: tokens / texts, seconds };
  }

  async #decodeOnce(texts: number, milliseconds: number, signal: AbortSignal | undefined) {
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    let begun = 0;
    let tokens = 0;
    let begin = 0;
    let end = 0;
    const over = new Error("the burst is over");
    const one = async () => {
      const options = { maxTokens: MOST_TOKENS, temperature: 0, logitBias: this.#bias, signal: controller.signal };
      let own = 0;
      for await (const part of this.#model.generate(this.#prompt(), options)) {
        if (end > 0) return;
        if (own === 0 && part.tokens.length > 0) {
          begun++;
          if (begun === texts) {
            begin = performance.now();
            own += part.tokens.length;
            continue;
          }
        }
        own += part.tokens.length;
        if (begin === 0) continue;
        tokens += part.tokens.length;
        if (performance.now() - begin >= milliseconds) break;
      }
      if (begin > 0 && end === 0) {
        end = performance.now();
        controller.abort(over);
      }
    };
    try {
      await Promise.all(
        Array.from({ length: texts }, () =>
          one().catch((error) => {
            if (error !== over) throw error;
          }),
        ),
      );
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    return { tokens, seconds: begin === 0 || end === 0 ? 0 : (end - begin) / 1000 };
  }

  /** Evaluates prompts of so many tokens, one after another, for at least some milliseconds. Returns the seconds of one. */
  async prefill(tokens: number, milliseconds = 0, signal?: AbortSignal): Promise<number> {
    const sequence = this.#model.createSequence();
    try {
      const begin = performance.now();
      for (let prompts = 1; ; prompts++) {
        await sequence.evaluate(this.#ids(tokens), { signal });
        sequence.truncate(0);
        const elapsed = performance.now() - begin;
        if (elapsed >= milliseconds) return elapsed / 1000 / prompts;
      }
    } finally {
      sequence.dispose();
    }
  }

  /** Embeds texts, all in one call. Returns seconds. */
  async embed(texts: number, tokens: number, signal?: AbortSignal): Promise<number> {
    const inputs = Array.from({ length: texts }, () => this.#ids(tokens));
    const begin = performance.now();
    await this.#model.embed(inputs, {
      signal,
      ...(this.#model.info.embedding.pooling === "rank" && { pooling: "cls" }),
    });
    return (performance.now() - begin) / 1000;
  }

  /** Puts so many tokens into the cache, which all that is decoded from now on begins with. Returns seconds. */
  async fill(depth: number, signal?: AbortSignal): Promise<number> {
    this.#prefix = this.#ids(depth);
    const begin = performance.now();
    await this.#model.complete(this.#prefix, { maxTokens: 1, temperature: 0, signal });
    return (performance.now() - begin) / 1000;
  }

  #prompt(): Int32Array {
    return Int32Array.of(...this.#prefix, ...this.#ids(PROMPT));
  }

  #ids(count: number): Int32Array {
    const { vocabularySize } = this.#model.info;
    return Int32Array.from({ length: count }, () => Math.floor(this.#random.nextFraction() * vocabularySize));
  }
}
