// A job as the leader sees it: it says which rows it wants in the next step, and takes the results of those rows. Each kind of job has a
// file of its own.

import type { HiddenRows, StepRun } from "../../model/step.js";
import type { JobRequest, LeaderAnswer } from "../../protocol/messages.js";
import type { CachedSequence, KvCache } from "../kv-cache.js";

/** The results of a job's rows in a step: views of shared memory that the next step overwrites. */
export interface StepResults {
  /** Row i of the logits that the job asked for, (vocab). */
  logits(i: number): Float32Array;
  /** Hidden state i of those that the job asked for, (dim). */
  hidden(i: number): Float32Array;
  answer(answer: LeaderAnswer, transfer?: readonly ArrayBuffer[]): void;
  /** The text goes on with the run's next draft: that row counts from now on. */
  accept(): void;
  /** Forgets the tokens of the job's sequence from `length` on. */
  truncate(length: number): void;
}

/** A job's rows in a step. The last `drafted` of them are guesses at how its text goes on, and count only if the job accepts them. */
export interface JobRun extends StepRun {
  readonly drafted: number;
}

export abstract class Job {
  readonly id: number;
  /** Its abort flag. A paused job has none: this is then another's. */
  abort: number;
  /** Whether an aborted job leaves its sequence as it was. */
  readonly rewind: boolean = true;
  /** Whether its text grows while it runs. Its pages are then given one by one. */
  readonly grows: boolean = false;
  /** Whether other sequences may share the pages that it fills. */
  readonly publishes: boolean = true;
  /** When it last got rows of a step: a higher number is later. */
  served = 0;
  /** How many jobs that came later have begun before this one. */
  overtaken = 0;
  /** Guesses at how the text goes on: the next step computes them behind the text's last token, if there is room. */
  drafts: readonly number[] = [];

  protected readonly ids: Int32Array;
  #startLength: number | undefined;

  /** @param order jobs that came earlier have lower numbers */
  constructor(
    request: JobRequest & { readonly ids: Int32Array },
    readonly order: number,
    readonly sequence: CachedSequence,
  ) {
    this.id = request.job;
    this.abort = request.abort;
    this.ids = request.ids;
  }

  /** Whether its text has joined its sequence. */
  get begun(): boolean {
    return this.#startLength !== undefined;
  }

  /** Length of the sequence when the job began. */
  get startLength(): number {
    return this.#startLength!;
  }

  /** Whether it waits until its caller has taken what it has sent. */
  get paused(): boolean {
    return false;
  }

  /** Whether a step may have rows of it. */
  get ready(): boolean {
    return true;
  }

  /** Does what must be done before it is ready, or some of it. @throws CriaError */
  prepare(): void {}

  /** How many tokens of the text are not computed yet. */
  get remaining(): number {
    return this.sequence.tokens.length - this.sequence.computed;
  }

  /** The greatest length that its text may reach. */
  get longest(): number {
    return this.sequence.tokens.length;
  }

  /** How many of the text's first tokens may be taken from the cache. The job needs the results of those after them. */
  abstract get reusable(): number;

  /** The job takes over the sequence: its text joins it. */
  begin(cache: KvCache): void {
    const { tokens } = this.sequence;
    const kept = this.keep(cache);
    this.#startLength = tokens.length;
    for (let i = kept; i < this.ids.length; i++) tokens.push(this.ids[i]!);
  }

  /** There is room for the job: from now on it takes part in steps. */
  admitted(): void {}

  /** How many of its ids the sequence already has. */
  protected keep(_cache: KvCache): number {
    return 0;
  }

  /** The rows for the next step: at most `rows`, with at most `logits` rows of logits; undefined: none fit. */
  next(rows: number, logits: number): JobRun | undefined {
    const { tokens, computed, pageTable } = this.sequence;
    const most = Math.min(rows, this.remaining);
    const run = this.wanted(most, most === this.remaining, logits);
    if (run === undefined) return undefined;
    const { count } = run;
    const drafts = this.drafts.slice(0, Math.min(rows - count, logits - run.logits.length));
    this.drafts = [];
    return {
      tokens: [...tokens.slice(computed, computed + count), ...drafts],
      position: computed,
      pageTable,
      logits: [...run.logits, ...range(count, count + drafts.length)],
      hidden: run.hidden,
      drafted: drafts.length,
    };
  }

  /** Takes the results of the rows of `run`, which are computed now. Returns whether the job is done. */
  take(run: JobRun, results: StepResults): boolean {
    return this.receive(run, this.remaining === 0, results);
  }

  /** Which results the next `count` rows need; `end`: whether they are the last rows. */
  protected abstract wanted(
    count: number,
    end: boolean,
    logits: number,
  ): { count: number; logits: readonly number[]; hidden: readonly HiddenRows[] } | undefined;

  protected abstract receive(run: JobRun, end: boolean, results: StepResults): boolean;
}

/** first .. end - 1 */
export function range(first: number, end: number): readonly number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}
