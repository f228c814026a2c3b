// The paged KV cache as the leader keeps it: which pages are free, which pages each sequence has, and how many share a page.
//
//   sequence -> page table (int32 words in shared memory, read by the attention kernel) -> pages of 64 positions, all layers and heads
//
// Every shard has the page tables, and of each page the part of its own layers. A page's parts, one after another, are what a session
// keeps of it: the layers in order, however many shards there are.
//
// It is a cache: a sequence is its text. While it is idle its keys and values can be taken away, the last page first, and they are
// evaluated again when they are needed. Sequences share pages by reference count: forks do, and so do texts that begin alike, through the
// index. A page that is shared or in the index is not written to any more. A page that nobody holds stays in the index until it is needed.
//
//   free -> held by sequences -> (in the index: kept, the longest unused first ->) free
//
// A model with recurrent state goes on only where there is a snapshot of it (state-slots.ts). Those that last are at the ends of turns, and
// at some ends of pages, where steps of a prompt end for their sake: every 256 positions, or a power of 2 times as many, so that a text has 4
// at most; the last end of a page before the last token; and where another text's pages go on like this one, but have no snapshot: what
// many texts begin with is thus computed twice at most.

import { PAGE } from "#abi";
import type { CachePages } from "../machine/disturbance/step-meter.js";
import type { KvPool, StatePool } from "../model/plan/memory-plan.js";
import type { Shard } from "../model/plan/shard.js";
import type { RunState } from "../model/step.js";
import type { SavedSequence } from "../protocol/messages.js";
import { PrefixIndex } from "./prefix-index.js";
import { type StateHolder, StateSlots, type Stay } from "./state-slots.js";

/** Positions from one lasting snapshot to the next, while a text has no more than so many of them. */
const SNAPSHOT_DISTANCE = 4 * PAGE;
const SNAPSHOTS = 4;

/** One sequence: a text, and where the keys and values of its beginning are. */
export interface CachedSequence extends StateHolder {
  readonly tokens: number[];
  /** How many of the first tokens have their keys and values in the pages; of a model with recurrent state, where a snapshot is, too. */
  computed: number;
  readonly pages: number[];
  /** Byte offset of its page table while steps may work on it; 0 while it is idle. */
  pageTable: number;
  /** Whether it ends with the job that works on it. */
  temporary: boolean;
  /** When it was last used. Idle sequences lose their pages in this order. */
  used: number;
  /** How far another text's pages went on like this one, where they had no snapshot. */
  branch: number;
}

/** What the cache uses of a shard. */
type KvShard = Pick<Shard, "words" | "bytes" | "layout" | "index">;

export class KvCache {
  readonly #pool: KvPool;
  readonly #shards: readonly KvShard[];
  readonly #index = new PrefixIndex();
  /** Of a model with recurrent state. */
  readonly #states: StateSlots | undefined;
  /** How many sequences hold a page. */
  readonly #sharers: Int32Array;
  readonly #freePages: number[] = [];
  /** Pages in the index that nobody holds, and since when. The oldest comes first. */
  readonly #kept = new Map<number, number>();
  readonly #freeTables: number[] = [];
  /** The caller's sequences, by their numbers. */
  readonly #sequences = new Map<number, CachedSequence>();
  /** The sequences that hold pages. */
  readonly #holders = new Set<CachedSequence>();
  #clock = 0;

  constructor(shards: readonly KvShard[], pool: KvPool, states: StatePool | undefined) {
    const { layout } = shards[0]!;
    this.#states = states && new StateSlots(shards, states);
    this.#pool = pool;
    this.#shards = shards;
    this.#sharers = new Int32Array(pool.pages);
    for (let page = pool.pages - 1; page >= 0; page--) this.#freePages.push(page);
    for (let table = pool.tables - 1; table >= 0; table--) {
      this.#freeTables.push(layout.pageTables + table * pool.pagesPerSequence * 4);
    }
  }

