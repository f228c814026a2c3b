// Byte-pair merging of a row of symbols, best pair first, in n log n: a linked list of symbols and a heap of pairs.
//
//   symbols   [h] <-> [e] <-> [l] <-> [l] <-> [o]        a merge grows the left symbol and unlinks the right one
//   heap      rank * 2^27 + left                         one number orders by rank, then leftmost first

const LEFT_LIMIT = 2 ** 27;

/** Longest row of symbols that can be merged. */
export const MAXIMUM_SYMBOLS = LEFT_LIMIT - 1;

/** What a tokenizer knows of its symbols, which are numbered by position. */
export interface MergeRules {
  /** Rank of the merge of two neighbours, lower is better, below 2^26; -1: they do not merge. */
  rank(left: number, right: number): number;
  /** Replaces the symbol `left` by the merge of both; called only with the pair of `left` that was ranked last. */
  merge(left: number, right: number): void;
}

/** Merges `count` symbols until no pair has a rank; returns `next`: symbol 0 is the first, then next[0], ... until -1. */
export function mergeSymbols(count: number, rules: MergeRules): Int32Array {
  const next = new Int32Array(count);
  const previous = new Int32Array(count);
  const ranks = new Int32Array(count); // of the pair (i, next[i]); -1: none, or i is gone
  for (let i = 0; i < count; i++) {
    next[i] = i + 1 < count ? i + 1 : -1;
    previous[i] = i - 1;
    ranks[i] = i + 1 < count ? rules.rank(i, i + 1) : -1;
  }
  if (count <= SCAN_LIMIT) mergeByScan(next, previous, ranks, rules);
  else mergeByHeap(next, previous, ranks, rules);
  return next;
}

/** Below this many symbols looking at all of them is faster than keeping a heap. */
const SCAN_LIMIT = 24;

function mergeByScan(next: Int32Array, previous: Int32Array, ranks: Int32Array, rules: MergeRules): void {
  for (;;) {
    let best = -1;
    for (let i = 0; i !== -1; i = next[i]!) if (ranks[i]! >= 0 && (best < 0 || ranks[i]! < ranks[best]!)) best = i;
    if (best < 0) return;
    join(best, next, previous, ranks, rules);
  }
}

function mergeByHeap(next: Int32Array, previous: Int32Array, ranks: Int32Array, rules: MergeRules): void {
  const heap = new KeyHeap(next.length);
  for (let i = 0; i < next.length; i++) if (ranks[i]! >= 0) heap.push(ranks[i]! * LEFT_LIMIT + i);
  while (heap.size > 0) {
    const key = heap.pop();
    const left = key % LEFT_LIMIT;
    // A pair that changed since it was pushed has another rank now; if it has the same rank, it has the same priority.
    if (ranks[left] !== (key - left) / LEFT_LIMIT) continue;
    join(left, next, previous, ranks, rules);
    if (ranks[left] >= 0) heap.push(ranks[left] * LEFT_LIMIT + left);
    const before = previous[left]!;
    if (before >= 0 && ranks[before]! >= 0) heap.push(ranks[before]! * LEFT_LIMIT + before);
  }
}

function join(left: number, next: Int32Array, previous: Int32Array, ranks: Int32Array, rules: MergeRules): void {
  const right = next[left]!;
  rules.merge(left, right);
  const after = next[right]!;
  next[left] = after;
  ranks[right] = -1;
  if (after >= 0) previous[after] = left;
  ranks[left] = after >= 0 ? rules.rank(left, after) : -1;
  const before = previous[left]!;
  if (before >= 0) ranks[before] = rules.rank(before, left);
}

/** A binary min-heap of numbers. */
class KeyHeap {
  size = 0;
  #keys: Float64Array;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
  }

  push(key: number): void {
    if (this.size === this.#keys.length) {
      const larger = new Float64Array(this.size * 2);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    const keys = this.#keys;
    let i = this.size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[i] = keys[parent]!;
      i = parent;
    }
    keys[i] = key;
  }

  pop(): number {
    const keys = this.#keys;
    const top = keys[0]!;
    const size = --this.size;
    const key = keys[size]!;
    let i = 0;
    for (let child = 1; child < size; child = 2 * i + 1) {
      if (child + 1 < size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[i] = keys[child]!;
      i = child;
    }
    keys[i] = key;
    return top;
  }
}
