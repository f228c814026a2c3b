// Evaluate: tokens to logits, those of the last token or of all.

import type { EvaluateRequest } from "../../protocol/messages.js";
import { notNumbers } from "../../sampling/candidates.js";
import type { CachedSequence } from "../kv-cache.js";
import { Job, type JobRun, range, type StepResults } from "./job.js";

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
      // Tokens of the earlier text that the cache has lost come first, and need no results.
      const before = Math.min(count, Math.max(0, this.startLength - this.sequence.computed));
      const fitting = Math.min(count - before, logits);
      if (before + fitting === 0) return undefined;
      return { count: before + fitting, logits: range(before, before + fitting), hidden: [] };
    }
    if (end && logits === 0) return undefined;
    return { count, logits: end ? [count - 1] : [], hidden: [] };
  }

  protected receive(run: JobRun, end: boolean, results: StepResults): boolean {
    // Allocated only now: many jobs may wait, and with a large vocabulary, touching this much memory takes longer than an abort may.
    this.#logits ??= new Float32Array((this.#all ? this.ids.length : 1) * this.#vocab);
    const logits = this.#logits;
    for (let i = 0; i < run.logits.length; i++) {
      const row = results.logits(i);
      const broken = row.findIndex((logit) => !(logit < Number.POSITIVE_INFINITY));
      if (broken >= 0) throw notNumbers(broken, row[broken]!);
      logits.set(row, this.#vocab * this.#rows++);
    }
    if (!end) return false;
    results.answer({ type: "evaluated", job: this.id, logits }, [logits.buffer as ArrayBuffer]);
    return true;
  }
}
