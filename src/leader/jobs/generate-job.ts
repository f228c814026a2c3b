// Generate: tokens to more tokens, one in each step, until the text ends, its budget is spent or the context is full.

import type { StepRun } from "../../model/step.js";
import { type GenerateRequest, type GenerateSummary, TOKEN_WINDOW } from "../../protocol/messages.js";
import { type SampledToken, Sampler } from "../../sampling/sampler.js";
import type { ConstrainedText } from "../constrained-text.js";
import type { CachedSequence, KvCache } from "../kv-cache.js";
import { Job, type StepResults } from "./job.js";

export class GenerateJob extends Job {
  override readonly rewind = false;
  override readonly grows = true;
  readonly #request: GenerateRequest;
  readonly #endIds: ReadonlySet<number>;
  readonly #constraint: ConstrainedText | undefined;
  readonly #contextSize: number;
  #sampler: Sampler | undefined;
  #cachedTokens = 0;
  #admitted = 0;
  #prefilled = 0;
  #generated = 0;
  /** How many more tokens may be sent before the caller takes some. */
  #credit = TOKEN_WINDOW;
  #pausedSince = 0;
  #pausedFor = 0;

  constructor(
    request: GenerateRequest,
    order: number,
    sequence: CachedSequence,
    limits: {
      readonly contextSize: number;
      readonly constraint: ConstrainedText | undefined;
    },
  ) {
    super(request, order, sequence);
    this.#constraint = limits.constraint;
    this.#request = request;
    this.#endIds = new Set(request.endIds);
    this.#contextSize = limits.contextSize;
  }

  override get longest(): number {
    const { keep, maxTokens } = this.#request;
    return keep === undefined ? Math.min(this.#contextSize, this.ids.length + maxTokens) : this.#contextSize;
  }

  override get paused(): boolean {
    return this.#credit === 0;
  }

  override get ready(): boolean {
    return this.#constraint?.isPrepared ?? true;
  }

  /** Finds the tokens that the grammar allows next. @throws GrammarError GRAMMAR_TOO_AMBIGUOUS, GRAMMAR_TOO_LARGE */
  override prepare(): void {
    this.#constraint?.prepare(this.#request.maxTokens - this.#generated);
  }

  /** The caller has taken tokens. */
  grant(tokens: number, abort: number): void {
    if (this.paused) this.#pausedFor += performance.now() - this.#pausedSince;
    this.#credit += tokens;
    this.abort = abort;
  }

  get reusable(): number {
    return this.sequence.tokens.length - 1;
  }

  override admitted(): void {
    if (this.#admitted !== 0) return; // it was put off, and now goes on
    this.#admitted = performance.now();
    this.#cachedTokens = this.sequence.computed;
  }

  /** Keeps what the sequence holds of an earlier text as far as the new text begins with it, except for the new text's last token. */
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
    if (this.#request.progress && this.#prefilled === 0) {
      const { computed } = this.sequence;
      results.answer({ type: "progress", job: this.id, evaluated: computed, cached: this.#cachedTokens });
    }
    if (!end) return false;
    if (this.#prefilled === 0) this.#prefilled = performance.now();
    if (this.#request.maxTokens === 0) return this.#finish("length", results);
    const token = this.#sample(results.logits(0));
    const isEnd = this.#endIds.has(token.id);
    if (!isEnd) this.#constraint?.accept(token.id);
    if (isEnd) return this.#finish("stop", results);
    this.#generated++;
    this.#credit--;
    if (this.paused) this.#pausedSince = performance.now();
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
   * their position and on the tokens before it. Keys could be rotated to a new position, but values would still contain what is forgotten.
   */
  #shift(keep: number, results: StepResults): void {
    const { tokens } = this.sequence;
    const rest = tokens.slice(keep + Math.ceil((tokens.length - keep) / 2));
    results.truncate(keep);
    for (const token of rest) tokens.push(token);
  }

  #sample(row: Float32Array): SampledToken {
    const { sampling, vocabularySize, breakers } = this.#request;
    const logits = row.subarray(0, vocabularySize);
    if (this.#sampler === undefined) {
      this.#sampler = new Sampler(sampling, vocabularySize, breakers);
      for (const id of this.ids) this.#sampler.accept(id);
    }
    const masked = this.#constraint?.mask(logits) ?? logits;
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
        decodeMilliseconds: now - this.#prefilled - this.#pausedFor,
      },
    });
    return true;
  }
}
