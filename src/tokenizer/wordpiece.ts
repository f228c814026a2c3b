// WordPiece ("bert"): text is normalised and cut at white space, punctuation and CJK characters; a word becomes the longest
// tokens that follow each other, or unknown if anything is left over. The first piece of a word begins with U+2581.

import { CONTROL, classOf, MARK, PUNCTUATION, SPACE, SYMBOL } from "./character-classes.js";
import { PrefixHashes } from "./piece-table.js";
import type { FragmentEncoder } from "./special-tokens.js";
import { SPACE_MARK } from "./spm.js";
import type { Vocabulary } from "./vocabulary.js";

/** How text is normalised before it is cut. */
export interface WordPieceOptions {
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
  readonly unknownId: number | undefined;
}

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

  return (text, _afterSpecial, output) => {
    for (const word of normalisedWords(text, options)) {
      const bytes = encoder.encode(SPACE_MARK + word);
      const hashes = new PrefixHashes(bytes);
      const before = output.length;
      for (let at = 0; at < bytes.length; ) {
        const id = pieces.findLongest(bytes, hashes, at);
        if (id < 0) {
          output.length = before;
          break;
        }
        output.push(id);
        at += pieces.bytesOf(id).length;
      }
      if (output.length === before && options.unknownId !== undefined) output.push(options.unknownId);
    }
  };
}

function* normalisedWords(text: string, { lowercase, stripAccents }: WordPieceOptions): Generator<string> {
  let word = "";
  for (const character of text) {
    const base = stripAccents ? firstOf(character.normalize("NFD")) : character;
    const codePoint = base.codePointAt(0)!;
    const classes = classOf(codePoint);
    if ((classes & SPACE) !== 0) {
      if (word !== "") yield word;
      word = "";
      continue;
    }
    if (codePoint === 0 || codePoint === REPLACEMENT_CHARACTER || (classes & CONTROL) !== 0) continue;
    if (stripAccents && (classes & MARK) !== 0) continue;
    const written = lowercase ? firstOf(base.toLowerCase()) : base;
    if ((classes & PUNCTUATION) !== 0 || (codePoint < 0x7f && (classes & SYMBOL) !== 0) || isCjk(codePoint)) {
      if (word !== "") yield word;
      yield written;
      word = "";
    } else {
      word += written;
    }
  }
  if (word !== "") yield word;
}

/** The reference tokenizer maps a character to one character: of a longer mapping it takes the first. */
function firstOf(text: string): string {
  return text.length <= 1 ? text : String.fromCodePoint(text.codePointAt(0)!);
}

function isCjk(codePoint: number): boolean {
  return codePoint >= 0x3400 && CJK.some(([first, last]) => codePoint >= first && codePoint <= last);
}
