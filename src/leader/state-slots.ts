// The slots of recurrent state as the leader keeps them: which are free, and which hold the state of what text.
//
//   sequence   snapshot at 256 in slot 4 | snapshot at 300 in slot 2, its state now | slot 7, which the next step writes
//   page 31    snapshot at 256 in slot 4
//
// A state cannot be cut off at an earlier position, as keys and values can: a sequence is computed as far as one of its snapshots says, and
// whoever goes back goes to a snapshot. A step reads one slot and writes another. So a snapshot is a slot that was not given back, a fork
// shares snapshots, and a step that is aborted has spoiled nothing.
//
//   passing    goes as soon as its sequence goes on
//   page end   goes as soon as its sequence has come to the end of another page
//   lasting    the ends of turns, and some ends of pages (kv-cache.ts says which)
//
// Other sequences take over snapshots at the ends of pages that are in the index. When no slot is free, the snapshot unused for the longest
// time goes: one of the index's, if these are the majority. The state of a sequence that is worked on never goes.

import { PAGE } from "#abi";
import type { StatePool } from "../model/plan/memory-plan.js";
import type { Shard } from "../model/plan/shard.js";
import { NO_STATE, type RunState } from "../model/step.js";

/** The state after the first `length` tokens of a text. */
export interface Snapshot {
  readonly slot: number;
  readonly length: number;
  /** The sequences that have it. */
  readonly holders: Set<StateHolder>;
  /** The page in the index at whose end it is. */
  page: number | undefined;
  stay: Stay;
}

/** How long a snapshot stays while its slot is not needed. */
export type Stay = "passing" | "page end" | "lasting";

/** What a sequence has of state. */
export interface StateHolder {
  /** By length. The last one is the state at `computed`; none: that is 0. */
  readonly snapshots: Snapshot[];
  /** The slot that the next step writes, once there was a step. */
  nextSlot: number | undefined;
  computed: number;
  /** 0 while it is idle. */
  readonly pageTable: number;
}

/** What is used of a shard. */
type StateShard = Pick<Shard, "bytes" | "layout" | "index">;

export class StateSlots {
  /** How many sequences may be worked on at once: each has a slot that a step reads, and one that it writes. */
  readonly most: number;
  readonly #shards: readonly StateShard[];
  readonly #slotBytes: number;
  readonly #free: number[] = [];
  /** The snapshots of pages in the index, and the others: the longest unused first. */
  readonly #ofPages = new Map<number, Snapshot>();
  readonly #others = new Set<Snapshot>();

  constructor(shards: readonly StateShard[], { slots, slotBytes }: StatePool) {
    this.most = Math.floor(slots / 2);
    this.#shards = shards;
    this.#slotBytes = slotBytes;
    for (let slot = slots - 1; slot >= 0; slot--) this.#free.push(slot);
  }

  /** The slots of the sequence's next step. */
  forStep(holder: StateHolder): RunState {
    holder.nextSlot ??= this.#take();
    return { before: holder.snapshots.at(-1)?.slot ?? NO_STATE, after: holder.nextSlot };
  }

  /** The step is done, and the sequence computed as far as it says now. */
  advance(holder: StateHolder, stay: Stay): void {
    const old = holder.snapshots.at(-1);
    this.#hold(holder, { slot: holder.nextSlot!, length: holder.computed, holders: new Set(), page: undefined, stay });
    holder.nextSlot = undefined;
    if (old?.stay === "passing") this.#drop(holder, old);
    if (holder.computed % PAGE !== 0) return;
    const ends = holder.snapshots.filter((one) => one.stay === "page end" && one.length < holder.computed);
    for (const end of ends) this.#drop(holder, end);
  }

  /** The last snapshot of the sequence stays when it goes on. */
  keep(holder: StateHolder): void {
    const last = holder.snapshots.at(-1);
    if (last !== undefined) last.stay = "lasting";
  }

  /** The sequence is computed as far as it says at most: it goes back to the snapshot there, or the one before. */
  goBack(holder: StateHolder): void {
    while ((holder.snapshots.at(-1)?.length ?? 0) > holder.computed) this.#release(holder, holder.snapshots.pop()!);
    holder.computed = holder.snapshots.at(-1)?.length ?? 0;
  }

  /** The sequence is idle: its state is the last to go of all that are unused now. */
  pause(holder: StateHolder): void {
    if (holder.nextSlot !== undefined) this.#free.push(holder.nextSlot);
    holder.nextSlot = undefined;
    const last = holder.snapshots.at(-1);
    if (last !== undefined) this.#use(last);
  }

  /** `copy`, which is empty, has what `holder` has. */
  fork(holder: StateHolder, copy: StateHolder): void {
    for (const snapshot of holder.snapshots) this.#hold(copy, snapshot);
  }

  /** The snapshot at the end of a page in the index. */
  ofPage(page: number): Snapshot | undefined {
    return this.#ofPages.get(page);
  }

