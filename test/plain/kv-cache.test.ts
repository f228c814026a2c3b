// The KV cache by itself, without and with recurrent state: whatever sequences do, each holds what was computed for its text, and no page
// and no slot is lost.

import { describe, expect, it } from "vitest";
import { type CachedSequence, emptySequence, KvCache } from "../../dist/leader/kv-cache.js";
import type { KvPool, Layout, StatePool } from "../../dist/model/plan/memory-plan.js";
import { NO_STATE } from "../../dist/model/step.js";
import fc from "../support/fast-check.js";

const PAGE = 64;
const PAGES = 6;
/** Pages of one sequence at most. */
const LONGEST = 4;
const TABLES_AT = 64;
const KV_AT = 4096;
/** Sequences that may be worked on at once, and slots of recurrent state: two for each. */
const TABLES = 3;
const SLOTS = 2 * TABLES;

/** Words that a position has in each shard, and a state. */
const SHARDS = [1, 2];
const stateAt = (words: number) => KV_AT + PAGES * PAGE * 4 * words;
const LAYOUT = {
  pageTables: TABLES_AT,
  shards: SHARDS.map((words) => ({
    ...{ kv: KV_AT, pageBytes: PAGE * 4 * words, state: stateAt(words), slotBytes: 4 * words },
  })) as unknown as Layout["shards"],
} as Layout;

/**
 * A cache whose positions hold a few words each, in two shards. They depend on the text up to that position, and the recurrent state, if
 * there is any, on the text up to its end.
 */
class Machine {
  readonly shards = SHARDS.map((words, index) => {
    const buffer = new SharedArrayBuffer(stateAt(words) + SLOTS * 4 * words);
    return { words: new Int32Array(buffer), bytes: new Uint8Array(buffer), layout: LAYOUT, index };
  });
  readonly sequences: CachedSequence[] = [];
  readonly cache: KvCache;
  readonly #recurrent: boolean;

  constructor(recurrent = false) {
    const wordBytes = 4 * (SHARDS[0]! + SHARDS[1]!);
    const pool = { pages: PAGES, pagesPerSequence: LONGEST, tables: TABLES, pageBytes: PAGE * wordBytes } as KvPool;
    this.cache = new KvCache(
      this.shards,
      pool,
      recurrent ? ({ slots: SLOTS, slotBytes: wordBytes } as StatePool) : undefined,
    );
    this.#recurrent = recurrent;
  }

  get active(): readonly CachedSequence[] {
    return this.sequences.filter(({ pageTable }) => pageTable !== 0);
  }

  open(): CachedSequence {
    const sequence = emptySequence(false);
    this.sequences.push(sequence);
    return sequence;
  }

  /** Opens a sequence that holds what another, idle one does, by way of a session. */
  restore(sequence: CachedSequence): CachedSequence {
    const { session, tokens, pages } = this.cache.save(sequence, new Uint8Array(0), 0);
    const restored = this.open();
    const end = 4 * tokens + pages * PAGE * 4 * (SHARDS[0]! + SHARDS[1]!);
    const ids = new Int32Array(session.buffer, 0, tokens);
    this.cache.restore(restored, ids, session.subarray(4 * tokens, end), session.subarray(end));
    return restored;
  }

  close(sequence: CachedSequence): void {
    this.cache.release(sequence);
    this.sequences.splice(this.sequences.indexOf(sequence), 1);
  }

  /** Appends tokens; then computes all that is missing, if there are pages. Returns how many tokens were in the cache; -1: no room. */
  grow(sequence: CachedSequence, tokens: readonly number[]): number {
    sequence.tokens.push(...tokens);
    const resting = sequence.pageTable === 0;
    if (resting) {
      this.cache.begin(sequence);
      this.cache.share(sequence, sequence.tokens.length);
    }
    const cached = sequence.computed;
    if (!this.#reserve(sequence)) {
      if (resting) this.cache.pause(sequence);
      return -1;
    }
    while (sequence.computed < sequence.tokens.length) this.#step([sequence]);
    return cached;
  }

  /** Appends a token to all that are worked on and have room. One step computes them; or it is aborted, and leaves them to the next. */
  growTogether(token: number, aborted: boolean): void {
    const growing = this.active.filter((one) => one.tokens.length < LONGEST * PAGE);
    for (const one of growing) one.tokens.push(token);
    this.#step(
      growing.filter((one) => this.#reserve(one)),
      aborted,
    );
  }

