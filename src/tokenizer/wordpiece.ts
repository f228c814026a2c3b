// WordPiece ("bert"): text is normalised and cut at white space, punctuation and CJK characters; a word becomes the longest
// tokens that follow each other, or unknown if anything is left over. The first piece of a word begins with U+2581.

import { CONTROL, classOf, PUNCTUATION, SPACE, SYMBOL } from "./character-classes.js";
import { PrefixHashes } from "./piece-table.js";
import type { FragmentEncoder } from "./special-tokens.js";
import { SPACE_MARK } from "./spm.js";
import type { Vocabulary } from "./vocabulary.js";
import { remembering } from "./word-cache.js";

/** How text is normalised before it is cut. */
export interface WordPieceOptions {
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
  readonly unknownId: number | undefined;
}

const MARK_BYTES = new TextEncoder().encode(SPACE_MARK);

/** Nonspacing marks: the accents of BERT's normaliser. */
const ACCENTS = /\p{Mn}/gu;
const REPLACEMENT_CHARACTER = 0xfffd;

// The fifth range begins at U+2B820 in the Unicode standard; the reference tokenizers have U+2B920.
const CJK: readonly (readonly [number, number])[] = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b920, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
];

/** An encoder of fragments. */
export function wordPieceEncoder(vocabulary: Vocabulary, options: WordPieceOptions): FragmentEncoder {
  const encoder = new TextEncoder();
  const { pieces } = vocabulary;

  const encodeWord = remembering((word, output) => {
    const bytes = encoder.encode(SPACE_MARK + word);
    const hashes = new PrefixHashes(bytes);
    const before = output.length;
    for (let at = 0; at < bytes.length; ) {
      // Within a word, a piece that begins with the mark belongs to the beginnings of words: of a mark in the text only itself is left.
      const isMark = at > 0 && MARK_BYTES.every((byte, i) => bytes[at + i] === byte);
      const id = isMark ? pieces.find(MARK_BYTES, 0, MARK_BYTES.length) : pieces.findLongest(bytes, hashes, at);
      if (id < 0) {
        output.length = before;
        break;
      }
      output.push(id);
      at += pieces.bytesOf(id).length;
    }
    if (output.length === before && options.unknownId !== undefined) output.push(options.unknownId);
  });
  const normaliser = new Normaliser(options);

  return (text, _afterSpecial, output) => {
    let word = "";
    const endWord = (): void => {
      if (word !== "") encodeWord(word, output);
      word = "";
    };
    for (const character of text) {
      const { role, written } = normaliser.normalise(character);
      if (role !== "part") endWord();
      if (role === "word") encodeWord(written, output);
      else word += written;
    }
    endWord();
  };
}

/** What a character is: white space, which ends a word, a word of its own, or part of a word; written as normalised. */
interface NormalisedCharacter {
  readonly role: "space" | "word" | "part";
  readonly written: string;
}

class Normaliser {
  readonly #options: WordPieceOptions;
  readonly #known = new Map<string, NormalisedCharacter>();

  constructor(options: WordPieceOptions) {
    this.#options = options;
  }

  normalise(character: string): NormalisedCharacter {
    let known = this.#known.get(character);
    if (known === undefined) {
      known = this.#compute(character);
      this.#known.set(character, known);
    }
    return known;
  }

  #compute(character: string): NormalisedCharacter {
    const { lowercase, stripAccents } = this.#options;
    const parts = stripAccents ? character.normalize("NFD") : character;
    const codePoint = parts.codePointAt(0)!;
    const classes = classOf(codePoint);
    // Of the control characters only tab, line feed and carriage return are white space; all others go.
    const isControl = (classes & CONTROL) !== 0 && !"\t\n\r".includes(character);
    if ((classes & SPACE) !== 0 && !isControl) return { role: "space", written: "" };
    const dropped = codePoint === 0 || codePoint === REPLACEMENT_CHARACTER || isControl;
    // Of the parts of a character only what is an accent goes: a Hangul syllable is written as its two or three letters.
    const base = dropped ? "" : stripAccents ? parts.replace(ACCENTS, "") : parts;
    if (base === "") return { role: "part", written: "" };
    const alone = (classes & PUNCTUATION) !== 0 || (codePoint < 0x7f && (classes & SYMBOL) !== 0) || isCjk(codePoint);
    return { role: alone ? "word" : "part", written: lowercase ? base.toLowerCase() : base };
  }
}

function isCjk(codePoint: number): boolean {
  return codePoint >= 0x3400 && CJK.some(([first, last]) => codePoint >= first && codePoint <= last);
}
