// Byte-level BPE ("gpt2"): a text is cut into words, the bytes of a word are written in a printable alphabet, and neighbours
// merge by the rank of their merge until none is left. The same on characters ("whitespace"): the words are what lies between white space,
// and their characters stay as they are.

import { GgufError } from "../errors.js";
import { toByteAlphabet } from "./byte-alphabet.js";
import { classesOf, SPACE } from "./character-classes.js";
import { MAXIMUM_SYMBOLS, mergeSymbols } from "./merge.js";
import { readStrings, type TokenizerMetadata } from "./metadata.js";
import type { Allocate, PieceTable } from "./piece-table.js";
import { type PreTokenizer, wordEnds } from "./pretokenizers.js";
import type { FragmentEncoder } from "./special-tokens.js";
import type { Vocabulary } from "./vocabulary.js";
import { remembering } from "./word-cache.js";

const MERGES = "tokenizer.ggml.merges";
const BLANK = 0x20;

/** An encoder of fragments. */
export function bpeEncoder(vocabulary: Vocabulary, merges: MergeTable, preTokenizer: PreTokenizer): FragmentEncoder {
  const ignoreMerges = preTokenizer.ignoreMerges === true;
  const merger = new WordMerger(vocabulary, new Merges(merges), { byteLevel: true, ignoreMerges });
  const encodeWord = remembering((word, output) => merger.encode(word, output));

  return (text, _afterSpecial, output) => {
    let start = 0;
    for (const end of wordEnds(preTokenizer, text)) {
      encodeWord(text.slice(start, end), output);
      start = end;
    }
  };
}

/** An encoder of fragments by characters. Nothing becomes of white space. */
export function wordBpeEncoder(vocabulary: Vocabulary, merges: MergeTable, lowercase: boolean): FragmentEncoder {
  const merger = new WordMerger(vocabulary, new Merges(merges), { byteLevel: false, ignoreMerges: false });
  const encodeWord = remembering((word, output) => merger.encode(lowercase ? lowered(word) : word, output));

  return (text, _afterSpecial, output) => {
    const classes = classesOf(text);
    let start = 0; // of the word
    for (let i = 0; i <= text.length; i++) {
      if (i < text.length && (classes[i]! & SPACE) === 0) continue;
      if (start < i) encodeWord(text.slice(start, i), output);
      start = i + 1;
    }
  };
}

/** Each character's small form by itself, of which the first character counts: that of U+0130 is i. */
function lowered(word: string): string {
  return Array.from(word, (character) => String.fromCodePoint(character.toLowerCase().codePointAt(0)!)).join("");
}

/** How the words of a vocabulary become letters. */
interface WordOptions {
  /** Whether a word's letters are its bytes in the printable alphabet; otherwise they are its characters. */
  readonly byteLevel: boolean;
  readonly ignoreMerges: boolean;
}

class WordMerger {
  readonly #size: number;
  readonly #pieces: PieceTable;
  readonly #merges: Merges;
  readonly #options: WordOptions;
  readonly #encoder = new TextEncoder();
  #raw = new Uint8Array(256);
  #letters = new Uint8Array(512); // of the word, as UTF-8

  constructor(vocabulary: Vocabulary, merges: Merges, options: WordOptions) {
    this.#size = vocabulary.size;
    this.#pieces = vocabulary.pieces;
    this.#merges = merges;
    this.#options = options;
  }

