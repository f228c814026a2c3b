// What a job is to the leader: it says which rows it wants in the next step, and takes what comes of them. And two kinds of job:
// evaluate (tokens to logits) and generate (tokens to more tokens).

import { CriaError, GrammarError } from "../../errors.js";
import type { HiddenRows, StepRun } from "../../model/step.js";
import type {
  EvaluateRequest,
  GenerateRequest,
  GenerateSummary,
  JobRequest,
  LeaderAnswer,
} from "../../protocol/messages.js";
import { type SampledToken, Sampler } from "../../sampling/sampler.js";
import type { ConstrainedText } from "../constrained-text.js";
import type { CachedSequence, KvCache } from "../kv-cache.js";

/** What a step has made of a job's rows: views of shared memory that the next step overwrites. */
export interface StepResults {
  /** Row i of the logits that the job asked for, (vocab). */
  logits(i: number): Float32Array;
  /** Hidden state i of those that it asked for, (dim). */
  hidden(i: number): Float32Array;
  answer(answer: LeaderAnswer, transfer?: readonly ArrayBuffer[]): void;
  /** Forgets the tokens of the job's sequence from `length` on. */
  truncate(length: number): void;
}

export abstract class Job {
  readonly id: number;
  readonly abort: number;
  /** Whether an aborted job leaves its sequence as it was. */
  readonly rewind: boolean = true;
  /** Whether its text grows while it runs: it gets the pages for it one by one. */
  readonly grows: boolean = false;
  /** Whether other sequences may share the pages that it fills. */
  readonly publishes: boolean = true;
  /** When it last got rows of a step: the higher, the later. */
  served = 0;
  /** How many jobs that came later have begun before it. */
  overtaken = 0;

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

  /** Tokens of the text that are not computed yet. */
  get remaining(): number {
    return this.sequence.tokens.length - this.sequence.computed;
  }

  /** The length that its text may come to. */
  get longest(): number {
    return this.sequence.tokens.length;
  }

  /** So many tokens of the text, the first ones, may be taken from the cache: of those after them the job wants results. */
  abstract get reusable(): number;

  /** The sequence is the job's now: its text joins it. */
  begin(cache: KvCache): void {
    const { tokens } = this.sequence;
    const kept = this.keep(cache);
    this.#startLength = tokens.length;
    for (let i = kept; i < this.ids.length; i++) tokens.push(this.ids[i]!);
  }

  /** There is room for it: from now on it takes part in steps. */
  admitted(): void {}

  /** How many of its ids the sequence has already. */
  protected keep(_cache: KvCache): number {
    return 0;
  }

  /** The rows for the next step: at most `rows`, with at most `logits` rows of logits; undefined: none fit. */
  next(rows: number, logits: number): StepRun | undefined {
    const { tokens, computed, pageTable } = this.sequence;
    const most = Math.min(rows, this.remaining);
    const run = this.wanted(most, most === this.remaining, logits);
    if (run === undefined) return undefined;
    return {
      tokens: tokens.slice(computed, computed + run.count),
      position: computed,
      pageTable,
      logits: run.logits,
      hidden: run.hidden,
    };
  }

  /** Takes what has come of the rows of `run`, which are computed now. True: the job is done. */
  take(run: StepRun, results: StepResults): boolean {
    return this.receive(run, this.remaining === 0, results);
  }

  /** Which of the next `count` rows want what; `end`: they are the last ones. */
  protected abstract wanted(
    count: number,
    end: boolean,
    logits: number,
  ): { count: number; logits: readonly number[]; hidden: readonly HiddenRows[] } | undefined;

  protected abstract receive(run: StepRun, end: boolean, results: StepResults): boolean;
}

export class EvaluateJob extends Job {
  readonly #all: boolean;
  readonly #vocab: number;
  #logits: Float32Array | undefined;
  #rows = 0;

  constructor(request: EvaluateRequest, order: number, sequence: CachedSequence, vocab: number) {
    super(request, order, sequence);
    this.#all = request.logits === "all";
    this.#vocab = vocab;
  }

  get reusable(): number {
    return this.startLength;
  }

  protected wanted(count: number, end: boolean, logits: number) {
    if (this.#all) {
      // What the cache has lost of the text before comes first, and wants nothing.
      const before = Math.min(count, Math.max(0, this.startLength - this.sequence.computed));
      const fitting = Math.min(count - before, logits);
      if (before + fitting === 0) return undefined;
      return { count: before + fitting, logits: range(before, before + fitting), hidden: [] };
    }
    if (end && logits === 0) return undefined;
    return { count, logits: end ? [count - 1] : [], hidden: [] };
  }