  /** How many sequences steps may work on at once. */
  get mostActive(): number {
    return Math.min(this.#pool.tables, this.#states?.most ?? Number.POSITIVE_INFINITY);
  }

  get(id: number): CachedSequence | undefined {
    return this.#sequences.get(id);
  }

  /** A new, empty sequence with a number. */
  open(id: number): CachedSequence {
    const sequence = emptySequence(false);
    this.#sequences.set(id, sequence);
    return sequence;
  }

  /** The number means nothing from now on. What the sequence holds is released as soon as no job works on it. */
  close(id: number): void {
    this.#sequences.delete(id);
  }

  /** Ends the sequence. */
  release(sequence: CachedSequence): void {
    this.#lose(sequence, 0);
  }

  /** Makes `copy`, which is empty, hold what `sequence` holds. Whichever writes to a shared page first gets a copy of it. */
  fork(sequence: CachedSequence, copy: CachedSequence): void {
    for (const token of sequence.tokens) copy.tokens.push(token);
    for (const page of sequence.pages) this.#append(copy, page);
    copy.computed = sequence.computed;
    this.#states?.fork(sequence, copy);
  }

  /** Forgets all tokens from `length` on. */
  truncate(sequence: CachedSequence, length: number): void {
    sequence.tokens.length = length;
    sequence.branch = 0;
    this.#lose(sequence, length);
  }

  /** Steps are going to work on the sequence, so its pages stay its own. There is a page table for each row of a step. */
  begin(sequence: CachedSequence): void {
    this.#lose(sequence, sequence.computed); // it may have lost its state, and then has pages that it does not need
    sequence.pageTable = this.#freeTables.pop()!;
    for (const at of sequence.pages.keys()) this.#writeTable(sequence, at);
  }

  /** The sequence is idle: it keeps its pages only until others need them. */
  pause(sequence: CachedSequence): void {
    this.#freeTables.push(sequence.pageTable);
    sequence.pageTable = 0;
    sequence.used = this.#clock++;
    this.#lose(sequence, sequence.computed);
    this.#states?.pause(sequence);
  }

  /** Takes over full pages that hold what comes next in the text, within its first `most` tokens. */
  share(sequence: CachedSequence, most: number): void {
    const first = Math.floor(sequence.computed / PAGE);
    const found: number[] = [];
    for (let at = first; (at + 1) * PAGE <= most; at++) {
      const page = this.#index.find(found.at(-1) ?? sequence.pages[at - 1], sequence.tokens, at * PAGE);
      if (page === undefined) break;
      found.push(page);
    }
    const states = this.#states;
    const last = states === undefined ? found.length - 1 : found.findLastIndex((page) => states.ofPage(page));
    if (last < found.length - 1) sequence.branch = (first + found.length) * PAGE;
    if (last < 0) return;
    this.#releaseFrom(sequence, first);
    for (const page of found.slice(0, last + 1)) this.#append(sequence, page);
    sequence.computed = (first + last + 1) * PAGE;
    states?.share(sequence, states.ofPage(found[last]!)!);
  }

  /** Where the state of the sequence is before its next step, and where it is to be after it. */
  slotsForStep(sequence: CachedSequence): RunState | undefined {
    return this.#states?.forStep(sequence);
  }

  /** How many tokens may be computed at most until a snapshot is to be taken. */
  tokensToSnapshot(sequence: CachedSequence): number {
    if (this.#states === undefined) return Number.POSITIVE_INFINITY;
    const { computed } = sequence;
    const distance = distanceOf(sequence);
    const next = (Math.floor(computed / distance) + 1) * distance;
    const places = [next, sequence.branch, lastPageEnd(sequence)].filter((place) => place > computed);
    return Math.min(...places) - computed;
  }

  /** The next `count` tokens have been computed. `publish`: others may share the pages that are full now. */
  advance(sequence: CachedSequence, count: number, publish: boolean): void {
    const before = Math.floor(sequence.computed / PAGE);
    sequence.computed += count;
    const full = Math.floor(sequence.computed / PAGE);
    if (publish) for (let at = before; at < full; at++) this.#publish(sequence, at);
    this.#states?.advance(sequence, this.#stayOf(sequence, count, publish));
    if (!publish || sequence.computed % PAGE !== 0) return;
    const page = sequence.pages[full - 1]!;
    if (this.#index.has(page)) this.#states?.publish(sequence, page);
  }

  /** How long the snapshot stays that the sequence has after a step of `count` tokens. */
  #stayOf(sequence: CachedSequence, count: number, publish: boolean): Stay {
    const { computed, tokens } = sequence;
    if (count > 1 && computed === tokens.length) return "lasting"; // the end of a prompt
    if (!publish || computed % PAGE !== 0) return "passing";
    const isPlace = computed % distanceOf(sequence) === 0 || computed === sequence.branch;
    return isPlace || computed === lastPageEnd(sequence) ? "lasting" : "page end";
  }

  /** A turn of a conversation ends where the sequence is now. */
  endTurn(sequence: CachedSequence): void {
    this.#states?.keep(sequence);
  }

  /**
   * A copy of what an idle sequence holds. For a last page that is not full, only the tokens; with recurrent state, for all that comes after
   * the last end of a page with a snapshot.
   */
  save({ tokens, pages, computed, snapshots }: CachedSequence, head: Uint8Array, tail: number): SavedSequence {
    const { pageBytes } = this.#pool;
    const snapshot = snapshots.findLast(({ length }) => length % PAGE === 0);
    const full = Math.floor((this.#states === undefined ? computed : (snapshot?.length ?? 0)) / PAGE);
    const stateBytes = snapshot === undefined ? 0 : this.#states!.bytes;
    const session = new Uint8Array(head.length + 4 * tokens.length + full * pageBytes + stateBytes + tail);
    session.set(head);
    session.set(new Uint8Array(Int32Array.from(tokens).buffer), head.length);
    for (let at = 0; at < full; at++) {
      let to = head.length + 4 * tokens.length + at * pageBytes;
      for (const part of this.#parts(pages[at]!)) {
        session.set(part, to);
        to += part.length;
      }
    }
    if (snapshot !== undefined) {
      const at = head.length + 4 * tokens.length + full * pageBytes;
      this.#states!.read(snapshot, session.subarray(at, at + stateBytes));
    }
    return { session, tokens: tokens.length, pages: full };
  }

  /**
   * Fills an empty sequence, with as many pages as can be had; with recurrent state, which is that at the end of all of them, with all or
   * none. They never enter the index: others must not depend on a file's word.
   */
  restore(sequence: CachedSequence, tokens: Int32Array, pages: Uint8Array, state: Uint8Array): void {
    const { pageBytes } = this.#pool;
    for (const token of tokens) sequence.tokens.push(token);
    const saved = pages.length / pageBytes;
    const count = Math.min(saved, this.obtainable());
    if (this.#states !== undefined && count < saved) return;
    // No page is taken from this sequence itself: not even before those that others have just lost to the index.
    sequence.used = Number.POSITIVE_INFINITY;
    for (let at = 0; at < count; at++) {
      const page = this.#take();
      let from = at * pageBytes;
      for (const part of this.#parts(page)) {
        part.set(pages.subarray(from, from + part.length));
        from += part.length;
      }
      this.#append(sequence, page);
      sequence.computed += PAGE;
    }
    sequence.used = this.#clock++;
    if (count > 0) this.#states?.restore(sequence, state);
  }

  /** How many pages can be had: those that only idle sequences hold, or nobody. */
  obtainable(): number {
    const held = new Uint8Array(this.#pool.pages);
    for (const { pageTable, pages } of this.#holders) {
      if (pageTable !== 0) for (const page of pages) held[page] = 1;
    }
    return held.reduce((count, one) => count - one, this.#pool.pages);
  }

  /** How full the cache is. */
  get pages(): CachePages {
    const { pages } = this.#pool;
    const used = pages - this.obtainable();
    return { pages, used, cached: pages - used - this.#freePages.length };
  }

  /** How many more pages the sequence needs to grow to `length` tokens. */
  needed(sequence: CachedSequence, length: number): number {
    const more = Math.max(0, Math.ceil(length / PAGE) - sequence.pages.length);
    const next = this.#nextPage(sequence, length);
    if (next === undefined || this.#sharers[next]! === 1) return more;
    return this.#holdersOf(next).some((one) => one !== sequence && one.pageTable !== 0) ? more + 1 : more;
  }

  /** Gives the sequence the pages for `length` tokens. The caller has checked that they can be had. */
  reserve(sequence: CachedSequence, length: number): void {
    const next = this.#nextPage(sequence, length);
    if (next !== undefined && (this.#sharers[next]! > 1 || this.#index.has(next))) {
      const at = Math.floor(sequence.computed / PAGE);
      const more = Math.ceil(length / PAGE) - sequence.pages.length;
      if (this.obtainable() > more) this.#replace(sequence, at, this.#copy(next));
      else this.#claim(sequence, next);
    }
    while (sequence.pages.length < Math.ceil(length / PAGE)) this.#append(sequence, this.#take());
  }

  /** The page that the next token is written to, if it already holds tokens. */
  #nextPage(sequence: CachedSequence, length: number): number | undefined {
    const { computed, pages } = sequence;
    return length > computed && computed % PAGE !== 0 ? pages[Math.floor(computed / PAGE)] : undefined;
  }

  #holdersOf(page: number): CachedSequence[] {
    return [...this.#holders].filter(({ pages }) => pages.includes(page));
  }

  /** Makes a shared page the sequence's own when there is no free page to copy it to. Those that share it are idle, and lose it. */
  #claim(sequence: CachedSequence, page: number): void {
    this.#forget(page);
    for (const other of this.#holdersOf(page)) {
      if (other !== sequence) this.#lose(other, other.pages.indexOf(page) * PAGE);
    }
  }

  /** Enters a full page into the index. If another page holds the same, that one takes its place. */
  #publish(sequence: CachedSequence, at: number): void {
    const { pages, tokens } = sequence;
    const same = this.#index.find(pages[at - 1], tokens, at * PAGE);
    if (same === undefined) this.#index.add(pages[at]!, pages[at - 1], tokens, at * PAGE);
    else if (same !== pages[at]) this.#replace(sequence, at, same);
  }

  /** A page to write to: a free one, else the one unused for the longest time among those that nobody needs now. */
  #take(): number {
    for (;;) {
      const free = this.#freePages.pop();
      if (free !== undefined) return free;
      const [kept] = this.#kept;
      const idle = this.#longestIdle();
      if (kept !== undefined && (idle === undefined || kept[1] < idle.used)) {
        this.#kept.delete(kept[0]);
        this.#forget(kept[0]);
        return kept[0];
      }
      const last = idle!.pages.at(-1)!;
      if (this.#sharers[last] === 1) this.#forget(last);
      this.#lose(idle!, (idle!.pages.length - 1) * PAGE);
    }
  }

  #longestIdle(): CachedSequence | undefined {
    let longest: CachedSequence | undefined;
    for (const one of this.#holders) {
      if (one.pageTable === 0 && (longest === undefined || one.used < longest.used)) longest = one;
    }
    return longest;
  }

  /** The page will hold something else. */
  #forget(page: number): void {
    this.#index.forget(page);
    this.#states?.forget(page);
  }

  /** From now on the sequence holds at most the first `length` tokens. */
  #lose(sequence: CachedSequence, length: number): void {
    sequence.computed = Math.min(sequence.computed, length);
    this.#states?.goBack(sequence);
    this.#releaseFrom(sequence, Math.ceil(sequence.computed / PAGE));
  }

  /** The last pages go first: without what comes before them they cannot be found. */
  #releaseFrom(sequence: CachedSequence, first: number): void {
    while (sequence.pages.length > first) this.#release(sequence.pages.pop()!);
    sequence.computed = Math.min(sequence.computed, first * PAGE);
    if (sequence.pages.length === 0) this.#holders.delete(sequence);
  }

  #release(page: number): void {
    this.#sharers[page]!--;
    if (this.#sharers[page]! > 0) return;
    if (this.#index.has(page)) this.#kept.set(page, this.#clock++);
    else this.#freePages.push(page);
  }

  #append(sequence: CachedSequence, page: number): void {
    this.#kept.delete(page);
    this.#sharers[page]!++;
    sequence.pages.push(page);
    this.#holders.add(sequence);
    this.#writeTable(sequence, sequence.pages.length - 1);
  }

  #replace(sequence: CachedSequence, at: number, page: number): void {
    const old = sequence.pages[at]!;
    this.#kept.delete(page);
    this.#sharers[page]!++;
    sequence.pages[at] = page;
    this.#writeTable(sequence, at);
    this.#release(old);
  }

  #writeTable(sequence: CachedSequence, at: number): void {
    if (sequence.pageTable === 0) return;
    for (const { words } of this.#shards) words[(sequence.pageTable >> 2) + at] = sequence.pages[at]!;
  }

  /** The parts of a page, shard after shard. */
  #parts(page: number): readonly Uint8Array[] {
    return this.#shards.map(({ bytes, layout, index }) => {
      const { kv, pageBytes } = layout.shards[index]!;
      return bytes.subarray(kv + page * pageBytes, kv + (page + 1) * pageBytes);
    });
  }

  #copy(page: number): number {
    const copy = this.#take();
    const to = this.#parts(copy);
    for (const [i, part] of this.#parts(page).entries()) to[i]!.set(part);
    return copy;
  }
}

/** @param temporary whether it ends with its job */
export function emptySequence(temporary: boolean): CachedSequence {
  return {
    ...{ tokens: [], computed: 0, pages: [], pageTable: 0, temporary, used: 0, branch: 0 },
    ...{ snapshots: [], nextSlot: undefined },
  };
}

/** Positions from one lasting snapshot of a text to the next. */
function distanceOf({ tokens }: CachedSequence): number {
  let distance = SNAPSHOT_DISTANCE;
  while (tokens.length > SNAPSHOTS * distance) distance *= 2;
  return distance;
}

/** The last end of a page before the last token. */
function lastPageEnd({ tokens }: CachedSequence): number {
  return Math.floor((tokens.length - 1) / PAGE) * PAGE;
}
