// The leader: takes requests, forms steps from the rows of all jobs that are under way, runs them with the team, samples, and streams
// the answers out. Between two steps it returns to its event loop, so that messages arrive.

import { CriaError } from "../errors.js";
import { type Member, StepAborted } from "../machine/member.js";
import { ABORT_FLAGS, LOGIT_ROWS } from "../model/memory-plan.js";
import { type StepRun, writeStep } from "../model/step.js";
import { nextTurn } from "../next-turn.js";
import type { ParentPort } from "../worker-handle.js";
import { GrammarCache } from "./constrained-text.js";
import { createJob, type SingleRequest } from "./create-job.js";
import { textsOf } from "./embed-job.js";
import { Head } from "./head.js";
import type { Job } from "./jobs.js";
import { type CachedSequence, KvCache } from "./kv-cache.js";
import type { LeaderAnswer, LeaderRequest, Program } from "./messages.js";

/** Rows that a prompt may have in a step that also holds the next token of other sequences: they must not stall. */
const PREFILL_ROWS_BESIDE_DECODE = 32;

/** A job's part of the step under way. */
interface Part {
  readonly job: Job;
  readonly run: StepRun;
  /** Index of its first row of logits, and of hidden states. */
  readonly firstLogits: number;
  readonly firstHidden: number;
}

export class Leader {
  readonly #member: Member;
  readonly #forward: () => void;
  readonly #program: Program;
  readonly #port: ParentPort;
  readonly #onDeath: (error: unknown) => void;
  readonly #cache: KvCache;
  readonly #grammars = new GrammarCache();
  readonly #stepWords: Int32Array;
  readonly #abortFlags: Int32Array;
  readonly #head: Head;

  /** Requests that wait for their turn, in order; jobs that take part in steps. */
  readonly #waiting: SingleRequest[] = [];
  #active: Job[] = [];
  #running = false;
  /** Numbers of sequences that only live for one job; the caller's are positive. */
  #temporary = -1;

  constructor(
    member: Member,
    forward: () => void,
    program: Program,
    port: ParentPort,
    onDeath: (error: unknown) => void,
  ) {
    this.#member = member;
    this.#forward = forward;
    this.#program = program;
    this.#port = port;
    this.#onDeath = onDeath;
    const { layout, pool } = program.blueprint;
    const buffer = member.memory.buffer as unknown as SharedArrayBuffer;
    this.#cache = new KvCache(buffer, layout, pool);
    this.#stepWords = new Int32Array(buffer, layout.step);
    this.#abortFlags = new Int32Array(buffer, layout.aborts, ABORT_FLAGS);
    this.#head = new Head(member, program);
    member.wantsAbort = () => this.#active.some(({ abort }) => Atomics.load(this.#abortFlags, abort) !== 0);
  }

