// The scheduler decides which jobs run, and which rows each has in the next step.
//
//   waiting --admitted: pages for the whole text that is known--> active --done--
//      ^                                                            |
//      +------ no page for the next token: the youngest waits ------+
//      ^                                                            |
//      +----- its caller reads on ----- held <----- its caller does not read
//
// Jobs begin in the order of their arrival. One that does not fit yet may be overtaken by a few that do, but not by more. A generation
// gets pages as it grows. When none are left, the generation that came last gives up its pages and evaluates its text again later.
// Results do not depend on that, and the oldest always goes on, so all of them end.
//
// A step has the next token of every sequence that generates, the longest waiting first, and some rows of prompts. One half of these is
// for the oldest prompt, so that it cannot starve; the other half is for the shortest, so that short ones need not wait for long ones.

import { PAGE } from "#abi";
import { LOGIT_ROWS } from "../model/plan/memory-plan.js";
import type { Job, JobRun } from "./jobs/job.js";
import type { KvCache } from "./kv-cache.js";

/** Rows that prompts may have in a step that also has the next tokens of other sequences, which must not stall. */
const PREFILL_ROWS_BESIDE_DECODE = 32;
/** Rows that prompts have in a short step. */
const SHORT_PREFILL_ROWS = 8;
/** Rows of logits that are reserved for prompts, if there are any, when many sequences generate. */
const PROMPT_LOGIT_ROWS = 4;
/** How many later jobs may begin before one that does not fit yet. */
const MOST_OVERTAKING = 16;

/** A job's part of a step. */
export interface Part {
  readonly job: Job;
  readonly run: JobRun;
  /** Index of its first row of logits, and of hidden states. */
  readonly firstLogits: number;
  readonly firstHidden: number;
}

export class Scheduler {
  readonly #cache: KvCache;
  readonly #rows: number;
  readonly #causal: boolean;
  /** In the order of their arrival. */
  #waiting: Job[] = [];
  #active: Job[] = [];
  /** Jobs that are paused. */
  #held: Job[] = [];
  /** Whether pages may have become free since a waiting job was last refused: it may fit now. */
  #changed = false;
  #served = 0;

  /**
   * @param steps `rows`: the most rows of a step; `causal`: false if the tokens of a text see each other
   */
  constructor(cache: KvCache, steps: { readonly rows: number; readonly causal: boolean }) {
    this.#cache = cache;
    this.#rows = steps.rows;
    this.#causal = steps.causal;
  }

  get idle(): boolean {
    return this.#active.length === 0;
  }

  /** The rows that jobs would take in the next step, if there were room for all. */
  get wantedRows(): number {
    return this.#active.reduce((rows, { remaining }) => rows + remaining, 0);
  }