  protected receive(run: StepRun, end: boolean, results: StepResults): boolean {
    // Not before: many jobs may wait, and of a large vocabulary it is so much memory that to touch it takes longer than an abort may.
    this.#logits ??= new Float32Array((this.#all ? this.ids.length : 1) * this.#vocab);
    const logits = this.#logits;
    for (let i = 0; i < run.logits.length; i++) logits.set(results.logits(i), this.#vocab * this.#rows++);
    if (!end) return false;
    results.answer({ type: "evaluated", job: this.id, logits }, [logits.buffer as ArrayBuffer]);
    return true;
  }
}

export class GenerateJob extends Job {
  override readonly rewind = false;
  override readonly grows = true;
  readonly #request: GenerateRequest;
  readonly #endIds: ReadonlySet<number>;
  readonly #constraint: ConstrainedText | undefined;
  readonly #vocab: number;
  readonly #contextSize: number;
  #sampler: Sampler | undefined;
  #cachedTokens = 0;
  #admitted = 0;
  #prefilled = 0;
  #generated = 0;

  constructor(
    request: GenerateRequest,
    order: number,
    sequence: CachedSequence,
    limits: {
      readonly vocab: number;
      readonly contextSize: number;
      readonly constraint: ConstrainedText | undefined;
    },
  ) {
    super(request, order, sequence);
    this.#constraint = limits.constraint;
    this.#request = request;
    this.#endIds = new Set(request.endIds);
    this.#vocab = limits.vocab;
    this.#contextSize = limits.contextSize;
  }

  override get longest(): number {
    const { keep, maxTokens } = this.#request;
    return keep === undefined ? Math.min(this.#contextSize, this.ids.length + maxTokens) : this.#contextSize;
  }

  get reusable(): number {
    return this.sequence.tokens.length - 1;
  }

  override admitted(): void {
    if (this.#admitted !== 0) return; // it goes on
    this.#admitted = performance.now();
    this.#cachedTokens = this.sequence.computed;
  }

  /** What the sequence holds of an earlier text is kept as far as the new text begins with it, but for its last token. */
  protected override keep(cache: KvCache): number {
    const { tokens } = this.sequence;
    const most = Math.min(tokens.length, this.ids.length - 1);
    let common = 0;
    while (common < most && tokens[common] === this.ids[common]) common++;
    cache.truncate(this.sequence, common);
    return common;
  }

  protected wanted(count: number, end: boolean, logits: number) {
    if (end && logits === 0) return undefined;
    return { count, logits: end ? [count - 1] : [], hidden: [] };
  }

  protected receive(_run: StepRun, end: boolean, results: StepResults): boolean {
    if (!end) return false;
    if (this.#prefilled === 0) this.#prefilled = performance.now();
    if (this.#request.maxTokens === 0) return this.#finish("length", results);
    let token: SampledToken;
    let isEnd: boolean;
    try {
      token = this.#sample(results.logits(0));
      isEnd = this.#endIds.has(token.id);
      if (!isEnd) this.#constraint?.accept(token.id);
    } catch (error) {
      if (!(error instanceof CriaError)) throw error;
      const { code, message } = error;
      const kind = error instanceof GrammarError ? "grammar" : "option";
      results.answer({ type: "failed", job: this.id, kind, code, message });
      return true;
    }
    if (isEnd) return this.#finish("stop", results);
    this.#generated++;
    results.answer({ type: "token", job: this.id, ...token });
    if (this.#constraint?.isOver) return this.#finish("stop", results);
    const { tokens } = this.sequence;
    if (this.#generated >= this.#request.maxTokens) return this.#finish("length", results);
    if (tokens.length >= this.#contextSize) {
      if (this.#request.keep === undefined) return this.#finish("length", results);
      this.#shift(this.#request.keep, results);
    }
    tokens.push(token.id);
    return false;
  }

  /**
   * Forgets the older half of what comes after the first `keep` tokens. The rest becomes a prompt again: keys and values depend on
   * their position, and on what they have seen. Keys could be turned to a new position, but values would still know what is forgotten.
   */
  #shift(keep: number, results: StepResults): void {
    const { tokens } = this.sequence;
    const rest = tokens.slice(keep + Math.ceil((tokens.length - keep) / 2));
    results.truncate(keep);
    for (const token of rest) tokens.push(token);
  }

  #sample(logits: Float32Array): SampledToken {
    if (this.#sampler === undefined) {
      this.#sampler = new Sampler(this.#request.sampling, this.#vocab, this.#request.breakers);
      for (const id of this.ids) this.#sampler.accept(id);
    }
    const left = this.#request.maxTokens - this.#generated;
    const masked = this.#constraint?.mask(logits, left) ?? logits;
    const token = this.#sampler.sample(masked, logits);
    if (!this.#endIds.has(token.id)) this.#sampler.accept(token.id);
    return token;
  }

  #finish(finishReason: GenerateSummary["finishReason"], results: StepResults): true {
    const now = performance.now();
    results.answer({
      type: "generated",
      job: this.id,
      summary: {
        finishReason,
        cachedTokens: this.#cachedTokens,
        prefillMilliseconds: this.#prefilled - this.#admitted,
        decodeMilliseconds: now - this.#prefilled,
      },
    });
    return true;
  }
}

/** first .. end - 1 */
export function range(first: number, end: number): readonly number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}
