// A tokenizer's tokens as a tree of bytes, in typed arrays: to find all tokens that a grammar allows, the tree is walked once, and what
// the grammar forbids is skipped with all that begins with it.
//
//   tokens  a  an  ant  b        node   1 a   2 n   3 t   4 b        in order of depth first
//                                depth    1     2     3     1
//                                end      4     4     4     5        the node after those that begin with it

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

/** Tokens sorted by their bytes, and the tree of those bytes. Node 0 is its root: no bytes yet. */
export class Vocabulary {
  /** How many tokens there are, those without bytes included. */
  readonly size: number;
  /** How many nodes. */
  readonly nodes: number;
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
  /** The kinds of all tokens that begin with a node, as wholes. */
  readonly wholeKinds: Int32Array;
  /** Whether every byte of a text is a token of its own. */
  readonly hasAllBytes: boolean;
  /** Bytes of the longest token. */
  readonly longest: number;
  /** Bytes of the longest token that begins with a node. */
  readonly longestBelow: Uint16Array;
  readonly #text: TokenBytes;
  readonly #kindsOfToken: Int32Array;
  readonly #upTo = new Map<number, Uint32Array>();
  readonly #within = new Map<number, Uint32Array>();
  /** The child of the root for each byte, 0: none. */
  readonly #roots = new Int32Array(256);

  constructor(text: TokenBytes) {
    const { bytes, offsets } = text;
    this.#text = text;
    this.size = offsets.length - 1;
    this.tokens = sorted(text);
    let nodes = 1;
    this.#eachToken((_, from, to, common) => {
      nodes += to - from - common;
    });
    this.nodes = nodes;
    this.byte = new Uint8Array(nodes);
    this.depth = new Uint16Array(nodes);
    this.end = new Int32Array(nodes).fill(nodes);
    this.firstToken = new Int32Array(nodes + 1).fill(this.tokens.length);
    this.firstToken[0] = 0;
    const path = [0]; // the nodes of the token before
    let node = 1;
    this.#eachToken((index, from, to, common) => {
      for (const left of path.splice(common + 1)) this.end[left] = node;
      for (let at = from + common; at < to; at++) {
        this.byte[node] = bytes[at]!;
        this.depth[node] = at - from + 1;
        // Nodes on the way have no token of their own: their tokens end where they begin.
        this.firstToken[node] = index;
        path.push(node++);
      }
    });
    for (let child = 1; child < nodes; child = this.end[child]!) this.#roots[this.byte[child]!] = child;
    const isInText = (byte: number) => byte < 0xc0 || (byte >= 0xc2 && byte <= 0xf4);
    this.hasAllBytes = this.#roots.every((child, byte) => !isInText(byte) || (child > 0 && this.hasToken(child)));
    this.longest = this.depth.reduce((most, depth) => Math.max(most, depth), 0);
    this.kinds = Int32Array.from(this.byte, (byte) => 1 << KIND_OF_BYTE[byte]!);
    this.#kindsOfToken = kindsOfTokens(text);
    this.wholeKinds = new Int32Array(nodes);
    for (let node = 1; node < nodes; node++) {
      for (let i = this.firstToken[node]!; i < this.firstToken[node + 1]!; i++) {
        this.wholeKinds[node]! |= this.#kindsOfToken[this.tokens[i]!]!;
      }
    }
    this.longestBelow = this.depth.slice();
    this.#gatherFromBelow();
  }

  /** What a node begins, its parent begins. */
  #gatherFromBelow(): void {
    const path = new Int32Array(this.longest + 1);
    const parent = new Int32Array(this.nodes);
    for (let node = 1; node < this.nodes; node++) {
      parent[node] = path[this.depth[node]! - 1]!;
      path[this.depth[node]!] = node;
    }
    for (let node = this.nodes - 1; node > 0; node--) {
      this.kinds[parent[node]!]! |= this.kinds[node]!;
      this.wholeKinds[parent[node]!]! |= this.wholeKinds[node]!;
      this.longestBelow[parent[node]!] = Math.max(this.longestBelow[parent[node]!]!, this.longestBelow[node]!);
    }
  }

  /** The node that goes on from `node` with a byte, or 0. */
  child(node: number, byte: number): number {
    if (node === 0) return this.#roots[byte]!;
    const end = this.end[node]!;
    for (let child = node + 1; child < end; child = this.end[child]!) if (this.byte[child] === byte) return child;
    return 0;
  }

  hasToken(node: number): boolean {
    return this.firstToken[node + 1]! > this.firstToken[node]!;
  }

  /** The tokens of at most so many bytes, as bits. */
  upTo(bytes: number): Uint32Array {
    const known = this.#upTo.get(bytes);
    if (known !== undefined) return known;
    const { offsets } = this.#text;
    const bits = this.#bitsOf((token) => offsets[token + 1]! - offsets[token]! <= bytes);
    this.#upTo.set(bytes, bits);
    return bits;
  }

  /** The tokens that have no bytes but those of these kinds, as bits. */
  within(kinds: number): Uint32Array {
    const known = this.#within.get(kinds);
    if (known !== undefined) return known;
    const bits = this.#bitsOf((token) => (this.#kindsOfToken[token]! & ~kinds) === 0);
    if (this.#within.size === KEPT_KINDS) this.#within.clear();
    this.#within.set(kinds, bits);
    return bits;
  }

  #bitsOf(isIn: (token: number) => boolean): Uint32Array {
    const bits = new Uint32Array(Math.ceil(this.size / 32));
    for (const token of this.tokens) if (isIn(token)) bits[token >> 5]! |= 1 << (token & 31);
    return bits;
  }

  /** The bytes of a token: a view. */
  bytesOf(token: number): Uint8Array {
    return this.#text.bytes.subarray(this.#text.offsets[token], this.#text.offsets[token + 1]);
  }

  /** Calls back with each token in order: where its bytes are, and how many of them it has in common with the one before. */
  #eachToken(visit: (index: number, from: number, to: number, common: number) => void): void {
    const { bytes, offsets } = this.#text;
    let before = 0;
    let beforeEnd = 0;
    for (const [index, token] of this.tokens.entries()) {
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
}

/** The kinds of the bytes of each token. Bytes from 0x80 on are characters, or parts of such as are not whole. */
function kindsOfTokens({ bytes, offsets }: TokenBytes): Int32Array {
  const kinds = new Int32Array(offsets.length - 1);
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
