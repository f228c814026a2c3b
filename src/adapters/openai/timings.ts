// How far a stream is and how fast, in the words of llama.cpp's server: `prompt_progress` and `timings` of a chunk.

import type { GeneratedPart, GenerationSummary, PrefillProgress } from "../../index.js";

export class StreamTimings {
  readonly #begin = performance.now();
  #first: number | undefined;
  #tokens = 0;

  /** Tokens of the prompt; how many of them were in the cache; how many are evaluated, those included; and the milliseconds so far. */
  progressOf({ promptTokens, cachedTokens, evaluatedTokens }: PrefillProgress) {
    const time_ms = Math.round(performance.now() - this.#begin);
    return { total: promptTokens, cache: cachedTokens, processed: evaluatedTokens, time_ms };
  }

  /** Tokens so far, and their speed since the first; with the last part, also the prompt's. */
  of({ tokens, done }: GeneratedPart) {
    this.#tokens += tokens.length;
    if (done === undefined) {
      const now = performance.now();
      this.#first ??= now;
      const predicted_ms = now - this.#first;
      const predicted_per_second = predicted_ms === 0 ? 0 : ((this.#tokens - 1) * 1000) / predicted_ms;
      return { predicted_n: this.#tokens, predicted_ms, predicted_per_second };
    }
    return timingsOf(done);
  }
}

/** Of a generation that has ended. */
export function timingsOf({ usage, timings }: GenerationSummary) {
  return {
    cache_n: usage.cachedTokens,
    prompt_n: usage.promptTokens - usage.cachedTokens,
    prompt_ms: timings.prefillMilliseconds,
    prompt_per_second: timings.prefillTokensPerSecond,
    predicted_n: usage.completionTokens,
    predicted_ms: timings.decodeMilliseconds,
    predicted_per_second: timings.decodeTokensPerSecond,
  };
}