  #reserve(sequence: CachedSequence): boolean {
    const { length } = sequence.tokens;
    if (this.cache.needed(sequence, length) > this.cache.obtainable()) return false;
    this.cache.reserve(sequence, length);
    return true;
  }

  /** All slots are known before the first one is read. An aborted step leaves pages and slots that hold something else. */
  #step(sequences: readonly CachedSequence[], aborted = false): void {
    const runs = sequences.map((sequence) => {
      const missing = sequence.tokens.length - sequence.computed;
      const count = Math.min(missing, 50, this.cache.tokensToSnapshot(sequence));
      return { sequence, count, slots: this.cache.slotsForStep(sequence) };
    });
    const read = new Set(this.active.flatMap(({ snapshots }) => snapshots.slice(-1).map(({ slot }) => slot)));
    const used = new Set([...read, ...runs.flatMap(({ slots }) => slots?.after ?? [])]);
    if (this.#recurrent) expect(used.size).toBe(read.size + runs.length);
    for (const { sequence, count, slots } of runs) {
      const { computed } = sequence;
      expect(slots !== undefined).toBe(this.#recurrent);
      if (slots !== undefined) {
        expect(slots.before === NO_STATE).toBe(computed === 0);
        if (slots.before !== NO_STATE) this.#checkState(sequence, computed, slots.before);
        const state = aborted ? -1 : wordOf(sequence, computed + count - 1);
        for (const { index } of this.shards) this.#state(slots.after, index).fill(state + index);
      }
      for (let at = computed; at < computed + count; at++) {
        const word = aborted ? -1 : wordOf(sequence, at);
        for (const { words, index } of this.shards) {
          words.fill(word + index, ...this.#range(this.#page(sequence, at, index), at, index));
        }
      }
    }
    if (!aborted) for (const { sequence, count } of runs) this.cache.advance(sequence, count, true);
  }

  #state(slot: number, shard: number): Int32Array {
    const words = SHARDS[shard]!;
    const first = (stateAt(words) >> 2) + slot * words;
    return this.shards[shard]!.words.subarray(first, first + words);
  }

  #checkState(sequence: CachedSequence, length: number, slot: number): void {
    for (const { index } of this.shards) {
      const word = wordOf(sequence, length - 1) + index;
      if (this.#state(slot, index).some((one) => one !== word))
        throw new Error(`the state at ${length} is not what was computed`);
    }
  }

  /** By way of the shard's page table, as the kernels do. */
  #page(sequence: CachedSequence, at: number, shard: number): number {
    return this.shards[shard]!.words[(sequence.pageTable >> 2) + Math.floor(at / PAGE)]!;
  }

  /** Of a position's words in a page, the first and the end. */
  #range(page: number, at: number, shard: number): [number, number] {
    const first = (KV_AT >> 2) + (page * PAGE + (at % PAGE)) * SHARDS[shard]!;
    return [first, first + SHARDS[shard]!];
  }

  check(): void {
    for (const sequence of this.sequences) {
      const { pages, pageTable, computed, tokens, snapshots } = sequence;
      for (const { length, slot } of snapshots) this.#checkState(sequence, length, slot);
      if (this.#recurrent) expect(snapshots.at(-1)?.length ?? 0).toBe(computed);
      expect(computed).toBeLessThanOrEqual(tokens.length);
      expect(pages.length).toBeGreaterThanOrEqual(Math.ceil(computed / PAGE));
      for (let at = 0; at < computed; at++) {
        const page = pages[Math.floor(at / PAGE)]!;
        for (const { words, index } of this.shards) {
          const held = words.subarray(...this.#range(page, at, index));
          if (held.some((word) => word !== wordOf(sequence, at) + index)) {
            throw new Error(`position ${at} is not what was computed`);
          }
        }
      }
      for (const { words } of pageTable === 0 ? [] : this.shards) {
        const table = words.subarray(pageTable >> 2, (pageTable >> 2) + pages.length);
        expect([...table]).toEqual([...pages]);
      }
    }
    const held = new Set(this.active.flatMap(({ pages }) => pages));
    expect(this.cache.obtainable()).toBe(PAGES - held.size);
  }
}

/** A number for the text up to a position. */
function wordOf({ tokens }: CachedSequence, at: number): number {
  let hash = 17;
  for (let i = 0; i <= at; i++) hash = (Math.imul(hash, 31) + tokens[i]! + 1) | 0;
  return hash;
}

const text = (token: number, length: number) => new Array<number>(length).fill(token);

describe("a sequence of the cache", () => {
  it("takes over the full pages of a text that begins alike, whether that one works, rests or is gone", () => {
    const machine = new Machine();
    const first = machine.open();
    machine.grow(first, text(1, 150));
    const [second, third] = [machine.open(), machine.open()];
    expect(machine.grow(second, [...text(1, 100), 2, 2])).toBe(64);
    expect(second.pages[0]).toBe(first.pages[0]);
    for (const one of [first, second]) machine.cache.pause(one);
    for (const one of [first, second]) machine.close(one);
    expect(machine.grow(third, text(1, 140))).toBe(128);
    machine.check();
  });

  it("loses its last pages first, when others need them, and first those of the sequences that rest longest", () => {
    const machine = new Machine();
    const [old, young, big] = [machine.open(), machine.open(), machine.open()];
    machine.grow(old, text(1, 190));
    machine.cache.pause(old);
    machine.grow(young, text(2, 190));
    machine.cache.pause(young);
    machine.grow(big, text(3, 65));
    expect([old.computed, young.computed]).toEqual([64, 190]);
    machine.check();
  });

  it("is restored to pages of others, never to its own", () => {
    const machine = new Machine();
    const [gone, sequence] = [machine.open(), machine.open()];
    for (const [i, one] of [gone, sequence].entries()) {
      machine.grow(one, text(i, 190));
      machine.cache.pause(one);
    }
    machine.close(gone);
    const restored = machine.restore(sequence);
    expect(restored.computed).toBe(128);
    machine.check();
  });

  it("gets its own copy of a shared page when it writes to it", () => {
    const machine = new Machine();
    const first = machine.open();
    machine.grow(first, text(1, 70));
    machine.cache.pause(first);
    const fork = machine.open();
    machine.cache.fork(first, fork);
    expect(fork.pages).toEqual(first.pages);
    machine.grow(fork, [2]);
    expect([fork.pages[0] === first.pages[0], fork.pages[1] === first.pages[1]]).toEqual([true, false]);
    machine.check();
  });
});

describe("a sequence with recurrent state", () => {
  it("is shared up to the last end of a page with a snapshot, and leaves one where another text parts from it", () => {
    const machine = new Machine(true);
    const system = text(1, 140);
    const grown = [2, 3, 4].map((token) => {
      const sequence = machine.open();
      const cached = machine.grow(sequence, [...system, ...text(token, 60)]);
      machine.cache.pause(sequence);
      machine.close(sequence);
      return cached;
    });
    // The first leaves a snapshot at 192, the last end of a page before its end; the second one at 128, where it parts from the first.
    expect(grown).toEqual([0, 0, 128]);
    machine.check();
  });

  it("goes back to the end of its prompt, and from elsewhere to the snapshot before it", () => {
    const machine = new Machine(true);
    const sequence = machine.open();
    machine.grow(sequence, text(1, 100));
    for (let token = 0; token < 35; token++) machine.grow(sequence, [token]);
    const lengths = [135, 134, 127, 100, 99].map((length) => {
      machine.cache.truncate(sequence, length);
      return sequence.computed;
    });
    expect(lengths).toEqual([135, 128, 100, 100, 64]);
    machine.check();
  });

  it("is restored with all pages of its session and the state at their end, or with none", () => {
    const machine = new Machine(true);
    const [saved, working] = [machine.open(), machine.open()];
    machine.grow(saved, text(1, 250));
    machine.cache.pause(saved);
    expect(machine.restore(saved).computed).toBe(192);
    machine.grow(working, text(2, 250));
    expect(machine.restore(saved).computed).toBe(0);
    machine.check();
  });

  it("keeps its state while it is idle, and loses it when all slots are needed by others that are worked on", () => {
    const machine = new Machine(true);
    const idle = machine.open();
    machine.grow(idle, text(1, 20));
    machine.cache.pause(idle);
    const others = [2, 3, 4].map((token) => {
      const sequence = machine.open();
      machine.grow(sequence, text(token, 20));
      return sequence;
    });
    expect(idle.computed).toBe(20);
    machine.growTogether(9, false);
    expect(idle.computed).toBe(0);
    machine.check();
    for (const one of others) machine.cache.pause(one);
    expect(machine.grow(idle, [5])).toBe(0);
    machine.check();
  });

  it("is not spoiled by a step that is aborted", () => {
    const machine = new Machine(true);
    const sequence = machine.open();
    machine.grow(sequence, text(1, 150));
    machine.growTogether(2, true);
    machine.check();
    machine.cache.pause(sequence);
    const fork = machine.open();
    machine.cache.fork(sequence, fork);
    for (const one of [sequence, fork]) machine.grow(one, [3]);
    machine.growTogether(4, true);
    machine.growTogether(5, false);
    machine.check();
  });

  it("gives nobody the state of a page that holds another text now", () => {
    const machine = new Machine(true);
    const [gone, large, other, like] = [machine.open(), machine.open(), machine.open(), machine.open()];
    machine.grow(gone, text(1, 70)); // its first page stays in the index, with a snapshot
    machine.cache.pause(gone);
    machine.close(gone);
    machine.grow(large, text(2, 250));
    machine.grow(other, text(3, 129).slice(1)); // the last free page, and that one
    machine.cache.pause(large);
    machine.grow(like, [...text(3, 128), 4]);
    machine.check();
  });

  it("gives nobody the state of a page that never was in the index", () => {
    const machine = new Machine(true);
    const first = machine.open();
    machine.grow(first, text(1, 130));
    machine.cache.pause(first);
    const restored = machine.restore(first);
    machine.grow(restored, text(1, 70)); // a file's word is behind its third page
    machine.cache.pause(restored);
    for (const one of [first, restored]) machine.close(one);
    const [other, like] = [machine.open(), machine.open()];
    machine.grow(other, text(2, 193)); // the pages that were freed last
    machine.cache.pause(other);
    machine.grow(like, [...text(2, 192), 4]);
    machine.check();
  });
});

type Command =
  | { readonly kind: "open" }
  | { readonly kind: "grow"; readonly which: number; readonly token: number; readonly length: number }
  | { readonly kind: "grow together"; readonly token: number; readonly aborted: boolean }
  | { readonly kind: "truncate"; readonly which: number; readonly length: number }
  | { readonly kind: "end" | "pause" | "fork" | "restore" | "close"; readonly which: number };

/** A sequence that was restored lost its own first pages to its last ones, and had the state of the last. */
const ownPages =
  `open; fork 0; grow 3 1; open; grow 1 30; grow together; fork 0; fork 0; end 0; grow 15 1; close 0; close 0;
  fork 2; grow 19 70; grow 7 90; end 0; grow 2 1; pause 0; grow 0 63; pause 7; close 3; grow together; end 0; end 0; truncate 0 65;
  close 0; fork 0; restore 6`
    .split(";")
    .map((command): Command => {
      const [kind, which, length] = command.trim().split(" ");
      if (which === "together") return { kind: "grow together", token: 0, aborted: false };
      return { kind, which: Number(which), length: Number(length), token: 0 } as Command;
    });

it.each([false, true])(
  "holds what was computed, and loses nothing, whatever sequences do; with recurrent state: %s",
  (recurrent) => {
    const which = fc.nat(20);
    const command = fc.oneof(
      fc.record({ kind: fc.constant("open" as const) }),
      fc.record({
        kind: fc.constant("grow" as const),
        which,
        token: fc.nat(2),
        length: fc.integer({ min: 1, max: 90 }),
      }),
      fc.record({ kind: fc.constant("grow together" as const), token: fc.nat(2), aborted: fc.boolean() }),
      fc.record({ kind: fc.constant("end" as const), which }),
      fc.record({ kind: fc.constant("pause" as const), which }),
      fc.record({ kind: fc.constant("truncate" as const), which, length: fc.nat(LONGEST * PAGE) }),
      fc.record({ kind: fc.constant("fork" as const), which }),
      fc.record({ kind: fc.constant("restore" as const), which }),
      fc.record({ kind: fc.constant("close" as const), which }),
    );
    fc.assert(
      fc.property(fc.array(command, { minLength: 20, maxLength: 80 }), (commands) => {
        const machine = new Machine(recurrent);
        for (const command of commands) {
          if (command.kind === "open") {
            machine.open();
            continue;
          }
          if (command.kind === "grow together") {
            machine.growTogether(command.token, command.aborted);
            machine.check();
            continue;
          }
          const sequence = machine.sequences[command.which % machine.sequences.length];
          if (sequence === undefined) continue;
          const active = sequence.pageTable !== 0;
          if (command.kind === "grow") {
            const room = Math.min(command.length, LONGEST * PAGE - sequence.tokens.length);
            if (room > 0 && (active || machine.active.length < TABLES))
              machine.grow(sequence, text(command.token, room));
          } else if (command.kind === "end") {
            machine.cache.endTurn(sequence);
          } else if (command.kind === "pause") {
            if (active) machine.cache.pause(sequence);
          } else if (command.kind === "truncate") {
            machine.cache.truncate(sequence, Math.min(command.length, sequence.tokens.length));
          } else if (active) {
            continue; // what works is neither copied nor closed
          } else if (command.kind === "fork") {
            machine.cache.fork(sequence, machine.open());
          } else if (command.kind === "restore") {
            machine.restore(sequence);
          } else {
            machine.close(sequence);
          }
          machine.check();
        }
        for (const sequence of machine.active) machine.cache.pause(sequence);
        for (const sequence of [...machine.sequences]) machine.close(sequence);
        for (const token of [8, 9]) {
          const whole = machine.open();
          expect(machine.grow(whole, text(token, (PAGES * PAGE) / 2))).toBe(0);
        }
        for (const sequence of machine.active) machine.cache.pause(sequence);
        for (let i = 0; i < TABLES; i++) {
          const sequence = machine.open();
          expect(machine.grow(sequence, text(10 + i, 5))).toBe(0);
          machine.grow(sequence, [1]); // from one slot to another
        }
        machine.check();
      }),
      { numRuns: 300, examples: [[ownPages]] },
    );
  },
);
