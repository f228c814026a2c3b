// Log probabilities in OpenAI's words.

import type { CompletionChoice } from "openai/resources/completions";
import type { GeneratedLogprob, Tokenizer } from "../../index.js";

/** A token's log probability. */
interface TokenInBytes {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: number[];
}

/** A token of a chat, and the most likely ones at its place. */
export function logprobOf(
  { top, ...token }: GeneratedLogprob,
  tokenizer: Tokenizer,
): TokenInBytes & { readonly top_logprobs: TokenInBytes[] } {
  const one = ({ id, logprob }: { readonly id: number; readonly logprob: number }) => {
    const bytes = tokenizer.tokenBytes(id);
    return { token: new TextDecoder().decode(bytes), logprob, bytes: [...bytes] };
  };
  return { ...one(token), top_logprobs: top.map(one) };
}

/** The tokens of a completion as lists, with the place of each in the text, by code points. A stream's parts go on from each other. */
export class CompletionLogprobs {
  readonly #tokenizer: Tokenizer;
  readonly #decoder = new TextDecoder();
  #offset: number;

  /** @param offset Where the first token is: behind a prompt that is echoed */
  constructor(tokenizer: Tokenizer, offset: number) {
    this.#tokenizer = tokenizer;
    this.#offset = offset;
  }

  next(logprobs: readonly GeneratedLogprob[] | undefined): CompletionChoice.Logprobs | null {
    if (logprobs === undefined) return null;
    const text = (id: number) => new TextDecoder().decode(this.#tokenizer.tokenBytes(id));
    return {
      tokens: logprobs.map(({ id }) => text(id)),
      token_logprobs: logprobs.map(({ logprob }) => logprob),
      top_logprobs: logprobs.map(({ top }) => Object.fromEntries(top.map(({ id, logprob }) => [text(id), logprob]))),
      text_offset: logprobs.map(({ id }) => {
        const at = this.#offset;
        this.#offset += [...this.#decoder.decode(this.#tokenizer.tokenBytes(id), { stream: true })].length;
        return at;
      }),
    };
  }
}
