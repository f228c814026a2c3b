// Finds special tokens in a text and cuts it into fragments: ids, and the texts between them. Longer tokens come first,
// everywhere in the text, then shorter ones in what is left, as in llama.cpp.
//
//   "Hi <|im_end|>\n"   ->   "Hi ", 151645, "\n"

import { CONTROL, LEFT_STRIP, RIGHT_STRIP, UNKNOWN, USER_DEFINED, type Vocabulary } from "./vocabulary.js";

/** Encodes text without special tokens, appending ids to `output`. */
export type FragmentEncoder = (text: string, afterSpecial: boolean, output: number[]) => void;

/** A piece of a text: an id, or text from `start` to `end`, in UTF-16 units. */
export type Fragment =
  | { readonly id: number }
  | { readonly id?: undefined; readonly start: number; readonly end: number };

interface SpecialToken {
  readonly id: number;
  readonly text: string;
  readonly bytes: number;
  readonly leftStrip: boolean;
  readonly rightStrip: boolean;
}

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  order: number; // index in the list of tokens, -1 where no token ends
}

/** The special tokens of a vocabulary. */
export class SpecialTokens {
  readonly #idOfText = new Map<string, number>();
  readonly #all: Finder;
  readonly #userDefined: Finder;

  constructor(vocabulary: Vocabulary) {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const tokens: SpecialToken[] = [];
    const userDefined: SpecialToken[] = [];
    for (let id = 0; id < vocabulary.size; id++) {
      const attributes = vocabulary.attributes[id]!;
      if ((attributes & (CONTROL | USER_DEFINED | UNKNOWN)) === 0) continue;
      const bytes = vocabulary.pieces.bytesOf(id);
      const token = {
        id,
        text: decoder.decode(bytes.slice()),
        bytes: bytes.length,
        leftStrip: (attributes & LEFT_STRIP) !== 0,
        rightStrip: (attributes & RIGHT_STRIP) !== 0,
      };
      tokens.push(token);
      if (!this.#idOfText.has(token.text)) this.#idOfText.set(token.text, id);
      if ((attributes & (CONTROL | UNKNOWN)) === 0) userDefined.push(token);
    }
    this.#all = new Finder(tokens);
    this.#userDefined = new Finder(userDefined);
  }

  /** The id of the special token with exactly this text. */
  idOf(text: string): number | undefined {
    return this.#idOfText.get(text);
  }

  /** Cuts a text; user-defined tokens are always found, control and unknown tokens only if `special`. */
  fragments(text: string, special: boolean): readonly Fragment[] {
    return (special ? this.#all : this.#userDefined).fragments(text);
  }
}

class Finder {
  readonly #tokens: readonly SpecialToken[];
  readonly #root: TrieNode = { children: new Map(), order: -1 };
  readonly #firstUnits = new Uint8Array(2 ** 16);

  constructor(tokens: readonly SpecialToken[]) {
    this.#tokens = [...tokens].sort((a, b) => b.bytes - a.bytes);
    this.#tokens.forEach(({ text }, order) => {
      this.#firstUnits[text.charCodeAt(0)] = 1;
      let node = this.#root;
      for (let i = 0; i < text.length; i++) {
        let child = node.children.get(text.charCodeAt(i));
        if (child === undefined) {
          child = { children: new Map(), order: -1 };
          node.children.set(text.charCodeAt(i), child);
        }
        node = child;
      }
      if (node.order < 0) node.order = order;
    });
  }

  fragments(text: string): readonly Fragment[] {
    let fragments: readonly Fragment[] = text === "" ? [] : [{ start: 0, end: text.length }];
    for (const order of this.#ordersIn(text)) fragments = cut(fragments, text, this.#tokens[order]!);
    return fragments;
  }

  /** Which tokens occur anywhere, so that only those are looked for one by one. */
  #ordersIn(text: string): readonly number[] {
    const found = new Set<number>();
    for (let start = 0; start < text.length && found.size < this.#tokens.length; start++) {
      if (this.#firstUnits[text.charCodeAt(start)] === 0) continue;
      let node: TrieNode | undefined = this.#root;
      for (let i = start; node !== undefined; i++) {
        if (node.order >= 0) found.add(node.order);
        node = i < text.length ? node.children.get(text.charCodeAt(i)) : undefined;
      }
    }
    return [...found].sort((a, b) => a - b);
  }
}

/** Cuts a token out of the text fragments, in one pass over the text. */
function cut(fragments: readonly Fragment[], text: string, token: SpecialToken): readonly Fragment[] {
  const result: Fragment[] = [];
  let match = text.indexOf(token.text);
  for (const fragment of fragments) {
    if (fragment.id !== undefined) {
      result.push(fragment);
      continue;
    }
    let { start } = fragment;
    const { end } = fragment;
    for (;;) {
      if (match >= 0 && match < start) match = text.indexOf(token.text, start);
      if (match < 0 || match + token.text.length > end) break;
      let left = match;
      if (token.leftStrip) while (left > start && isAsciiSpace(text.charCodeAt(left - 1))) left--;
      if (left > start) result.push({ start, end: left });
      result.push({ id: token.id });
      start = match + token.text.length;
      if (token.rightStrip) while (start < end && isAsciiSpace(text.charCodeAt(start))) start++;
      if (start === end) break;
    }
    if (start < end) result.push({ start, end });
  }
  return result;
}

function isAsciiSpace(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13);
}
