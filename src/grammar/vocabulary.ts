// A tokenizer's tokens as a tree of bytes, in typed arrays: to find all tokens that a grammar allows, the tree is walked once, and what
// the grammar forbids is skipped with all that begins with it.
//
//   tokens  a  an  ant  b        node   1 a   2 n   3 t   4 b        in order of depth first
//                                depth    1     2     3     1
//                                end      4     4     4     5        the node after those that begin with it

import { shared } from "./shared-array.js";

/** The bytes of all tokens: token i is bytes[offsets[i] .. offsets[i + 1]). A token without bytes is not text: it is never allowed. */
export interface TokenBytes {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

/**
 * Kinds of bytes below 0x80: those that text is mostly made of together, and single ones that grammars tell apart. With the two kinds
 * below they are at most 31.
 */
export const BYTES_OF_KIND: readonly (readonly number[])[] = (() => {
  const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const codes = (text: string) => Array.from(text, (symbol) => symbol.charCodeAt(0));
  const kinds = [range(0x30, 0x39), range(0x41, 0x5a), range(0x61, 0x7a)];
  kinds.push(...[..." \"\\,:{}[]-.'()<>/\n"].map(codes), codes("+*=_#&;|"));
  const rest = range(0, 0x7f).filter((byte) => !kinds.some((kind) => kind.includes(byte)));
  return [...kinds, rest.filter((byte) => byte < 0x20), rest.filter((byte) => byte >= 0x20)];
})();
/** Whole characters of more than one byte. */
export const KIND_CHARACTERS = BYTES_OF_KIND.length;
/** Parts of such characters. */
const KIND_PARTS = KIND_CHARACTERS + 1;
const KIND_OF_BYTE = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x80 ? BYTES_OF_KIND.findIndex((kind) => kind.includes(byte)) : KIND_PARTS,
);
/** Sets of kinds whose tokens are kept. */
const KEPT_KINDS = 64;

/** Tokens sorted by their bytes, and the tree of those bytes, as arrays that threads can share. Node 0 is its root: no bytes yet. */
export interface VocabularyTables {
  /** The last byte of a node. */
  readonly byte: Uint8Array;
  readonly depth: Uint16Array;
  /** The first node that does not begin with this one. */
  readonly end: Int32Array;
  /** The tokens of node n are tokens[firstToken[n] .. firstToken[n + 1]); several may have the same bytes. */
  readonly firstToken: Int32Array;
  readonly tokens: Int32Array;
  /** The kinds of all bytes below a node, and of its own: bit k for kind k. */
  readonly kinds: Int32Array;
  /** The kinds of all tokens that begin with a node, as wholes; and of each token. */
  readonly wholeKinds: Int32Array;
  readonly kindsOfToken: Int32Array;
  /** Bytes of the longest token that begins with a node. */
  readonly longestBelow: Uint16Array;
}

export function vocabularyTables(text: TokenBytes): VocabularyTables {
  const { bytes } = text;
  const tokens = shared(Int32Array, sorted(text));
  let nodes = 1;
  eachToken(text, tokens, (_, from, to, common) => {
    nodes += to - from - common;
  });
  const byte = shared(Uint8Array, nodes);
  const depth = shared(Uint16Array, nodes);
  const end = shared(Int32Array, nodes).fill(nodes);
  const firstToken = shared(Int32Array, nodes + 1).fill(tokens.length);
  firstToken[0] = 0;
  const path = [0]; // the nodes of the token before
  let node = 1;
  eachToken(text, tokens, (index, from, to, common) => {
    for (const left of path.splice(common + 1)) end[left] = node;
    for (let at = from + common; at < to; at++) {
      byte[node] = bytes[at]!;
      depth[node] = at - from + 1;
      // Nodes on the way have no token of their own: their tokens end where they begin.
      firstToken[node] = index;
      path.push(node++);
    }
  });
  const kindsOfToken = kindsOfTokens(text);
  const kinds = shared(Int32Array, nodes);
  const wholeKinds = shared(Int32Array, nodes);
  const longestBelow = shared(Uint16Array, nodes);
  longestBelow.set(depth);
  for (let at = 1; at < nodes; at++) {
    kinds[at] = 1 << KIND_OF_BYTE[byte[at]!]!;
    for (let i = firstToken[at]!; i < firstToken[at + 1]!; i++) wholeKinds[at]! |= kindsOfToken[tokens[i]!]!;
  }
  // What a node begins, its parent begins.
  const parent = new Int32Array(nodes);
  const nodeAtDepth = new Int32Array(2 ** 16);
  for (let at = 1; at < nodes; at++) {
    parent[at] = nodeAtDepth[depth[at]! - 1]!;
    nodeAtDepth[depth[at]!] = at;
  }
  for (let at = nodes - 1; at > 0; at--) {
    kinds[parent[at]!]! |= kinds[at]!;
    wholeKinds[parent[at]!]! |= wholeKinds[at]!;
    longestBelow[parent[at]!] = Math.max(longestBelow[parent[at]!]!, longestBelow[at]!);
  }
  return { byte, depth, end, firstToken, tokens, kinds, wholeKinds, kindsOfToken, longestBelow };
}

