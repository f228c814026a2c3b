// The leader: takes requests, runs the steps that the scheduler forms with the team, and streams the answers out. Between two steps it
// returns to its event loop, so that messages arrive.

import { ContextError, CriaError } from "../errors.js";
import { nextTurn } from "../event-loop.js";
import { StepMeter } from "../machine/disturbance/step-meter.js";
import { type Member, StepAborted } from "../machine/member.js";
import { sampleWeights } from "../model/plan/samples.js";
import type { WorkerShard } from "../model/plan/shard.js";
import { type StepRun, writeStep } from "../model/step.js";
import { posted } from "../posted-error.js";
import type { LeaderAnswer, LeaderRequest } from "../protocol/messages.js";
import type { Program } from "../protocol/program.js";
import { brokenNumber } from "../sampling/candidates.js";
import type { ParentPort } from "../worker-handle.js";
import { GrammarCache } from "./constrained-text.js";
import { Head } from "./head.js";
import { createJob, type SingleRequest } from "./jobs/create-job.js";
import { textsOf } from "./jobs/embed-job.js";
import { GenerateJob } from "./jobs/generate-job.js";
import type { Job } from "./jobs/job.js";
import { emptySequence, KvCache } from "./kv-cache.js";
import { type Part, Scheduler } from "./scheduler.js";
import { DraftModel } from "./speculation/draft-model.js";
import { Speculator } from "./speculation/speculator.js";
import type { TableReader } from "./table-reader.js";
import type { TeamModel } from "./team-model.js";

/**
 * How long short steps follow one another before the answers are sent and the event loop gets its turn. A message wakes the caller's thread,
 * which takes 30 us of the leader's time; a tiny model has its next token in 200.
 */
const TURN_MILLISECONDS = 1;
/** How long jobs are prepared between two steps: grammars look for their tokens then, a new one for some milliseconds. */
const PREPARE_MILLISECONDS = 4;

/** Counting the pages of a large cache takes as long as a small model's step: it is done only so often. */
const PAGES_MILLISECONDS = 50;

export class Leader {
  readonly #member: Member;
  readonly #shards: readonly WorkerShard[];
  /** Where steps end: logits and hidden states lie there. */
  readonly #output: WorkerShard;
  readonly #forward: () => void;
  /** Of embeddings that stay in the file. */
  readonly #tables: TableReader | undefined;
  readonly #program: Program;
  readonly #port: ParentPort;
  readonly #onDeath: (error: unknown) => void;
  readonly #cache: KvCache;
  readonly #scheduler: Scheduler;
  readonly #speculator: Speculator;
  readonly #grammars = new GrammarCache();
  readonly #stepWords: Int32Array;
  readonly #abortFlags: Int32Array;
  readonly #head: Head;
  readonly #meter: StepMeter;

  /** The answers that the next message carries. */
  #answers: LeaderAnswer[] = [];
  #transfer: ArrayBuffer[] = [];
  /** The abort flags of the jobs in the step under way. `short`: one of them is not enough to end it. */
  #underWay: { readonly flags: readonly number[]; readonly short: boolean } = { flags: [], short: false };
  /** The requests that the draft model's last step was for. */
  #drafting: ReadonlySet<number> = new Set();
  #running = false;
  #pagesTold = 0;
  #jobs = 0;

  constructor(
    member: Member,
    { shards, forward, tables }: TeamModel,
    program: Program,
    port: ParentPort,
    onDeath: (error: unknown) => void,
    draft?: TeamModel,
  ) {
    this.#member = member;
    this.#shards = shards;
    this.#forward = forward;
    this.#tables = tables;
    this.#program = program;
    this.#port = port;
    this.#onDeath = onDeath;
    const { hyperparameters, layout, pool, states } = program.blueprint;
    this.#output = shards[layout.outputShard]!;
    this.#cache = new KvCache(shards, pool, states);
    this.#scheduler = new Scheduler(this.#cache, { rows: layout.rows, causal: hyperparameters.causal });
    this.#stepWords = shards[0]!.step;
    const drafter =
      draft && new DraftModel(draft, program.draft!.blueprint, (runs, jobs) => this.#runDraft(draft, runs, jobs));
    this.#speculator = new Speculator(this.#scheduler, drafter);
    this.#abortFlags = shards[0]!.aborts;
    this.#head = new Head(this.#output, program);
    this.#meter = new StepMeter(program.meter);
    const isAborted = (flag: number) => Atomics.load(this.#abortFlags, flag) !== 0;
    member.wantsAbort = () => {
      const { flags, short } = this.#underWay;
      return short ? flags.every(isAborted) : flags.some(isAborted);
    };
  }

  start(): void {
    this.#port.onMessage((message) => {
      try {
        for (const request of message as readonly LeaderRequest[]) this.#take(request);
        this.#sendAnswers();
        this.#go();
      } catch (error) {
        this.#onDeath(error);
      }
    });
    this.#meter.tellPages(this.#cache.pages);
    this.#answer({ type: "ready" });
    this.#sendAnswers();
  }

