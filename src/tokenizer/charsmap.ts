// SentencePiece's compiled normalisation rules (`precompiled_charsmap`): what stands for each beginning of a text, such as NFKC's forms.
//
//   uint32 LE   bytes of the trie
//   trie        uint32 LE units of a double array (darts-clone), keys are UTF-8
//   strings     the replacements, each ended by a NUL; a key's value is where its replacement begins
//
//   unit        bit 31       1: a leaf, and bits 0 .. 30 are its value
//               bits 10 ..   the offset of its children, times 2^8 where bit 9 is set
//               bit 8        whether a key ends here: the leaf is the child with label 0
//               bits 0 .. 7  the label: the byte that leads here
//
// Source: sentencepiece/src/normalizer.cc and third_party/darts_clone.

import { GgufError } from "../errors.js";
import type { TokenizerMetadata } from "./metadata.js";
import type { Allocate } from "./piece-table.js";

const KEY = "tokenizer.ggml.precompiled_charsmap";

/** Bytes of the longest replacement. NFKC's longest has 33; without a bound a short text could become one of gigabytes. */
const LONGEST_REPLACEMENT = 1024;
/** Bytes of a text that are looked at for a rule. The keys of NFKC have at most 20; with a bound, a text takes linear time. */
const LONGEST_KEY = 128;

/** The rules as plain data. */
export interface CharsMapData {
  readonly units: Uint32Array;
  readonly strings: Uint8Array;
}

/** The rules of a file. undefined: there are none, and a text stays as it is. @throws GgufError TOKENIZER_CHARSMAP, TOKENIZER_TYPE */
export function readCharsMap(metadata: TokenizerMetadata, allocate: Allocate): CharsMapData | undefined {
  const value = metadata.get(KEY);
  if (value === undefined) return undefined;
  if (!(value instanceof Uint8Array || value instanceof Int8Array)) {
    throw new GgufError("TOKENIZER_TYPE", "Expected an array of uint8", { subject: KEY });
  }
  if (value.length === 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const trieBytes = value.length < 4 ? 0 : view.getUint32(0, true);
  if (trieBytes < 4 || trieBytes % 4 !== 0 || trieBytes > value.length - 4) {
    throw damaged(`a trie of ${trieBytes} bytes in ${value.length}`);
  }
  const units = new Uint32Array(allocate(trieBytes));
  for (let i = 0; i < units.length; i++) units[i] = view.getUint32(4 + 4 * i, true);
  const strings = new Uint8Array(allocate(value.length - 4 - trieBytes));
  strings.set(new Uint8Array(value.buffer, value.byteOffset + 4 + trieBytes, strings.length));
  checkStrings(strings);
  return { units, strings };
}

function checkStrings(strings: Uint8Array): void {
  let start = 0;
  for (let i = 0; i < strings.length; i++) {
    if (strings[i] === 0) start = i + 1;
    else if (i - start >= LONGEST_REPLACEMENT) throw damaged(`a replacement of more than ${LONGEST_REPLACEMENT} bytes`);
  }
  if (start !== strings.length) throw damaged("the last replacement does not end");
}

function damaged(what: string): GgufError {
  return new GgufError("TOKENIZER_CHARSMAP", `The normalisation rules are damaged: ${what}`, { subject: KEY });
}

/** A rule that applies: how many bytes of the text it takes, and where its replacement lies. */
interface Rule {
  readonly length: number;
  readonly start: number;
  readonly end: number;
}

/** The rules, to be looked up. */
export class CharsMap {
  readonly strings: Uint8Array;
  readonly #units: Uint32Array;

  constructor({ units, strings }: CharsMapData) {
    this.#units = units;
    this.strings = strings;
  }

  /** The rule with the longest key that the text has at `at`. */
  longest(text: Uint8Array, at: number): Rule | undefined {
    const units = this.#units;
    const stop = Math.min(text.length, at + LONGEST_KEY);
    let node = offsetOf(units[0]!);
    let length = 0;
    let start = 0;
    for (let i = at; i < stop; i++) {
      node ^= text[i]!;
      const unit = units[node];
      if (unit === undefined || (unit & 0x800000ff) !== text[i]!) break;
      node ^= offsetOf(unit);
      if ((unit & 0x100) === 0) continue;
      length = i + 1 - at;
      start = (units[node] ?? 0) & 0x7fffffff;
    }
    if (length === 0) return undefined;
    const end = this.strings.indexOf(0, start);
    return { length, start, end: Math.max(start, end) };
  }
}

function offsetOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}
