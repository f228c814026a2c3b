// WordPiece ("bert"): text is normalised and cut at white space, punctuation and CJK characters; a word becomes the longest
// tokens that follow each other, or unknown if anything is left over. The first piece of a word begins with U+2581.
//
// The rules, and their order, are those of the models' own tokenizer (huggingface/tokenizers):
//
//   text -> clean -> spaces around CJK -> lower case -> decompose, drop accents -> words -> pieces
//
// Each step sees the whole text, because a final sigma and the order of marks depend on their neighbours. In one thing llama.cpp's
// rule holds: a word of more than 100 characters is cut into pieces, too, in place of being unknown.

import { classOf, PUNCTUATION, SPACE, SYMBOL } from "./character-classes.js";
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

/** What is dropped: U+0000, U+FFFD, and the control characters except tab, line feed and carriage return. */
const DROPPED = /(?![\t\n\r])[\0\ufffd\p{Cc}\p{Cf}\p{Co}]/gu;

// The fifth range begins at U+2B820 in the Unicode standard; the reference tokenizers have U+2B920.
const CJK = new RegExp(
  "[\\u4e00-\\u9fff\\u3400-\\u4dbf\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b73f}" +
    "\\u{2b740}-\\u{2b81f}\\u{2b920}-\\u{2ceaf}\\uf900-\\ufaff\\u{2f800}-\\u{2fa1f}]",
  "gu",
);

/** Nonspacing marks: the accents of BERT's normaliser. */
const ACCENTS = /\p{Mn}/gu;

// Decomposing sorts the marks that follow each other, which takes the square of their number: of longer rows, pieces are sorted.
const MANY_MARKS = /\p{M}{65}/u;
const FEW_MARKS = /\P{M}{0,1024}\p{M}{0,64}/gu;

/** An encoder of fragments. */
export function wordPieceEncoder(vocabulary: Vocabulary, options: WordPieceOptions): FragmentEncoder {
  const encoder = new TextEncoder();
  const { pieces } = vocabulary;

  /** The longest token at `at`, or -1. Tokens that begin with the mark are the beginnings of words; it alone is a ##rest. */
  const pieceAt = (bytes: Uint8Array, hashes: PrefixHashes, at: number): number => {
    if (at === 0) {
      const id = pieces.findLongest(bytes, hashes, 0);
      return id >= 0 && pieces.bytesOf(id).length > MARK_BYTES.length ? id : -1;
    }
    const isMark = MARK_BYTES.every((byte, i) => bytes[at + i] === byte);
    return isMark ? pieces.find(MARK_BYTES, 0, MARK_BYTES.length) : pieces.findLongest(bytes, hashes, at);
  };

  /** The tokens of a word, or undefined if anything of it is left over. */
  const piecesOf = (word: string): readonly number[] | undefined => {
    const bytes = encoder.encode(SPACE_MARK + word);
    const hashes = new PrefixHashes(bytes);
    const ids: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      const id = pieceAt(bytes, hashes, at);
      if (id < 0) return undefined;
      ids.push(id);
      at += pieces.bytesOf(id).length;
    }
    return ids;
  };

  const encodeWord = remembering((word, output) => {
    const ids = piecesOf(word);
    if (ids !== undefined) for (const id of ids) output.push(id);
    else if (options.unknownId !== undefined) output.push(options.unknownId);
  });

  return (text, _afterSpecial, output) => {
    const normalised = normalise(text, options);
    let start = 0; // of the word
    for (let i = 0; i < normalised.length; ) {
      const codePoint = normalised.codePointAt(i)!;
      const end = i + (codePoint > 0xffff ? 2 : 1);
      const isSpace = (classOf(codePoint) & SPACE) !== 0;
      if (isSpace || isPunctuation(codePoint)) {
        if (start < i) encodeWord(normalised.slice(start, i), output);
        if (!isSpace) encodeWord(normalised.slice(i, end), output);
        start = end;
      }
      i = end;
    }
    if (start < normalised.length) encodeWord(normalised.slice(start), output);
  };
}

/** A word of its own. All ASCII symbols count as punctuation. */
function isPunctuation(codePoint: number): boolean {
  const classes = classOf(codePoint);
  return (classes & PUNCTUATION) !== 0 || (codePoint < 0x7f && (classes & SYMBOL) !== 0);
}

function normalise(text: string, { lowercase, stripAccents }: WordPieceOptions): string {
  const clean = text.replace(DROPPED, "").replace(CJK, " $& ");
  const lower = lowercase ? clean.toLowerCase() : clean;
  return stripAccents ? decomposed(lower).replace(ACCENTS, "") : lower;
}

function decomposed(text: string): string {
  if (!MANY_MARKS.test(text)) return text.normalize("NFD");
  return text.replace(FEW_MARKS, (piece) => piece.normalize("NFD"));
}
