// The sequence breakers of DRY, from texts to tokens. A text can begin or end inside a token, so all tokens are looked at.

import type { Tokenizer } from "./tokenizer.js";

/** Tokens of the longest breaker, after the first. */
const LONGEST_TAIL = 20;

/** Texts that end a repetition, as tokens. */
export interface TokenBreakers {
  /** Tokens that are breakers by themselves. */
  readonly singles: Int32Array;
  /** Breakers of several tokens. */
  readonly sequences: readonly (readonly number[])[];
}

/** The tokens that hold one of the texts, and the sequences of tokens that begin with a part of one and go on with the rest. */
export function tokenBreakers(tokenizer: Tokenizer, texts: readonly string[]): TokenBreakers {
  const encoder = new TextEncoder();
  const breakers = texts.map((text) => encoder.encode(text));
  const singles: number[] = [];
  const sequences = new Map<string, readonly number[]>();
  const decoder = new TextDecoder();
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    const token = tokenizer.tokenBytes(id);
    for (const breaker of breakers) {
      for (const length of matches(token, breaker)) {
        if (length === breaker.length) {
          if (singles.at(-1) !== id) singles.push(id);
          break;
        }
        const rest = breaker.subarray(length);
        if (isContinuation(rest[0]!)) continue;
        const tail = tokenizer.encode(decoder.decode(rest), { bos: false }).subarray(0, LONGEST_TAIL);
        const sequence = [id, ...tail];
        sequences.set(sequence.join(), sequence);
      }
    }
  }
  return { singles: Int32Array.from(singles), sequences: [...sequences.values()] };
}

/** How many bytes of a breaker are in a token, for each place where it begins: all of them, or those before the token's end. */
function* matches(token: Uint8Array, breaker: Uint8Array): Generator<number> {
  for (let start = token.indexOf(breaker[0]!); start >= 0; start = token.indexOf(breaker[0]!, start + 1)) {
    let length = 1;
    while (length < breaker.length && token[start + length] === breaker[length]) length++;
    if (length === breaker.length || start + length === token.length) yield length;
  }
}

/** Whether a byte of UTF-8 is inside a character. */
function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
