// Ids to text: the bytes of the tokens one after the other, read as UTF-8.

import { fromByteAlphabet } from "./byte-alphabet.js";
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

/** The bytes for which a token stands in a text; not to be written to. */
export function tokenBytes(vocabulary: Vocabulary, byteLevel: boolean, id: number): Uint8Array {
  const attributes = vocabulary.attributes[id]!;
  const bytes = vocabulary.pieces.bytesOf(id);
  if ((attributes & (CONTROL | UNKNOWN | USER_DEFINED)) !== 0) return bytes;
  if ((attributes & BYTE) !== 0) return Uint8Array.of(Number.parseInt(String.fromCharCode(bytes[3]!, bytes[4]!), 16));
  if ((attributes & NORMAL) === 0) return NOTHING;
  return byteLevel ? fromByteAlphabet(bytes) : withSpaces(bytes);
}

/** Replaces U+2581, which is E2 96 81 in UTF-8, by a space. */
function withSpaces(source: Uint8Array): Uint8Array {
  if (!source.includes(0xe2)) return source;
  const target = new Uint8Array(source.length);
  let length = 0;
  for (let i = 0; i < source.length; ) {
    const isMark = source[i] === 0xe2 && source[i + 1] === 0x96 && source[i + 2] === 0x81;
    target[length++] = isMark ? BLANK : source[i]!;
    i += isMark ? 3 : 1;
  }
  return target.subarray(0, length);
}

/** A decoder over the bytes of tokens; if `stripSpace`, one space at the very start of the text goes. */
export function createDecoder(bytesOf: (id: number) => Uint8Array, stripSpace: boolean): Decoder {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let atStart = stripSpace;
  return {
    push(id) {
      const bytes = bytesOf(id);
      if (bytes.length === 0) return "";
      const start = atStart && bytes[0] === BLANK ? 1 : 0;
      atStart = false;
      return decoder.decode(bytes.slice(start), { stream: true });
    },
    end: () => decoder.decode(),
  };
}

/** All at once what `createDecoder` gives piece by piece. */
export function decodeAll(ids: Iterable<number>, bytesOf: (id: number) => Uint8Array, stripSpace: boolean): string {
  let text = new Uint8Array(1024);
  let length = 0;
  for (const id of ids) {
    const bytes = bytesOf(id);
    if (length + bytes.length > text.length) {
      const larger = new Uint8Array(2 * (length + bytes.length));
      larger.set(text);
      text = larger;
    }
    text.set(bytes, length);
    length += bytes.length;
  }
  const start = stripSpace && length > 0 && text[0] === BLANK ? 1 : 0;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(text.subarray(start, length));
}

/** WordPiece puts a space before every word; before and between punctuation there was none, most likely. */
export function cleanUpSpaces(text: string): string {
  return text
    .replace(/^ /, "")
    .replace(/ ([?!.,])/g, "$1")
    .replace(/ ' /g, "'")
    .replace(/ '(s|m|re|ve)/g, "'$1");
}