  start(): void {
    this.#port.onMessage((message) => {
      try {
        for (const request of message as readonly LeaderRequest[]) this.#take(request);
        this.#go();
      } catch (error) {
        this.#onDeath(error);
      }
    });
    this.#answer({ type: "ready" });
  }

  #answer(answer: LeaderAnswer, transfer?: readonly ArrayBuffer[]): void {
    this.#port.postMessage(answer, transfer);
  }

  #take(request: LeaderRequest): void {
    switch (request.type) {
      case "open":
        this.#cache.open(request.sequence, request.evictable);
        return;
      case "fork": {
        const from = this.#cache.get(request.from);
        const copy = this.#cache.open(request.sequence, false);
        if (from === undefined || copy === undefined) return; // the next job on the copy is refused
        try {
          this.#cache.evict(1);
          this.#cache.fork(from, copy);
        } catch (error) {
          if (!(error instanceof CriaError)) throw error;
          this.#cache.close(copy);
        }
        return;
      }
      case "truncate": {
        const sequence = this.#cache.get(request.sequence);
        if (sequence !== undefined) this.#cache.truncate(sequence, Math.min(request.length, sequence.tokens.length));
        return;
      }
      case "close": {
        const sequence = this.#cache.get(request.sequence);
        if (sequence !== undefined) this.#cache.close(sequence);
        return;
      }
      case "abort":
        this.#dropAborted();
        return;
      case "embed":
        this.#waiting.push(...textsOf(request, this.#head));
        return;
      case "generate": {
        const failure = this.#grammars.failureOf(request);
        if (failure !== undefined) this.#answer(failure);
        else this.#waiting.push(request);
        return;
      }
      default:
        this.#waiting.push(request);
    }
  }

  /** Runs steps until no job is left, each in a turn of the event loop of its own. */
  #go(): void {
    if (this.#running) return;
    this.#running = true;
    const turn = () => {
      try {
        this.#dropAborted();
        this.#admit();
        if (this.#active.length === 0) {
          this.#running = false;
          return;
        }
        this.#step();
      } catch (error) {
        this.#onDeath(error);
        return;
      }
      nextTurn(turn);
    };
    turn();
  }

  /** Starts waiting jobs, in order, as long as the KV pool has pages for all that they may come to need. */
  #admit(): void {
    for (let request = this.#waiting[0]; request !== undefined; request = this.#waiting[0]) {
      if (this.#active.length >= this.#program.blueprint.layout.rows) return;
      const named = "sequence" in request ? request.sequence : undefined;
      const sequence = named === undefined ? this.#cache.open(this.#temporary--, false) : this.#cache.get(named);
      if (sequence === undefined) {
        if (named === undefined && this.#active.length > 0) return;
        this.#waiting.shift();
        this.#refuse(request, "KV_CACHE_FULL", `there is no room for one more sequence`);
        continue;
      }
      if (sequence.busy) return;
      if (!this.#startJob(request, sequence, named === undefined)) {
        if (named === undefined) this.#cache.close(sequence);
        return;
      }
    }
  }

  /** False: it must wait. */
  #startJob(request: SingleRequest, sequence: CachedSequence, temporary: boolean): boolean {
    const { contextSize } = this.#program;
    if (request.type === "generate") this.#keepCommonPrefix(sequence, request.ids);
    const cached = sequence.tokens.length;
    const ids = request.type === "generate" ? request.ids.subarray(cached) : request.ids;
    const more = request.type === "generate" ? request.maxTokens : 0;
    const length = Math.min(contextSize, cached + ids.length + more);
    sequence.busy = true; // what the job goes on from must not be evicted for it
    let needed = this.#cache.pagesNeeded(sequence, length);
    if (needed > this.#cache.freePages) this.#cache.evict(needed);
    needed = this.#cache.pagesNeeded(sequence, length);
    if (needed > this.#cache.freePages) {
      sequence.busy = false;
      if (this.#active.length > 0) return false;
      this.#waiting.shift();
      this.#refuse(
        request,
        "KV_CACHE_FULL",
        `${length} positions need ${needed} more pages of the KV cache, ${this.#cache.freePages} are free; ` +
          "dispose of sequences, or load the model with more `sequences`",
      );
      if (temporary) this.#cache.close(sequence);
      return true;
    }
    this.#cache.reserve(sequence, length);
    this.#waiting.shift();
    this.#active.push(createJob(request, sequence, ids, temporary, this.#program, this.#grammars));
    return true;
  }

  /** What a sequence holds of an earlier text is kept as far as the new text begins with it, but for its last token. */
  #keepCommonPrefix(sequence: CachedSequence, ids: Int32Array): void {
    let common = 0;
    const most = Math.min(sequence.tokens.length, ids.length - 1);
    while (common < most && sequence.tokens[common] === ids[common]) common++;
    this.#cache.truncate(sequence, common);
  }

  #step(): void {
    const parts = this.#formStep();
    writeStep(
      this.#stepWords,
      parts.map((part) => part.run),
    );
    this.#member.announceStep(this.#workersFor(parts));
    try {
      this.#forward();
    } catch (error) {
      if (!(error instanceof StepAborted)) throw error;
      return; // no sequence has grown; the aborted jobs go before the next step
    }
    for (const part of parts) this.#finishPart(part);
  }

  /**
   * The next token of every sequence that generates, then prompts, in order, as many rows as a step holds. An encoder takes texts in
   * order, whole ones, as their tokens see each other.
   */
  #formStep(): Part[] {
    const { layout, hyperparameters } = this.#program.blueprint;
    const { causal } = hyperparameters;
    const decoding = this.#active.filter((job) => causal && job.remaining === 1);
    const prompts = this.#active.filter((job) => !causal || job.remaining > 1);
    const parts: Part[] = [];
    let rows = 0;
    let logits = 0;
    let hidden = 0;
    const add = (job: Job, mostRows: number) => {
      if (mostRows < (causal ? 1 : job.remaining)) return;
      const run = job.next(mostRows, LOGIT_ROWS - logits);
      if (run === undefined) return;
      parts.push({ job, run, firstLogits: logits, firstHidden: hidden });
      rows += run.tokens.length;
      logits += run.logits.length;
      hidden += run.hidden.length;
    };
    for (const job of decoding) add(job, layout.rows - rows);
    const most = rows > 0 ? Math.min(layout.rows, rows + PREFILL_ROWS_BESIDE_DECODE) : layout.rows;
    for (const job of prompts) add(job, most - rows);
    return parts;
  }

  #workersFor(parts: readonly Part[]): number {
    const { decodeWorkers, batchWorkers } = this.#program;
    return parts.length === 1 && parts[0]!.run.tokens.length === 1 ? decodeWorkers : batchWorkers;
  }

  #finishPart({ job, run, firstLogits, firstHidden }: Part): void {
    const { buffers } = this.#program.blueprint.layout;
    const { vocab, dim } = this.#program.blueprint.hyperparameters;
    const buffer = this.#member.memory.buffer;
    for (let i = 0; i < run.tokens.length; i++) job.sequence.tokens.push(run.tokens[i]!);
    const done = job.advance(run, {
      logits: (i) => new Float32Array(buffer, buffers.logits + (firstLogits + i) * buffers.logitStride, vocab),
      hidden: (i) => new Float32Array(buffer, buffers.hidden + (firstHidden + i) * buffers.xStride, dim),
      answer: (answer, transfer) => this.#answer(answer, transfer),
    });
    if (done) this.#end(job);
  }

  /** The job is over: its sequence ends with it, or gives back the pages that it did not come to need. */
  #end(job: Job): void {
    this.#active = this.#active.filter((other) => other !== job);
    job.sequence.busy = false;
    if (job.temporary) this.#cache.close(job.sequence);
    else this.#cache.trim(job.sequence);
  }

  #dropAborted(): void {
    // Looked at once: all texts of a request must go together, because its flag may be another request's soon after the answer.
    const flags = this.#abortFlags.slice();
    const dropped = new Set<number>();
    for (const job of this.#active.filter(({ abort }) => flags[abort] !== 0)) {
      if (job.rewind) this.#cache.truncate(job.sequence, job.startLength);
      this.#end(job);
      dropped.add(job.id);
    }
    for (const { abort, job } of this.#waiting) if (flags[abort] !== 0) dropped.add(job);
    this.#dropWaiting(({ job }) => dropped.has(job));
    for (const job of dropped) this.#answer({ type: "aborted", job });
  }

  #dropWaiting(which: (request: SingleRequest) => boolean): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) if (which(this.#waiting[i]!)) this.#waiting.splice(i, 1);
  }

  #refuse({ job }: SingleRequest, code: string, message: string): void {
    this.#dropWaiting((request) => request.job === job);
    this.#answer({ type: "failed", job, kind: "context", code, message });
  }
}