export class Vocabulary {
  /** How many tokens there are, those without bytes included. */
  readonly size: number;
  /** How many nodes. */
  readonly nodes: number;
  readonly tables: VocabularyTables;
  /** Whether every byte of a text is a token of its own. */
  readonly hasAllBytes: boolean;
  /** Bytes of the longest token. */
  readonly longest: number;
  readonly #text: TokenBytes;
  readonly #longer = new Map<number, Int32Array>();
  readonly #within = new Map<number, Uint32Array>();
  readonly #withinLength = new Map<string, Uint32Array>();
  #characters: Uint16Array | undefined;
  /** The child of the root for each byte, 0: none. */
  readonly #roots = new Int32Array(256);

  constructor(text: TokenBytes, tables: VocabularyTables = vocabularyTables(text)) {
    this.#text = text;
    this.tables = tables;
    const { byte, end, longestBelow } = tables;
    this.size = text.offsets.length - 1;
    this.nodes = byte.length;
    for (let child = 1; child < this.nodes; child = end[child]!) this.#roots[byte[child]!] = child;
    const isInText = (one: number) => one < 0xc0 || (one >= 0xc2 && one <= 0xf4);
    this.hasAllBytes = this.#roots.every((child, one) => !isInText(one) || (child > 0 && this.hasToken(child)));
    this.longest = longestBelow[0]!;
  }

  /** The node that goes on from `node` with a byte, or 0. */
  child(node: number, byte: number): number {
    if (node === 0) return this.#roots[byte]!;
    const { end, byte: last } = this.tables;
    for (let child = node + 1; child < end[node]!; child = end[child]!) if (last[child] === byte) return child;
    return 0;
  }

  hasToken(node: number): boolean {
    const { firstToken } = this.tables;
    return firstToken[node + 1]! > firstToken[node]!;
  }

  /** The tokens of more bytes than so many. */
  longerThan(bytes: number): Int32Array {
    const known = this.#longer.get(bytes);
    if (known !== undefined) return known;
    const { offsets } = this.#text;
    // Of those that are longer than half of it, which are few.
    const others = bytes > 1 ? this.longerThan(bytes >> 1) : this.tables.tokens;
    const longer = others.filter((token) => offsets[token + 1]! - offsets[token]! > bytes);
    this.#longer.set(bytes, longer);
    return longer;
  }

