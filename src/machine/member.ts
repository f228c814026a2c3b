// A worker's side of the team: the barrier, tickets, and the ways in which a step ends early.

import {
  BARRIER_ABORT,
  BARRIER_GO,
  TEAM_FULL_STEP,
  TEAM_OTHER_PIECES,
  TEAM_OWN_PIECES,
  TEAM_PHASE,
  TEAM_POISON,
  TEAM_POISON_OP,
  TEAM_STEP,
  TEAM_WORKER,
  TEAM_WORKER_BYTES,
  TEAM_WORKERS,
  TICKET_BYTES,
  TICKETS,
} from "#abi";
import { Gate, type GatePlace } from "./gate.js";
import { type Jitter, jitterOf } from "./jitter.js";
import { instantiateKernels, type Kernels } from "./kernels.js";
import { SharedMemory } from "./shared-memory.js";

/** What a worker needs to join; posted by the main thread. */
export interface Membership {
  readonly module: WebAssembly.Module;
  /** The wide module beside it, if there is one. */
  readonly wide?: WebAssembly.Module | undefined;
  readonly memory: WebAssembly.Memory;
  /** Byte offset of the team's control block. */
  readonly control: number;
  /** This worker: 0 is the leader. */
  readonly index: number;
  readonly workers: number;
  /** The first `regulars` workers take part in every step, the others only in steps that are announced to all. */
  readonly regulars: number;
  /** The team's place at the gate of the process; undefined: it computes when it wants to. */
  readonly gate?: GatePlace | undefined;
}

/** Bytes of the control block of a team. */
export function teamBytes(workers: number): number {
  return TEAM_WORKER + workers * TEAM_WORKER_BYTES;
}

/** How many pieces of owned work the workers have taken since the team began. */
export interface PieceCounts {
  /** Pieces that their owners took. */
  readonly own: number;
  readonly others: number;
}

/** Adds up the counts of all workers. Any thread may do it; they go on counting. */
export function countPieces(words: Int32Array, control: number, workers: number): PieceCounts {
  let own = 0;
  let others = 0;
  for (let worker = 0; worker < workers; worker++) {
    const at = control + TEAM_WORKER + worker * TEAM_WORKER_BYTES;
    own += words[(at + TEAM_OWN_PIECES) >> 2]! >>> 0;
    others += words[(at + TEAM_OTHER_PIECES) >> 2]! >>> 0;
  }
  return { own, others };
}

/** The leader no longer wants the step. Every worker leaves it at the same barrier. */
export class StepAborted extends Error {}

/** What a cell of tickets is set to when its work is to be abandoned: more than the pieces of any work. */
const NO_MORE_TICKETS = 2 ** 30;

/** The team is poisoned: some worker died. The others can only leave. */
export class TeamPoisoned extends Error {}

export class Member {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly index: number;
  /** The leader's side of the gate, where the team has a place. */
  readonly gate: Gate | undefined;
  /** Called by the leader before every barrier and every piece of work; true ends the step there for all workers. */
  wantsAbort: () => boolean = () => false;
  /** Whether this worker looks at the clock at barriers, and the milliseconds that it has spent there meanwhile. */
  timesBarriers = false;
  barrierMilliseconds = 0;

  readonly #control: number;
  readonly #words: Int32Array;
  #workers: number;
  #step = 0;
  #cell = 0;
  #op = 0;
  readonly #jitter: Jitter | undefined;
  /** The leader has taken the tickets away: the step ends at the next barrier. */
  #leaving = false;

  constructor(membership: Membership) {
    this.memory = membership.memory;
    this.index = membership.index;
    this.#workers = membership.workers;
    this.#control = membership.control;
    this.gate = membership.gate && membership.index === 0 ? new Gate(membership.gate) : undefined;
    this.#jitter = jitterOf(membership.index);
    this.#words = new SharedMemory(membership.memory).words;
    this.kernels = instantiateKernels(membership.module, membership.memory, membership.wide);
    this.kernels.teamJoin(membership.control, membership.index, membership.workers, membership.regulars);
  }

  /** How many workers take part in the current step, those of `index` 0 .. workers - 1. Before the first step, all of them. */
  get workers(): number {
    return this.#workers;
  }

  /** Waits for all workers of the step. @throws StepAborted, TeamPoisoned in all workers alike */
  barrier(): void {
    this.#op++;
    this.gate?.sign();
    const vote = this.index === 0 && (this.#leaving || this.wantsAbort()) ? BARRIER_ABORT : BARRIER_GO;
    const answer = this.timesBarriers ? this.#timedBarrier(vote) : this.kernels.barrier(vote);
    if (answer === BARRIER_GO) {
      this.#jitter?.begin();
      return;
    }
    throw answer === BARRIER_ABORT ? new StepAborted() : new TeamPoisoned();
  }

  #timedBarrier(vote: number): number {
    const begin = performance.now();
    const answer = this.kernels.barrier(vote);
    this.barrierMilliseconds += performance.now() - begin;
    return answer;
  }

