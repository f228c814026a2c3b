// What a job is to the leader: it says which rows it wants in the next step, and takes what comes of them. And two kinds of job:
// evaluate (tokens to logits) and generate (tokens to more tokens).

import { CriaError, GrammarError } from "../errors.js";
import type { StepRun } from "../model/step.js";
import type { ConstrainedText } from "./constrained-text.js";
import type { CachedSequence } from "./kv-cache.js";
import type { EvaluateRequest, GenerateRequest, GenerateSummary, JobRequest, LeaderAnswer } from "./messages.js";
import { type SampledToken, Sampler } from "./sampling.js";

/** What a step has made of a job's rows: views of shared memory that the next step overwrites. */
export interface StepResults {
  /** Row i of the logits that the job asked for, (vocab). */
  logits(i: number): Float32Array;
  /** Row i of the hidden states that it asked for, (dim). */
  hidden(i: number): Float32Array;
  answer(answer: LeaderAnswer, transfer?: readonly ArrayBuffer[]): void;
}

export abstract class Job {
  readonly id: number;
  readonly abort: number;
  /** Length of the sequence when the job began. */
  readonly startLength: number;
  /** Whether an aborted job leaves its sequence as it was. */
  readonly rewind: boolean = true;

  #done = 0;

  constructor(
    request: JobRequest,
    readonly sequence: CachedSequence,
    protected pending: Int32Array,
    /** The sequence ends with the job. */
    readonly temporary: boolean,
  ) {
    this.id = request.job;
    this.abort = request.abort;
    this.startLength = sequence.tokens.length;
  }

  /** Tokens that are known and not yet evaluated. */
  get remaining(): number {
    return this.pending.length - this.#done;
  }

  /** The rows for the next step: at most `rows`, with at most `logits` rows of logits; undefined: none fit. */
  next(rows: number, logits: number): StepRun | undefined {
    const count = Math.min(rows, this.remaining);
    const end = count === this.remaining;
    const run = this.wanted(count, end, logits);
    if (run === undefined) return undefined;
    return {
      tokens: this.pending.subarray(this.#done, this.#done + run.count),
      position: this.sequence.tokens.length,
      pageTable: this.sequence.pageTable,
      logits: run.logits,
      hidden: run.hidden,
    };
  }

  /** The rows of `run` are done. True: so is the job. */
  advance(run: StepRun, results: StepResults): boolean {
    this.#done += run.tokens.length;
    const next = this.take(run, this.remaining === 0, results);
    if (next === "done") return true;
    if (next !== "more") {
      this.pending = next;
      this.#done = 0;
    }
    return false;
  }

  /** Which of the next `count` rows want what; `end`: they are the last ones. */
  protected abstract wanted(
    count: number,
    end: boolean,
    logits: number,
  ): { count: number; logits: readonly number[]; hidden: readonly number[] } | undefined;

  /** Takes the results; says whether the job is done, or what tokens come next. */
  protected abstract take(run: StepRun, end: boolean, results: StepResults): "done" | "more" | Int32Array;
}

export class EvaluateJob extends Job {
  readonly #all: boolean;
  readonly #logits: Float32Array;
  readonly #vocab: number;
  #rows = 0;

  constructor(request: EvaluateRequest, sequence: CachedSequence, temporary: boolean, vocab: number) {
    super(request, sequence, request.ids, temporary);
    this.#all = request.logits === "all";
    this.#vocab = vocab;
    this.#logits = new Float32Array((this.#all ? request.ids.length : 1) * vocab);
  }

  protected wanted(count: number, end: boolean, logits: number) {
    if (this.#all) {
      const fitting = Math.min(count, logits);
      return fitting === 0 ? undefined : { count: fitting, logits: range(fitting), hidden: [] };
    }
    if (end && logits === 0) return undefined;
    return { count, logits: end ? [count - 1] : [], hidden: [] };
  }

  protected take(run: StepRun, end: boolean, results: StepResults): "done" | "more" {
    for (let i = 0; i < run.logits.length; i++) this.#logits.set(results.logits(i), this.#vocab * this.#rows++);
    if (!end) return "more";
    results.answer({ type: "evaluated", job: this.id, logits: this.#logits }, [this.#logits.buffer as ArrayBuffer]);
    return "done";
  }
}

export class GenerateJob extends Job {
  override readonly rewind = false;
  readonly #sampler: Sampler;
  readonly #request: GenerateRequest;
  readonly #endIds: ReadonlySet<number>;
  readonly #constraint: ConstrainedText | undefined;
  readonly #contextSize: number;
  readonly #begin = performance.now();
  #prefilled = 0;
  #generated = 0;

  constructor(
    request: GenerateRequest,
    sequence: CachedSequence,
    pending: Int32Array,
    temporary: boolean,
    vocab: number,
    contextSize: number,
    constraint: ConstrainedText | undefined,
  ) {
    super(request, sequence, pending, temporary);
    this.#constraint = constraint;
    this.#request = request;
    this.#endIds = new Set(request.endIds);
    this.#contextSize = contextSize;
    this.#sampler = new Sampler(request.sampling, vocab, request.breakers);
    for (const id of request.ids) this.#sampler.accept(id);
  }

  protected wanted(count: number, end: boolean, logits: number) {
    if (end && logits === 0) return undefined;
    return { count, logits: end ? [count - 1] : [], hidden: [] };
  }

  protected take(_run: StepRun, end: boolean, results: StepResults): "done" | "more" | Int32Array {
    if (!end) return "more";
    if (this.#prefilled === 0) this.#prefilled = performance.now();
    if (this.#request.maxTokens === 0) return this.#finish("length", results);
    let token: SampledToken;
    try {
      token = this.#sample(results.logits(0));
    } catch (error) {
      if (!(error instanceof CriaError)) throw error;
      const { code, message } = error;
      const kind = error instanceof GrammarError ? "grammar" : "option";
      results.answer({ type: "failed", job: this.id, kind, code, message });
      return "done";
    }
    if (this.#endIds.has(token.id)) return this.#finish("stop", results);
    this.#sampler.accept(token.id);
    this.#generated++;
    results.answer({ type: "token", job: this.id, ...token });
    this.#constraint?.accept(token.id);
    if (this.#constraint?.isOver) return this.#finish("stop", results);
    if (this.#generated >= this.#request.maxTokens || this.sequence.tokens.length >= this.#contextSize) {
      return this.#finish("length", results);
    }
    return Int32Array.of(token.id);
  }

  #sample(logits: Float32Array): SampledToken {
    const tokens = this.#request.maxTokens - this.#generated;
    const masked = this.#constraint?.mask(logits, tokens) ?? logits;
    return this.#sampler.sample(masked, logits);
  }

  #finish(finishReason: GenerateSummary["finishReason"], results: StepResults): "done" {
    const now = performance.now();
    results.answer({
      type: "generated",
      job: this.id,
      summary: {
        finishReason,
        seed: this.#sampler.seed,
        cachedTokens: this.startLength,
        prefillMilliseconds: this.#prefilled - this.#begin,
        decodeMilliseconds: now - this.#prefilled,
      },
    });
    return "done";
  }
}

/** 0 .. count - 1 */
export function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
