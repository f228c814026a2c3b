// Ids to text: the bytes of the tokens one after the other, read as UTF-8.

import { fromByteAlphabet } from "./byte-alphabet.js";
import { SPACE_MARK } from "./spm.js";
import { BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, type Vocabulary } from "./vocabulary.js";

const BLANK = 0x20;
const NOTHING = new Uint8Array(0);

/** Turns ids into text as they arrive. */
export interface Decoder {
  /** The text that is certain after this id; the beginning of a character waits for the rest of it. */
  push(id: number): string;
  /** What still waits: an unfinished character as U+FFFD. */
  end(): string;
}

/** The bytes for which a token stands in a text. */
export function tokenBytes(vocabulary: Vocabulary, byteLevel: boolean, id: number): Uint8Array {
  const attributes = vocabulary.attributes[id];
  const bytes = vocabulary.pieces.bytesOf(id);
  if ((attributes & (CONTROL | UNKNOWN | USER_DEFINED)) !== 0) return bytes;
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  if ((attributes & BYTE) !== 0) return Uint8Array.of(Number.parseInt(text.slice(3, 5), 16));
  if ((attributes & NORMAL) === 0) return NOTHING;
  return byteLevel ? fromByteAlphabet(text) : new TextEncoder().encode(text.replaceAll(SPACE_MARK, " "));
}

/** A decoder over the bytes of tokens; if `stripSpace`, one space at the very start of the text goes. */
export function createDecoder(bytesOf: (id: number) => Uint8Array, stripSpace: boolean): Decoder {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let atStart = stripSpace;
  return {
    push(id) {
      let bytes = bytesOf(id);
      if (bytes.length === 0) return "";
      if (atStart && bytes[0] === BLANK) bytes = bytes.subarray(1);
      atStart = false;
      return decoder.decode(bytes, { stream: true });
    },
    end: () => decoder.decode(),
  };
}

/** WordPiece puts a space before every word; before and between punctuation there was none, most likely. */
export function cleanUpSpaces(text: string): string {
  return text
    .replace(/^ /, "")
    .replace(/ ([?!.,])/g, "$1")
    .replace(/ ' /g, "'")
    .replace(/ '(s|m|re|ve)/g, "'$1");
}
