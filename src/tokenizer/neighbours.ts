// Which characters follow each other in some token. Where two neighbours of a text do not, no token can reach over them, so the text can
// be cut there: most texts fall into words, and words repeat.

import type { Allocate } from "./piece-table.js";
import type { Vocabulary } from "./vocabulary.js";

/** 2^22 bits, two for each pair of a large vocabulary. */
const WORDS = 2 ** 17;

/** A set of pairs as bits. A bit may be set for several pairs: then a text is cut less often. */
export class Neighbours {
  readonly #bits: Uint32Array;

  constructor(bits: Uint32Array) {
    this.#bits = bits;
  }

  /** Calls `visit` with each piece of a text, from `start` to `end`. */
  cut(text: string, visit: (start: number, end: number) => void): void {
    let start = 0;
    let previous = -1;
    for (let i = 0; i < text.length; ) {
      const codePoint = text.codePointAt(i)!;
      if (i > start && !this.#has(previous, codePoint)) {
        visit(start, i);
        start = i;
      }
      previous = codePoint;
      i += codePoint > 0xffff ? 2 : 1;
    }
    if (start < text.length) visit(start, text.length);
  }

  add(left: number, right: number): void {
    const bit = this.#bitOf(left, right);
    this.#bits[bit >>> 5]! |= 1 << (bit & 31);
  }

  #has(left: number, right: number): boolean {
    const bit = this.#bitOf(left, right);
    return (this.#bits[bit >>> 5]! & (1 << (bit & 31))) !== 0;
  }

  #bitOf(left: number, right: number): number {
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    return (hash ^ (hash >>> 15)) & (this.#bits.length * 32 - 1);
  }
}

/** The pairs in all tokens of a vocabulary. */
export function neighboursIn({ pieces, size }: Vocabulary, allocate: Allocate): Uint32Array {
  const bits = new Uint32Array(allocate(4 * WORDS));
  const neighbours = new Neighbours(bits);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let id = 0; id < size; id++) {
    let previous = -1;
    for (const character of decoder.decode(pieces.bytesOf(id).slice())) {
      const codePoint = character.codePointAt(0)!;
      if (previous >= 0) neighbours.add(previous, codePoint);
      previous = codePoint;
    }
  }
  return bits;
}