  /** A sequence that is computed less far takes over a snapshot, which has thus been of use. */
  share(holder: StateHolder, snapshot: Snapshot): void {
    snapshot.stay = "lasting";
    this.#hold(holder, snapshot);
    this.#use(snapshot);
  }

  /** Others may take over the sequence's last snapshot, which is at the end of this page in the index. */
  publish(holder: StateHolder, page: number): void {
    const last = holder.snapshots.at(-1)!;
    if (this.#ofPages.has(page) || last.page !== undefined) return;
    this.#others.delete(last);
    last.page = page;
    this.#ofPages.set(page, last);
  }

  /** The page is no longer in the index. */
  forget(page: number): void {
    const snapshot = this.#ofPages.get(page);
    if (snapshot === undefined) return;
    this.#ofPages.delete(page);
    snapshot.page = undefined;
    if (snapshot.holders.size > 0) this.#others.add(snapshot);
    else this.#free.push(snapshot.slot);
  }

  /** What a snapshot's slot holds: the parts of the shards, one after another. */
  read({ slot }: Snapshot, to: Uint8Array): void {
    let at = 0;
    for (const part of this.#parts(slot)) {
      to.set(part, at);
      at += part.length;
    }
  }

  /** A sequence that is computed as far as it says has this state, if there is a slot for it; otherwise it is not computed at all. */
  restore(holder: StateHolder, state: Uint8Array): void {
    const slot = this.#obtain();
    if (slot === undefined) {
      holder.computed = 0;
      return;
    }
    let at = 0;
    for (const part of this.#parts(slot)) {
      part.set(state.subarray(at, at + part.length));
      at += part.length;
    }
    this.#hold(holder, { slot, length: holder.computed, holders: new Set(), page: undefined, stay: "lasting" });
  }

  /** Bytes of a state, of all shards. */
  get bytes(): number {
    return this.#slotBytes;
  }

  /** The parts of a slot, shard after shard. */
  #parts(slot: number): readonly Uint8Array[] {
    return this.#shards.map(({ bytes, layout, index }) => {
      const { state, slotBytes } = layout.shards[index]!;
      return bytes.subarray(state + slot * slotBytes, state + (slot + 1) * slotBytes);
    });
  }

  #hold(holder: StateHolder, snapshot: Snapshot): void {
    holder.snapshots.push(snapshot);
    snapshot.holders.add(holder);
    if (snapshot.page === undefined) this.#others.add(snapshot);
  }

  /** The snapshot is now the last to go of its kind. */
  #use(snapshot: Snapshot): void {
    if (snapshot.page !== undefined) {
      this.#ofPages.delete(snapshot.page);
      this.#ofPages.set(snapshot.page, snapshot);
    } else {
      this.#others.delete(snapshot);
      this.#others.add(snapshot);
    }
  }

  /** The sequence goes on without a snapshot of its past, and if nobody else has it, the index does so, too. */
  #drop(holder: StateHolder, snapshot: Snapshot): void {
    holder.snapshots.splice(holder.snapshots.indexOf(snapshot), 1);
    this.#release(holder, snapshot);
    if (snapshot.holders.size === 0 && snapshot.page !== undefined) this.forget(snapshot.page);
  }

  /** The sequence no longer has the snapshot. */
  #release(holder: StateHolder, snapshot: Snapshot): void {
    snapshot.holders.delete(holder);
    if (snapshot.holders.size > 0 || snapshot.page !== undefined) return;
    this.#others.delete(snapshot);
    this.#free.push(snapshot.slot);
  }

  /** A slot to write to. There is one, because at most `most` sequences are worked on. */
  #take(): number {
    return this.#obtain()!;
  }

  #obtain(): number | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const kinds = [this.#ofPages.values(), this.#others.values()];
    if (this.#ofPages.size <= this.#others.size) kinds.reverse();
    for (const kind of kinds) {
      for (const snapshot of kind) {
        if (!isWorkedOn(snapshot)) return this.#evict(snapshot);
      }
    }
    return undefined;
  }

  /** Takes a snapshot from all that have it. Those whose state it was are computed less far. */
  #evict(snapshot: Snapshot): number {
    for (const holder of snapshot.holders) {
      holder.snapshots.splice(holder.snapshots.indexOf(snapshot), 1);
      holder.computed = holder.snapshots.at(-1)?.length ?? 0;
    }
    if (snapshot.page !== undefined) this.#ofPages.delete(snapshot.page);
    this.#others.delete(snapshot);
    return snapshot.slot;
  }
}

/** Whether it is the state of a sequence that is worked on. */
function isWorkedOn(snapshot: Snapshot): boolean {
  return [...snapshot.holders].some(({ pageTable, snapshots }) => pageTable !== 0 && snapshots.at(-1) === snapshot);
}
