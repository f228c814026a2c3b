// A trie over the tokens of a vocabulary, level by level, for all tokens that begin at a place of a text.
//
//   children   [ 1, 4, 5, 5, ... ]     the children of node n are children[n] .. children[n + 1] - 1, in the order of their labels
//   labels     [ -, a, b, t, h, ... ]  the byte that leads to a node; node 0 is the root
//   ids        [ -1, 7, -1, ... ]      the token that ends at a node, or -1

import type { Allocate } from "./piece-table.js";
import type { Vocabulary } from "./vocabulary.js";

/** A trie as plain data. */
export interface PieceTrieData {
  readonly children: Int32Array;
  readonly labels: Uint8Array;
  readonly ids: Int32Array;
}

export class PieceTrie {
  readonly #children: Int32Array;
  readonly #labels: Uint8Array;
  readonly #ids: Int32Array;

  constructor({ children, labels, ids }: PieceTrieData) {
    this.#children = children;
    this.#labels = labels;
    this.#ids = ids;
  }

  /** Calls `visit` with the id and the end of each token that begins at `at`, the shortest first. */
  visitFrom(text: Uint8Array, at: number, visit: (id: number, end: number) => void): void {
    let node = 0;
    for (let i = at; i < text.length; i++) {
      node = this.#child(node, text[i]!);
      if (node < 0) return;
      const id = this.#ids[node]!;
      if (id >= 0) visit(id, i + 1);
    }
  }

  /** The child with this label, or -1. */
  #child(node: number, label: number): number {
    let low = this.#children[node]!;
    let high = this.#children[node + 1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const found = this.#labels[middle]!;
      if (found === label) return middle;
      if (found < label) low = middle + 1;
      else high = middle;
    }
    return -1;
  }
}

/** The trie of the tokens that `isIn` says; of equal texts the first token. */
export function pieceTrie(
  { pieces, size }: Vocabulary,
  isIn: (id: number) => boolean,
  allocate: Allocate,
): PieceTrieData {
  const { bytes, offsets } = pieces.data;
  const known: number[] = [];
  for (let id = 0; id < size; id++) {
    if (isIn(id) && pieces.find(bytes, offsets[id]!, offsets[id + 1]!) === id) known.push(id);
  }
  const order = Int32Array.from(known);
  const sorter = new ByteSorter(order, (id, at) =>
    offsets[id]! + at < offsets[id + 1]! ? bytes[offsets[id]! + at]! : -1,
  );

  // Node n stands for the texts order[from[n]] .. order[to[n] - 1], which agree in their first depth[n] bytes.
  const [from, to, depth, labels, ids, children] = [[0], [order.length], [0], [0], [-1], [1]];
  for (let node = 0; node < from.length; node++) {
    const [end, at] = [to[node]!, depth[node]!];
    let i = from[node]!;
    sorter.sort(i, end, at);
    if (i < end && sorter.label(i, at) < 0) ids[node] = order[i++]!;
    while (i < end) {
      const label = sorter.label(i, at);
      const first = i;
      while (i < end && sorter.label(i, at) === label) i++;
      from.push(first);
      to.push(i);
      depth.push(at + 1);
      labels.push(label);
      ids.push(-1);
    }
    children.push(from.length);
  }
  const trie = {
    children: new Int32Array(allocate(4 * children.length)),
    labels: new Uint8Array(allocate(labels.length)),
    ids: new Int32Array(allocate(4 * ids.length)),
  };
  trie.children.set(children);
  trie.labels.set(labels);
  trie.ids.set(ids);
  return trie;
}

/** Sorts ranges of texts by one byte, which takes as many steps as the range is long. */
class ByteSorter {
  readonly #order: Int32Array;
  readonly #byteOf: (id: number, at: number) => number;
  readonly #sorted: Int32Array;
  readonly #ends = new Int32Array(257);

  /** @param byteOf byte `at` of a text, or -1 behind its end */
  constructor(order: Int32Array, byteOf: (id: number, at: number) => number) {
    this.#order = order;
    this.#byteOf = byteOf;
    this.#sorted = new Int32Array(order.length);
  }

  /** Byte `at` of the i-th text. */
  label(i: number, at: number): number {
    return this.#byteOf(this.#order[i]!, at);
  }

  sort(from: number, to: number, at: number): void {
    if (to - from < 64) this.#insert(from, to, at);
    else this.#count(from, to, at);
  }

  #insert(from: number, to: number, at: number): void {
    const order = this.#order;
    for (let i = from + 1; i < to; i++) {
      const id = order[i]!;
      const label = this.#byteOf(id, at);
      let k = i;
      for (; k > from && this.#byteOf(order[k - 1]!, at) > label; k--) order[k] = order[k - 1]!;
      order[k] = id;
    }
  }

  #count(from: number, to: number, at: number): void {
    const ends = this.#ends.fill(0);
    for (let i = from; i < to; i++) ends[this.label(i, at) + 1]!++;
    for (let label = 0, end = from; label < 257; label++) ends[label] = end += ends[label]!;
    for (let i = to - 1; i >= from; i--) this.#sorted[--ends[this.label(i, at) + 1]!] = this.#order[i]!;
    this.#order.set(this.#sorted.subarray(from, to), from);
  }
}