  /** The tokens that have no bytes but those of these kinds, as bits. */
  within(kinds: number): Uint32Array {
    const known = this.#within.get(kinds);
    if (known !== undefined) return known;
    const bits = this.#bitsOf((token) => (this.tables.kindsOfToken[token]! & ~kinds) === 0);
    if (this.#within.size === KEPT_KINDS) this.#within.clear();
    this.#within.set(kinds, bits);
    return bits;
  }

  /** The same of up to so many characters, none of which is in parts. */
  withinLength(kinds: number, characters: number): Uint32Array {
    if (characters === Number.POSITIVE_INFINITY) return this.within(kinds);
    const key = `${kinds} ${characters}`;
    const known = this.#withinLength.get(key);
    if (known !== undefined) return known;
    const bits = this.within(kinds).slice();
    const lengths = this.#charactersOfTokens();
    for (const token of this.tables.tokens) {
      if (lengths[token]! > characters) bits[token >> 5]! &= ~(1 << (token & 31));
    }
    if (this.#withinLength.size === KEPT_KINDS) this.#withinLength.clear();
    this.#withinLength.set(key, bits);
    return bits;
  }

  /** The characters of each token: bytes that do not go on with one. */
  #charactersOfTokens(): Uint16Array {
    if (this.#characters !== undefined) return this.#characters;
    const { bytes, offsets } = this.#text;
    const characters = new Uint16Array(this.size);
    for (let token = 0; token < this.size; token++) {
      for (let at = offsets[token]!; at < offsets[token + 1]!; at++) if (bytes[at]! >> 6 !== 2) characters[token]!++;
    }
    this.#characters = characters;
    return characters;
  }

  #bitsOf(isIn: (token: number) => boolean): Uint32Array {
    const bits = new Uint32Array(Math.ceil(this.size / 32));
    for (const token of this.tables.tokens) if (isIn(token)) bits[token >> 5]! |= 1 << (token & 31);
    return bits;
  }

  /** The bytes of a token: a view. */
  bytesOf(token: number): Uint8Array {
    return this.#text.bytes.subarray(this.#text.offsets[token], this.#text.offsets[token + 1]);
  }
}

/** Calls back with each token in order: where its bytes are, and how many of them it has in common with the one before. */
function eachToken(
  { bytes, offsets }: TokenBytes,
  tokens: Int32Array,
  visit: (index: number, from: number, to: number, common: number) => void,
): void {
  let before = 0;
  let beforeEnd = 0;
  for (const [index, token] of tokens.entries()) {
    const from = offsets[token]!;
    const to = offsets[token + 1]!;
    const most = Math.min(to - from, beforeEnd - before);
    let common = 0;
    while (common < most && bytes[from + common] === bytes[before + common]) common++;
    visit(index, from, to, common);
    before = from;
    beforeEnd = to;
  }
}

/** The kinds of the bytes of each token. Bytes from 0x80 on are characters, or parts of such as are not whole. */
function kindsOfTokens({ bytes, offsets }: TokenBytes): Int32Array {
  const kinds = shared(Int32Array, offsets.length - 1);
  for (const token of kinds.keys()) {
    const end = offsets[token + 1]!;
    for (let at = offsets[token]!; at < end; ) {
      const byte = bytes[at]!;
      const length = byte < 0x80 ? 1 : lengthOfCharacter(bytes, at, end);
      kinds[token]! |= 1 << (byte < 0x80 ? KIND_OF_BYTE[byte]! : length > 0 ? KIND_CHARACTERS : KIND_PARTS);
      at += Math.max(1, length);
    }
  }
  return kinds;
}

/** Bytes of the character of more than one byte that begins at a place; 0: none does. */
function lengthOfCharacter(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > end) return 0;
  for (let i = at + 1; i < at + length; i++) if (bytes[i]! >> 6 !== 2) return 0;
  const second = bytes[at + 1]!;
  // Too long for their characters; surrogates; beyond the last character.
  const isWrong =
    (lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f) || (lead === 0xf0 && second < 0x90);
  return isWrong || (lead === 0xf4 && second > 0x8f) ? 0 : length;
}

/** The tokens that have bytes, in order of them. Four bytes and the token are one number, so most of the sorting is the platform's. */
function sorted({ bytes, offsets }: TokenBytes): Int32Array {
  const size = offsets.length - 1;
  const keys = new Float64Array(size);
  let count = 0;
  for (let token = 0; token < size; token++) {
    const from = offsets[token]!;
    const to = offsets[token + 1]!;
    if (from === to) continue;
    let prefix = 0;
    for (let at = from; at! < from + 4; at!++) prefix = prefix * 256 + (at! < to ? bytes[at!]! : 0);
    keys[count++] = prefix * 2 ** 21 + token;
  }
  const order = keys.subarray(0, count).sort();
  const tokens = Int32Array.from(order, (key) => key % 2 ** 21);
  const prefixOf = (i: number) => Math.floor(order[i]! / 2 ** 21);
  for (let start = 0; start < count; ) {
    let end = start + 1;
    while (end < count && prefixOf(end) === prefixOf(start)) end++;
    if (end > start + 1) tokens.subarray(start, end).sort((a, b) => compare(bytes, offsets, a, b));
    start = end;
  }
  return tokens;
}

function compare(bytes: Uint8Array, offsets: Uint32Array, a: number, b: number): number {
  const lengthA = offsets[a + 1]! - offsets[a]!;
  const lengthB = offsets[b + 1]! - offsets[b]!;
  const most = Math.min(lengthA, lengthB);
  for (let i = 0; i < most; i++) {
    const difference = bytes[offsets[a]! + i]! - bytes[offsets[b]! + i]!;
    if (difference !== 0) return difference;
  }
  return lengthA - lengthB || a - b;
}