  /** All jobs under way. */
  get jobs(): readonly Job[] {
    return [...this.#active, ...this.#waiting, ...this.#held];
  }

  add(job: Job): void {
    this.#waiting.push(job);
    this.#changed = true;
  }

  /** Removes these jobs, however they ended, and the sequences that were only for them. */
  remove(jobs: readonly Job[]): void {
    const gone = new Set(jobs);
    const active = this.#active.length;
    this.#active = this.#active.filter((job) => !gone.has(job));
    if (active - this.#active.length < jobs.length) {
      this.#waiting = this.#waiting.filter((job) => !gone.has(job));
      this.#held = this.#held.filter((job) => !gone.has(job));
    }
    for (const { sequence, grows } of jobs) {
      if (sequence.pageTable !== 0) {
        if (grows) this.#cache.endTurn(sequence);
        this.#cache.pause(sequence);
      }
      if (sequence.temporary) this.#cache.release(sequence);
    }
    this.#changed = true;
  }

  /** Lets waiting jobs begin or go on. */
  admit(): void {
    if (!this.#changed) return;
    this.#changed = false;
    const taken = new Set([...this.#active, ...this.#held].map(({ sequence }) => sequence));
    const passed: Job[] = [];
    const overtaken: Job[] = [];
    let seen = 0;
    for (const job of this.#waiting) {
      if (this.#active.length === this.#cache.mostActive || overtaken.length === MOST_OVERTAKING) break;
      seen++;
      const free = !taken.has(job.sequence); // otherwise it comes after an earlier job on the same sequence
      taken.add(job.sequence);
      if (free && this.#start(job)) {
        for (const one of overtaken) one.overtaken++;
        continue;
      }
      passed.push(job);
      if (free) overtaken.push(job);
      if (job.overtaken >= MOST_OVERTAKING) break;
    }
    this.#waiting.splice(0, seen, ...passed);
  }

  /** Returns false if there are not enough pages. One job alone always fits: the pool has the pages of a whole context. */
  #start(job: Job): boolean {
    const { sequence } = job;
    if (!job.begun) {
      job.begin(this.#cache);
      if (job.remaining > 1) this.#cache.endTurn(sequence); // where a job goes back to that is aborted
    }
    this.#cache.begin(sequence);
    this.#cache.share(sequence, job.reusable);
    const length = Math.min(job.longest, sequence.tokens.length + 1);
    // Each growing text may need a page soon, and a job that is begun and put off at once is wasted work.
    const spare = this.#active.filter((one) => one.longest > one.sequence.pages.length * PAGE).length;
    if (this.#cache.needed(sequence, length) + spare > this.#cache.obtainable()) {
      this.#cache.pause(sequence);
      return false;
    }
    this.#cache.reserve(sequence, length);
    this.#active.push(job);
    job.admitted();
    return true;
  }

  /** Gives every text that has grown the page that it needs. The oldest comes first. */
  makeRoom(): void {
    const growing = this.#active.filter(({ grows }) => grows).sort(byOrder);
    while (growing.length > 0) {
      const { sequence } = growing[0]!;
      const { length } = sequence.tokens;
      const needed = this.#cache.needed(sequence, length);
      if (needed > 0 && needed > this.#cache.obtainable()) {
        this.#putOff(growing.pop()!);
      } else {
        this.#cache.reserve(sequence, length);
        growing.shift();
      }
    }
  }

  /** Makes the job wait again, ahead of those that came later. */
  #putOff(job: Job): void {
    this.#active = this.#active.filter((other) => other !== job);
    this.#waiting = [...this.#waiting, job].sort(byOrder);
    this.#cache.pause(job.sequence);
  }

  /** A job that runs is paused: others may have its row and, when they need them, its pages. */
  hold(job: Job): void {
    this.#active = this.#active.filter((other) => other !== job);
    this.#held.push(job);
    this.#cache.pause(job.sequence);
    this.#changed = true;
  }

  /** A job that was held goes on as soon as there is room, ahead of those that came later. */
  release(job: Job): void {
    this.#held = this.#held.filter((other) => other !== job);
    this.#waiting = [...this.#waiting, job].sort(byOrder);
    this.#changed = true;
  }

  /** Jobs that must be prepared before a step has rows of them, the longest waiting first. */
  get unready(): readonly Job[] {
    return this.#active.filter(({ ready }) => !ready).sort((a, b) => a.served - b.served);
  }

  /** The jobs that the next step brings a token, if it has no rows of prompts: otherwise none. */
  get decoding(): readonly Job[] {
    const ready = this.#active.filter((job) => job.ready);
    return ready.every(({ remaining }) => remaining === 1) ? ready : [];
  }

  /** Has the next step compute guesses at how a job's text goes on, as many as there are pages for. */
  draft(job: Job, drafts: readonly number[]): void {
    const { sequence } = job;
    const { length } = sequence.tokens;
    const needed = this.#cache.needed(sequence, length + drafts.length);
    const fits = needed === 0 || needed <= this.#cache.obtainable();
    const room = fits ? drafts.length : Math.min(drafts.length, sequence.pages.length * PAGE - length);
    this.#cache.reserve(sequence, length + room);
    job.drafts = drafts.slice(0, room);
  }

  /** The next step, without jobs that are not ready. `short`: it has few rows of prompts, or one text of an encoder. */
  formStep(short: boolean): Part[] {
    const parts: Part[] = [];
    let rows = 0;
    let logits = 0;
    let hidden = 0;
    const add = (job: Job, mostRows: number, mostLogits: number) => {
      if (mostRows < 1) return;
      const { publishes, sequence } = job;
      const rowsToSnapshot = publishes ? this.#cache.tokensToSnapshot(sequence) : mostRows;
      const part = job.next(Math.min(mostRows, rowsToSnapshot), mostLogits);
      if (part === undefined) return;
      const run = { ...part, state: this.#cache.slotsForStep(sequence) };
      job.served = ++this.#served;
      parts.push({ job, run, firstLogits: logits, firstHidden: hidden });
      rows += run.tokens.length;
      logits += run.logits.length;
      hidden += run.hidden.length;
    };
    if (!this.#causal) {
      // Whole texts, in order.
      for (const job of this.#active.slice(0, short ? 1 : undefined)) {
        if (job.remaining <= this.#rows - rows) add(job, job.remaining, 0);
      }
      return parts;
    }
    const ready = this.#active.filter((job) => job.ready);
    const decoding = ready.filter(({ remaining }) => remaining === 1).sort((a, b) => a.served - b.served);
    const prompts = ready.filter(({ remaining }) => remaining > 1).sort(byOrder);
    const decodeLogits = LOGIT_ROWS - (prompts.length > 0 ? PROMPT_LOGIT_ROWS : 0);
    for (const job of decoding) add(job, this.#rows - rows, decodeLogits - logits);

    const [oldest, ...others] = prompts;
    if (oldest === undefined) return parts;
    const beside = rows > 0 ? PREFILL_ROWS_BESIDE_DECODE : this.#rows;
    const share = Math.min(this.#rows - rows, short ? SHORT_PREFILL_ROWS : beside);
    const end = rows + share;
    const wanted = others.reduce((sum, { remaining }) => sum + remaining, 0);
    add(oldest, share - Math.min(Math.floor(share / 2), wanted), LOGIT_ROWS - logits);
    others.sort((a, b) => a.remaining - b.remaining || byOrder(a, b));
    for (const job of others) add(job, end - rows, LOGIT_ROWS - logits);
    return parts;
  }
}

function byOrder(a: Job, b: Job): number {
  return a.order - b.order;
}