  #answer(answer: LeaderAnswer, transfer: readonly ArrayBuffer[] = []): void {
    this.#answers.push(answer);
    this.#transfer.push(...transfer);
  }

  /** Whether there is an answer that ends a job. */
  get #isAwaited(): boolean {
    return this.#answers.some(({ type }) => type !== "token");
  }

  /** All answers of a turn go in one message, because every message wakes the thread that takes it. */
  #sendAnswers(): void {
    if (this.#answers.length === 0) return;
    this.#port.postMessage(this.#answers, this.#transfer);
    this.#answers = [];
    this.#transfer = [];
  }

  #take(request: LeaderRequest): void {
    switch (request.type) {
      case "open":
        this.#cache.open(request.sequence);
        return;
      case "fork": {
        const from = this.#cache.get(request.from);
        if (from !== undefined) this.#cache.fork(from, this.#cache.open(request.sequence));
        return;
      }
      case "truncate": {
        const sequence = this.#cache.get(request.sequence);
        if (sequence !== undefined) this.#cache.truncate(sequence, Math.min(request.length, sequence.tokens.length));
        return;
      }
      case "close": {
        const sequence = this.#cache.get(request.sequence);
        if (sequence === undefined) return;
        this.#cache.close(request.sequence);
        if (this.#scheduler.jobs.some((job) => job.sequence === sequence)) sequence.temporary = true;
        else this.#cache.release(sequence);
        return;
      }
      case "save": {
        const sequence = this.#cache.get(request.sequence);
        if (sequence === undefined) {
          this.#refuse(request.job);
          return;
        }
        const saved = this.#cache.save(sequence, request.head, request.tail);
        this.#answer({ type: "saved", job: request.job, ...saved }, [saved.session.buffer]);
        return;
      }
      case "restore": {
        const { sequence, tokens, pages, state } = request;
        this.#cache.restore(this.#cache.open(sequence), tokens, pages, state);
        return;
      }
      case "abort":
        this.#dropAborted();
        return;
      case "grant": {
        const job = this.#jobOf(request.job);
        if (!(job instanceof GenerateJob)) return; // it has ended meanwhile
        const { paused } = job;
        job.grant(request.tokens, request.abort);
        if (paused) this.#scheduler.release(job);
        return;
      }
      case "drop": {
        this.#drop(this.#scheduler.jobs.filter(({ id }) => id === request.job));
        return;
      }
      case "sample": {
        const samples = sampleWeights(this.#shards);
        this.#answer({ type: "sampled", job: request.job, samples }, [samples.buffer]);
        return;
      }
      case "embed":
        for (const text of textsOf(request, this.#head)) this.#addJob(text);
        return;
      case "generate": {
        const failure = this.#grammars.failureOf(request);
        if (failure !== undefined) this.#answer(failure);
        else this.#addJob(request);
        return;
      }
      default:
        this.#addJob(request);
    }
  }

  #addJob(request: SingleRequest): void {
    const named = "sequence" in request ? request.sequence : undefined;
    const sequence = named === undefined ? emptySequence(true) : this.#cache.get(named);
    if (sequence === undefined) this.#refuse(request.job);
    else this.#scheduler.add(createJob(request, this.#jobs++, sequence, this.#program, this.#grammars));
  }

  #refuse(job: number): void {
    const error = new ContextError("SEQUENCE_DISPOSED", "the sequence is disposed of");
    this.#answer({ type: "failed", job, error: posted(error) });
  }

  /** Runs steps until no job is left. Between turns of the event loop there is one step, or as many short ones as fit in TURN_MILLISECONDS. */
  #go(): void {
    if (this.#running) return;
    this.#running = true;
    let aborted = false;
    const turn = () => {
      const begin = performance.now();
      try {
        do {
          if (aborted) this.#dropAborted();
          this.#scheduler.makeRoom();
          this.#scheduler.admit();
          if (this.#scheduler.idle) {
            this.#running = false;
            this.#member.gate?.leave();
            return;
          }
          if (!this.#mayGo) break; // messages have their turn while others compute
          // A step that was left because one job was aborted is followed by a short one, which is left only if all are aborted. The others
          // thus get on.
          aborted = this.#step(aborted) === "aborted";
        } while (!this.#isAwaited && performance.now() - begin < TURN_MILLISECONDS);
      } catch (error) {
        this.#member.gate?.leave();
        this.#onDeath(error);
        return;
      } finally {
        this.#tellPages();
        this.#sendAnswers();
      }
      this.#member.gate?.giveWay();
      nextTurn(turn);
    };
    turn();
  }

  /** Tells how full the KV cache is: at the end of the work, and now and then before. */
  #tellPages(): void {
    const now = performance.now();
    if (!this.#scheduler.idle && now - this.#pagesTold < PAGES_MILLISECONDS) return;
    this.#pagesTold = now;
    this.#meter.tellPages(this.#cache.pages);
  }

  /** Whether it is this team's turn to compute. */
  get #mayGo(): boolean {
    const { gate } = this.#member;
    if (gate === undefined) return true;
    const { decodeWorkers, batchWorkers, batchRows } = this.#program;
    const decodes = this.#scheduler.wantedRows < batchRows;
    return gate.take(decodes ? decodeWorkers : Math.max(decodeWorkers, batchWorkers));
  }

  /** Prepares jobs, one at least. Those that must wait are left out of the next step, and nobody waits for them. */
  #prepareJobs(): void {
    const begin = performance.now();
    for (const job of this.#scheduler.unready) {
      try {
        job.prepare();
      } catch (error) {
        if (!(error instanceof CriaError)) throw error;
        this.#fail(job.id, error);
      }
      if (performance.now() - begin > PREPARE_MILLISECONDS) return;
    }
  }

  #step(short: boolean): "done" | "aborted" {
    this.#prepareJobs();
    if (this.#draft(short) === "aborted") return "aborted";
    const parts = this.#scheduler.formStep(short);
    if (parts.length === 0) return "done"; // none is ready yet
    if (!this.#readRows(parts)) return "done"; // the next step is without them
    this.#underWay = { flags: [...new Set(parts.map(({ job }) => job.abort))], short };
    writeStep(
      this.#stepWords,
      parts.map((part) => part.run),
    );
    try {
      this.#timed(parts);
    } catch (error) {
      if (!(error instanceof StepAborted)) throw error;
      return "aborted"; // no sequence has grown; the aborted jobs are removed before the next step
    }
    const failed = new Set<number>();
    let row = 0;
    for (const part of parts) {
      const first = row;
      row += part.run.tokens.length;
      try {
        if (failed.has(part.job.id)) continue;
        this.#finishPart(part, first);
      } catch (error) {
        if (!(error instanceof CriaError)) throw error;
        failed.add(part.job.id);
        this.#fail(part.job.id, error);
      }
    }
    return "done";
  }

  /** Gives the step its drafts. */
  #draft(short: boolean): "done" | "aborted" {
    this.#underWay = { flags: [], short };
    try {
      this.#speculator.draft();
    } catch (error) {
      if (error instanceof StepAborted) return "aborted";
      if (!(error instanceof CriaError)) throw error;
      for (const id of this.#drafting) this.#fail(id, error);
    }
    return "done";
  }

  /** Runs a step of the draft model. Returns its milliseconds. @throws StepAborted, CriaError when rows of a table cannot be read */
  #runDraft({ shards, forward, tables }: TeamModel, runs: readonly StepRun[], jobs: readonly Job[]): number {
    const { short } = this.#underWay;
    this.#underWay = { flags: [...new Set(jobs.map(({ abort }) => abort))], short };
    this.#drafting = new Set(jobs.map(({ id }) => id));
    let rows = 0;
    for (const { tokens } of runs) {
      tables?.read(tokens, rows);
      rows += tokens.length;
    }
    writeStep(shards[0]!.step, runs);
    this.#stepWords[0] = 0; // no rows of the model: the step is the draft model's
    this.#member.timesBarriers = false;
    const begin = performance.now();
    this.#member.announceStep(this.#workersFor(rows));
    forward();
    return performance.now() - begin;
  }

  /** Runs the step with the team, and writes down what it took. */
  #timed(parts: readonly Part[]): void {
    const member = this.#member;
    let rows = 0;
    let context = 0;
    for (const { run } of parts) {
      rows += run.tokens.length;
      context += run.position + run.tokens.length;
    }
    member.timesBarriers = this.#meter.samples;
    member.barrierMilliseconds = 0;
    const begin = performance.now();
    member.announceStep(this.#workersFor(rows));
    this.#forward();
    const milliseconds = performance.now() - begin;
    this.#meter.add({
      rows,
      context,
      others: member.gate?.companions ?? 0,
      milliseconds,
      atBarriers: member.timesBarriers ? member.barrierMilliseconds : undefined,
    });
    // Only steps without prompts say what drafts cost: each row of theirs has logits.
    if (parts.some(({ run }) => run.logits.length < run.tokens.length)) return;
    const drafted = parts.some(({ run }) => run.drafted > 0);
    this.#speculator.timed(rows, milliseconds, drafted);
  }

  /** Reads the rows of tables that the step needs. Jobs whose rows cannot be read fail, and then there is no step. */
  #readRows(parts: readonly Part[]): boolean {
    if (this.#tables === undefined) return true;
    const failed = new Set<number>();
    let row = 0;
    for (const { job, run } of parts) {
      try {
        if (!failed.has(job.id)) this.#tables.read(run.tokens, row);
      } catch (error) {
        if (!(error instanceof CriaError)) throw error;
        failed.add(job.id);
        this.#fail(job.id, error);
      }
      row += run.tokens.length;
    }
    return failed.size === 0;
  }

  /**
   * The residual stream of each row must be finite when a step ends, because keys and values would not show that it was not: an f16 cache
   * has no NaN. `row`: its number in the step.
   */
  #checkNumbers(row: number, position: number): void {
    const x = this.#output.residual(row, this.#program.blueprint.hyperparameters.dim);
    let differences = 0;
    for (let i = 0; i < x.length; i++) differences += x[i]! - x[i]!; // 0, or NaN
    if (differences === 0) return;
    const broken = x.findIndex((value) => !Number.isFinite(value));
    throw brokenNumber(`element ${broken} of the residual stream at position ${position}`, x[broken]!);
  }

  /** Workers that compute a step of so many rows. */
  #workersFor(rows: number): number {
    const { decodeWorkers, batchWorkers, batchRows } = this.#program;
    return rows < batchRows ? decodeWorkers : batchWorkers;
  }

  /** Takes over what a step has computed for a job. `first`: its first row in the step. */
  #finishPart({ job, run, firstLogits, firstHidden }: Part, first: number): void {
    const { vocab, dim } = this.#program.blueprint.hyperparameters;
    let rows = 0;
    const advance = (count: number) => {
      for (const end = rows + count; rows < end; rows++) this.#checkNumbers(first + rows, run.position + rows);
      this.#cache.advance(job.sequence, count, job.publishes);
    };
    advance(run.tokens.length - run.drafted);
    const done = job.take(run, {
      logits: (i) => this.#output.logits(firstLogits + i, vocab),
      hidden: (i) => this.#output.hidden(firstHidden + i, dim),
      answer: (answer, transfer) => this.#answer(answer, transfer),
      accept: () => advance(1),
      truncate: (length) => this.#cache.truncate(job.sequence, length),
    });
    if (done) this.#scheduler.remove([job]);
    else if (job.paused) this.#scheduler.hold(job);
  }

  #jobOf(id: number): Job | undefined {
    return this.#scheduler.jobs.find((job) => job.id === id);
  }

  /** A request that cannot go on ends with all of its jobs; those of other requests go on. */
  #fail(id: number, error: CriaError): void {
    this.#end(this.#scheduler.jobs.filter((job) => job.id === id));
    this.#answer({ type: "failed", job: id, error: posted(error) });
  }

  /** Ends jobs before they are done. */
  #end(jobs: readonly Job[]): void {
    for (const job of jobs) {
      if (job.begun && job.rewind) this.#cache.truncate(job.sequence, job.startLength);
    }
    this.#scheduler.remove(jobs);
  }

  #dropAborted(): void {
    // Each flag is read once: all texts of a request must go together, because soon after the answer its flag may be another request's.
    const flags = this.#abortFlags.slice();
    this.#drop(this.#scheduler.jobs.filter(({ abort, paused }) => !paused && flags[abort] !== 0));
  }

  /** Ends jobs that are aborted, and says so. */
  #drop(aborted: readonly Job[]): void {
    this.#end(aborted);
    for (const id of new Set(aborted.map(({ id }) => id))) this.#answer({ type: "aborted", job: id });
  }
}