  /**
   * Opens tickets for work that is shared out as it is taken: every worker opens them at the same place in the program, then takes
   * them with `ticket`. At most three cells are opened between two barriers.
   */
  openTickets(): number {
    const cell = this.#cell;
    this.#cell = (cell + 1) % TICKETS;
    // The opposite cell was opened four calls ago and comes up in four calls: a barrier lies between this call and either of those.
    this.kernels.resetTickets((cell + TICKETS / 2) % TICKETS);
    return cell;
  }

  /** Does pieces 0 .. count - 1 of work that nobody owns, each on the next free worker. */
  takeTurns(count: number, turn: (piece: number) => void): void {
    const cell = this.openTickets();
    for (let piece = this.ticket(cell, 0, count); piece < count; piece = this.ticket(cell, 0, count)) turn(piece);
  }

  /**
   * The next ticket for one of the `count` pieces of a range, which no other worker has: 0, 1, 2, ...; `count` or more where none is left.
   * Work whose pieces have owners, such as the rows of a matrix, has a range for each worker: a worker takes the pieces of its own range
   * first, and then those that the others have not begun. So what lies near the owner's processor is read by it, and nobody waits for
   * one that is held up. Other work has range 0 only.
   *
   * When the step is to end, the ticket is greater than any piece's number: pieces already begun are finished, the rest are left, and the
   * next barrier ends the step.
   */
  ticket(cell: number, range: number, count: number): number {
    if (this.index === 0 && (this.#leaving || this.wantsAbort())) {
      this.#leaving = true;
      for (let worker = 0; worker < this.#workers; worker++) {
        Atomics.store(this.#words, this.#wordOf(worker, cell * TICKET_BYTES), NO_MORE_TICKETS);
      }
    }
    const ticket = this.kernels.ticket(cell, range, count);
    this.#jitter?.hold();
    return ticket;
  }

  /** The range whose pieces this worker takes in turn `i`, of those of `owners` workers: its own in turn 0, if it has one. */
  rangeInTurn(i: number, owners = this.#workers): number {
    return (this.index + i) % owners;
  }

  /** Counts pieces that this worker has taken of a range. */
  countPieces(range: number, pieces: number): void {
    const counter = range === this.index ? TEAM_OWN_PIECES : TEAM_OTHER_PIECES;
    this.#words[this.#wordOf(this.index, counter)]! += pieces;
  }

  /** The index of a word of a worker's part of the control block. */
  #wordOf(worker: number, offset: number): number {
    return (this.#control + TEAM_WORKER + worker * TEAM_WORKER_BYTES + offset) >> 2;
  }

  /** The leader begins a step of `workers` workers, the regulars or all. Those return from `awaitStep`. */
  announceStep(workers: number): void {
    this.#begin(workers);
    this.kernels.announceStep(workers);
  }

  /** A follower waits for the next step that it takes part in. @throws TeamPoisoned */
  awaitStep(): void {
    const step = this.kernels.awaitStep(this.#step);
    if (step === -1 && this.poisoned) throw new TeamPoisoned();
    this.#step = step;
    this.#begin(Atomics.load(this.#words, (this.#control + TEAM_WORKERS) >> 2));
  }

  #begin(workers: number): void {
    this.#workers = workers;
    this.#op = 0;
    this.#cell = 0;
    this.#leaving = false;
    this.#jitter?.begin();
  }

  /** The operation of the step that is under way, counted from 0. */
  get op(): number {
    return this.#op;
  }

  /** Poisons the team: every wait ends, every later barrier throws. */
  poison(): void {
    Atomics.store(this.#words, (this.#control + TEAM_POISON_OP) >> 2, this.#op);
    poisonTeam(this.#words, this.#control, this.index);
  }

  get poisoned(): boolean {
    return Atomics.load(this.#words, (this.#control + TEAM_POISON) >> 2) !== 0;
  }
}

/** Writes the poison and wakes everybody who waits. Any thread may do it. */
export function poisonTeam(words: Int32Array, control: number, index: number): void {
  Atomics.compareExchange(words, (control + TEAM_POISON) >> 2, 0, index + 1);
  Atomics.notify(words, (control + TEAM_PHASE) >> 2);
  Atomics.notify(words, (control + TEAM_STEP) >> 2);
  Atomics.notify(words, (control + TEAM_FULL_STEP) >> 2);
}