  /** Appends the ids of a word to `output`. */
  encode(word: string, output: number[]): void {
    if (word.length * 3 > this.#raw.length) {
      this.#raw = new Uint8Array(word.length * 3);
      this.#letters = new Uint8Array(word.length * 6);
    }
    const { written } = this.#encoder.encodeInto(word, this.#raw);
    let length = written;
    if (this.#options.byteLevel) length = toByteAlphabet(this.#raw, written, this.#letters);
    else this.#letters.set(this.#raw.subarray(0, written));
    if (this.#options.ignoreMerges) {
      const id = this.#pieces.find(this.#letters, 0, length);
      if (id >= 0 && id < this.#size) {
        output.push(id);
        return;
      }
    }
    this.#merge(written, length, output);
  }

  /** @param most letters at most */
  #merge(most: number, length: number, output: number[]): void {
    const merges = this.#merges;
    const symbols = new Int32Array(most);
    const letters = this.#letters;
    let count = 0;
    for (let at = 0; at < length; count++) {
      const end = at + letterBytes(letters[at]!);
      // A letter that is neither a token nor part of a merge stays as it is: it merges with nothing and encodes to nothing.
      symbols[count] = this.#pieces.find(letters, at, end);
      at = end;
    }
    const next = mergeSymbols(count, {
      rank: (left, right) => merges.rank(symbols[left]!, symbols[right]!),
      merge: (left, right) => {
        symbols[left] = merges.result(symbols[left]!, symbols[right]!);
      },
    });
    for (let i = 0; i !== -1; i = next[i]!) {
      const piece = symbols[i]!;
      if (piece >= 0 && piece < this.#size) output.push(piece);
      else if (piece >= 0) this.#pushBytes(piece, output);
    }
  }

  /** A piece that is not a token becomes the tokens of its single bytes, where there are any. */
  #pushBytes(piece: number, output: number[]): void {
    const bytes = this.#pieces.bytesOf(piece);
    for (let i = 0; i < bytes.length; i++) {
      const id = this.#pieces.find(bytes, i, i + 1);
      if (id >= 0 && id < this.#size) output.push(id);
    }
  }
}

/** Bytes of a letter in UTF-8, by its first byte. */
function letterBytes(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/** The merges as plain data. */
export interface MergeTable {
  /** Open addressing: rank + 1, or 0 where free. */
  readonly slots: Int32Array;
  /** By rank: the pair, and the piece that it makes. */
  readonly lefts: Int32Array;
  readonly rights: Int32Array;
  readonly results: Int32Array;
}

/** The merges: a hash table from a pair of pieces to the rank of their merge and the piece that it makes. */
export class Merges {
  readonly #slots: Int32Array;
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly #results: Int32Array;

  constructor(table: MergeTable) {
    this.#slots = table.slots;
    this.#lefts = table.lefts;
    this.#rights = table.rights;
    this.#results = table.results;
  }

  /** Adds the merge of a rank; of a repeated pair the first rank counts. */
  add(rank: number, left: number, right: number, result: number): void {
    const slot = this.#slotOf(left, right);
    if (this.#slots[slot] !== 0) return;
    this.#slots[slot] = rank + 1;
    this.#lefts[rank] = left;
    this.#rights[rank] = right;
    this.#results[rank] = result;
  }

  /** The rank of the merge of two pieces, or -1. */
  rank(left: number, right: number): number {
    return this.#slots[this.#slotOf(left, right)]! - 1;
  }

  /** The piece that two pieces make that have a merge. */
  result(left: number, right: number): number {
    return this.#results[this.rank(left, right)]!;
  }

  #slotOf(left: number, right: number): number {
    const mask = this.#slots.length - 1;
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const rank = this.#slots[slot]! - 1;
      if (rank < 0 || (this.#lefts[rank] === left && this.#rights[rank] === right)) return slot;
    }
  }
}

/** Reads tokenizer.ggml.merges: "left right", best first. Pieces that are not tokens are added to `pieces`. */
export function readMerges(metadata: TokenizerMetadata, pieces: PieceTable, allocate: Allocate): MergeTable {
  const texts = readStrings(metadata, MERGES);
  if (texts === undefined) throw new GgufError("TOKENIZER_MERGES", "The file has no merges", { subject: MERGES });
  const { bytes, offsets } = texts;
  const count = offsets.length - 1;
  const table: MergeTable = {
    slots: new Int32Array(allocate(4 * 2 ** Math.ceil(Math.log2(2 * count + 16)))),
    lefts: new Int32Array(allocate(4 * count)),
    rights: new Int32Array(allocate(4 * count)),
    results: new Int32Array(allocate(4 * count)),
  };
  const merges = new Merges(table);
  let joined = new Uint8Array(256);
  const pieceOf = (source: Uint8Array, start: number, end: number): number => {
    const known = pieces.find(source, start, end);
    return known >= 0 ? known : pieces.add(source, start, end);
  };
  for (let rank = 0; rank < count; rank++) {
    const start = offsets[rank]!;
    const end = offsets[rank + 1]!;
    let space = start + 1; // a first character that is a space belongs to the left piece
    while (space < end && bytes[space] !== BLANK) space++;
    if (space >= end - 1) {
      throw new GgufError("TOKENIZER_MERGES", `Merge ${rank} is not two pieces with a space between them`, {
        subject: MERGES,
      });
    }
    const left = pieceOf(bytes, start, space);
    const right = pieceOf(bytes, space + 1, end);
    const length = end - start - 1;
    if (length > joined.length) joined = new Uint8Array(2 * length);
    for (let i = start, o = 0; i! < end; i!++) if (i !== space) joined[o++] = bytes[i!]!;
    merges.add(rank, left, right, pieceOf(joined, 0, length));
  }
  return table;
}

/** Longest word that can be merged, in UTF-16 units: each can be three bytes. */
export const LONGEST_WORD = Math.floor(MAXIMUM_SYMBOLS / 3);
