// The paged KV cache as the leader keeps it: which pages are free, which sequence has which, and how many share one.
//
//   sequence -> page table (int32 words in shared memory, read by the attention kernel) -> pages of 64 positions, all layers and heads
//
// A full page may be shared by sequences that were forked from each other; the page that a sequence writes to is its own.

import { PAGE } from "#abi";
import { ContextError } from "../errors.js";
import type { KvPool, Layout } from "../model/memory-plan.js";

/** One sequence: the tokens whose keys and values it holds, and where. */
export interface CachedSequence {
  readonly id: number;
  /** Byte offset of its page table. */
  readonly pageTable: number;
  readonly pages: number[];
  /** The tokens in the cache, in order: their number is the sequence's length. */
  readonly tokens: number[];
  readonly evictable: boolean;
  /** A job is working on it. */
  busy: boolean;
  /** When it was last used: the oldest is evicted first. */
  used: number;
}

export class KvCache {
  readonly #pool: KvPool;
  readonly #layout: Layout;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #sharers: Int32Array;
  readonly #freePages: number[] = [];
  readonly #freeTables: number[] = [];
  readonly #sequences = new Map<number, CachedSequence>();
  #clock = 0;

  constructor(buffer: SharedArrayBuffer, layout: Layout, pool: KvPool) {
    this.#pool = pool;
    this.#layout = layout;
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#sharers = new Int32Array(pool.pages);
    for (let page = pool.pages - 1; page >= 0; page--) this.#freePages.push(page);
    for (let table = pool.tables - 1; table >= 0; table--) this.#freeTables.push(table);
  }

  get freePages(): number {
    return this.#freePages.length;
  }

  get(id: number): CachedSequence | undefined {
    return this.#sequences.get(id);
  }

  /** A new, empty sequence; undefined when all page tables are in use. */
  open(id: number, evictable: boolean): CachedSequence | undefined {
    const table = this.#freeTables.pop();
    if (table === undefined) return undefined;
    const sequence: CachedSequence = {
      id,
      pageTable: this.#layout.pageTables + table * this.#pool.pagesPerSequence * 4,
      pages: [],
      tokens: [],
      evictable,
      busy: false,
      used: this.#clock++,
    };
    this.#sequences.set(id, sequence);
    return sequence;
  }

  close(sequence: CachedSequence): void {
    this.truncate(sequence, 0);
    this.#sequences.delete(sequence.id);
    this.#freeTables.push((sequence.pageTable - this.#layout.pageTables) / (this.#pool.pagesPerSequence * 4));
  }

  /** Makes `copy`, which is empty, hold what `sequence` holds: full pages are shared, the last one is copied. */
  fork(sequence: CachedSequence, copy: CachedSequence): void {
    const full = Math.floor(sequence.tokens.length / PAGE);
    const rest = sequence.tokens.length % PAGE;
    if (rest > 0 && this.#freePages.length === 0) throw this.#exhausted(1);
    for (let i = 0; i < full; i++) this.#append(copy, sequence.pages[i]!);
    if (rest > 0) this.#append(copy, this.#copyPage(sequence.pages[full]!));
    copy.tokens.push(...sequence.tokens);
  }

  /** Forgets all tokens from `length` on, and gives back the pages that were theirs. */
  truncate(sequence: CachedSequence, length: number): void {
    sequence.tokens.length = length;
    this.trim(sequence);
  }

  /** Gives back pages that hold no token. */
  trim(sequence: CachedSequence): void {
    const kept = Math.ceil(sequence.tokens.length / PAGE);
    for (const page of sequence.pages.splice(kept)) this.#release(page);
  }

  /** How many free pages the sequence needs to grow to `length` tokens. */
  pagesNeeded(sequence: CachedSequence, length: number): number {
    const more = Math.max(0, Math.ceil(length / PAGE) - sequence.pages.length);
    return this.#writesSharedPage(sequence, length) ? more + 1 : more;
  }

  /** Gives the sequence the pages for `length` tokens; the caller has seen that there are enough. */
  reserve(sequence: CachedSequence, length: number): void {
    if (this.#writesSharedPage(sequence, length)) {
      const last = Math.floor(sequence.tokens.length / PAGE);
      const shared = sequence.pages[last]!;
      sequence.pages[last] = this.#copyPage(shared);
      this.#words[(sequence.pageTable >> 2) + last] = sequence.pages[last]!;
      this.#sharers[sequence.pages[last]!] = 1;
      this.#release(shared);
    }
    while (sequence.pages.length < Math.ceil(length / PAGE)) this.#append(sequence, this.#freePages.pop()!);
    sequence.used = this.#clock++;
  }

  /** Empties idle evictable sequences, the longest unused first, until there are `pages` free ones, or no more to empty. */
  evict(pages: number): void {
    const idle = [...this.#sequences.values()].filter((sequence) => sequence.evictable && !sequence.busy);
    idle.sort((a, b) => a.used - b.used);
    for (const sequence of idle) {
      if (this.#freePages.length >= pages) return;
      this.truncate(sequence, 0);
    }
  }

  /** After a truncation into a shared page, the next token would be written into it. */
  #writesSharedPage(sequence: CachedSequence, length: number): boolean {
    const at = sequence.tokens.length;
    const page = sequence.pages[Math.floor(at / PAGE)];
    return length > at && at % PAGE !== 0 && page !== undefined && this.#sharers[page]! > 1;
  }

  #copyPage(page: number): number {
    const copy = this.#freePages.pop()!;
    const { kv } = this.#layout;
    const { pageBytes } = this.#pool;
    this.#bytes.copyWithin(kv + copy * pageBytes, kv + page * pageBytes, kv + (page + 1) * pageBytes);
    return copy;
  }

  #append(sequence: CachedSequence, page: number): void {
    this.#words[(sequence.pageTable >> 2) + sequence.pages.length] = page;
    this.#sharers[page]!++;
    sequence.pages.push(page);
  }

  #release(page: number): void {
    this.#sharers[page]!--;
    if (this.#sharers[page] === 0) this.#freePages.push(page);
  }

  #exhausted(pages: number): ContextError {
    return new ContextError(
      "KV_CACHE_FULL",
      `${pages} more pages of ${PAGE} positions are needed, ${this.#freePages.length} of ${this.#pool.pages} are free; ` +
        "dispose of sequences, or load the model with more `sequences`",
    );
  }
}
