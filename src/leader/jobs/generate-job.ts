// Generate: tokens to more tokens, until the text ends, its budget is spent or the context is full. A step brings one token, and one more
// for each draft that turns out to be what is sampled: each token is sampled from the logits of the row before it, as if it had come alone.

import {
  type DraftCounts,
  type GenerateRequest,
  type GenerateSummary,
  type Speculation,
  TOKEN_WINDOW,
} from "../../protocol/messages.js";
import { type SampledToken, Sampler } from "../../sampling/sampler.js";
import type { ConstrainedText } from "../constrained-text.js";
import type { CachedSequence, KvCache } from "../kv-cache.js";
import { HitRates } from "../speculation/hit-rates.js";
import { PromptLookup } from "../speculation/prompt-lookup.js";
import { Job, type JobRun, type StepResults } from "./job.js";

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
  #lookup: PromptLookup | undefined;
  /** Told of each draft of a draft model that was looked at: whether it was right. */
  onDraft: (right: boolean) => void = () => undefined;
  #drafted = 0;
  /** The caller knows of so many drafts and acceptances. */
  #told = 0;
  #accepted = 0;

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

  /** Where its drafts come from. */
  get speculation(): Speculation {
    return this.#request.speculation;
  }

  /** Whether the caller has said what will most likely come. */
  get isPredicted(): boolean {
    return this.#request.prediction !== undefined;
  }

  /** Tokens that it has generated. */
  get generated(): number {
    return this.#generated;
  }

  get vocabularySize(): number {
    return this.#request.vocabularySize;
  }

  /** How many drafts can be of use: with the token that the step brings anyway they stay within the budget, the credit and the context. */
  get mostDrafts(): number {
    const { length } = this.sequence.tokens;
    return Math.min(this.#request.maxTokens - this.#generated - 1, this.#credit - 1, this.#contextSize - length);
  }

  /** Looks up what comes next in the text itself. @param learned what other texts have taught; they learn from this one */
  lookup(learned: HitRates): PromptLookup {
    const { tokens } = this.sequence;
    this.#lookup ??= new PromptLookup(tokens, [new HitRates(learned), learned], this.#request.prediction);
    return this.#lookup;
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

  protected receive(run: JobRun, end: boolean, results: StepResults): boolean {
    if (this.#request.progress && this.#prefilled === 0) {
      const { computed } = this.sequence;
      results.answer({ type: "progress", job: this.id, evaluated: computed, cached: this.#cachedTokens });
    }
    if (!end) return false;
    if (this.#prefilled === 0) this.#prefilled = performance.now();
    if (this.#request.maxTokens === 0) return this.#finish("length", results);
    this.#drafted += run.drafted;
    const firstDraft = run.tokens.length - run.drafted;
    for (let row = 0; ; row++) {
      if (this.#takeToken(results.logits(row), results)) return true;
      if (row === run.drafted) return false;
      const right = this.sequence.tokens.at(-1) === run.tokens[firstDraft + row];
      this.onDraft(right);
      if (!right) return false;
      if (this.paused || !this.#preparesAtOnce()) return false;
      this.#accepted++;
      results.accept();
    }
  }

  /** Whether it is known now which tokens may come next. If not, the next step computes the row again. */
  #preparesAtOnce(): boolean {
    this.prepare();
    return this.ready;
  }

  /** Samples the next token. Returns whether the text has ended with it. */
  #takeToken(logits: Float32Array, results: StepResults): boolean {
    const token = this.#sample(logits);
    const isEnd = this.#endIds.has(token.id);
    if (!isEnd) this.#constraint?.accept(token.id);
    if (isEnd) return this.#finish("stop", results);
    this.#generated++;
    this.#credit--;
    if (this.paused) this.#pausedSince = performance.now();
    const counted = this.#drafted + this.#accepted;
    const isNews = counted > this.#told;
    this.#told = counted;
    results.answer({ type: "token", job: this.id, ...token, ...(isNews && this.#speculated) });
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
    this.#lookup = undefined;
  }

  get #speculated(): { readonly speculated?: DraftCounts } {
    if (this.speculation === "off") return {};
    return { speculated: { drafted: this.#drafted, accepted: this.#accepted } };
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
        ...this.#speculated,
      },
    });
    return true;
  }
}
