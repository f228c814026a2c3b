// A draft model in the leader: a smaller model on the same team, in memories of its own, that goes through the same texts and says what it
// would write next. It has a KV cache of its own, which follows the texts: wrong guesses are cut off when a text went on in another way.

import type { Blueprint } from "../../model/blueprint.js";
import { LOGIT_ROWS } from "../../model/plan/memory-plan.js";
import type { StepRun } from "../../model/step.js";
import type { GenerateJob } from "../jobs/generate-job.js";
import type { Job } from "../jobs/job.js";
import { type CachedSequence, emptySequence, KvCache } from "../kv-cache.js";
import type { TeamModel } from "../team-model.js";
import { StepCosts } from "./step-costs.js";

/** A text of which the draft model lacks more tokens than so many gets no guesses before it has them. */
export const MOST_LACKING = 32;

/** Runs a step of the draft model for these jobs, and returns its milliseconds. @throws StepAborted, CriaError */
export type RunDraft = (runs: readonly StepRun[], jobs: readonly Job[]) => number;

/** A text under way. */
interface Drafting {
  readonly job: GenerateJob;
  readonly text: CachedSequence;
  readonly count: number;
  readonly drafts: number[];
}

export class DraftModel {
  /** What its steps take, by the number of texts. */
  readonly costs = new StepCosts(LOGIT_ROWS);
  readonly #model: TeamModel;
  readonly #blueprint: Blueprint;
  readonly #run: RunDraft;
  readonly #cache: KvCache;
  readonly #texts = new Map<GenerateJob, CachedSequence>();

  constructor(model: TeamModel, blueprint: Blueprint, run: RunDraft) {
    this.#model = model;
    this.#blueprint = blueprint;
    this.#run = run;
    this.#cache = new KvCache(model.shards, blueprint.pool, undefined);
  }

  /** Forgets the texts of all other jobs. */
  keep(jobs: readonly Job[]): void {
    if (this.#texts.size === 0) return;
    const going = new Set(jobs);
    for (const [job, text] of this.#texts) {
      if (going.has(job)) continue;
      this.#cache.release(text);
      this.#texts.delete(job);
    }
  }

  /** How many tokens it has to compute before it can guess how a text goes on, if no other text begins like it. */
  lacking(job: GenerateJob): number {
    return job.sequence.tokens.length - (this.#texts.get(job)?.computed ?? 0);
  }

  /** Guesses how texts go on, as many tokens as are wanted of each, or fewer. @throws StepAborted, CriaError */
  propose(wanted: ReadonlyMap<GenerateJob, number>): ReadonlyMap<GenerateJob, readonly number[]> {
    const begun: Drafting[] = [];
    try {
      for (const [job, count] of wanted) {
        const text = this.#follow(job, count);
        if (text !== undefined) begun.push({ job, text, count, drafts: [] });
      }
      this.#catchUp(begun);
      let rows = 0;
      const drafting = begun.filter(({ text }) => {
        const lacking = lackingOf(text);
        if (lacking > MOST_LACKING || rows + lacking > this.#blueprint.layout.rows) return false;
        rows += lacking;
        return true;
      });
      for (let left = drafting; left.length > 0; ) {
        this.#step(left);
        left = left.filter(({ drafts, count, text }) => drafts.length < count && lackingOf(text) > 0);
      }
    } finally {
      for (const { text } of begun) this.#cache.pause(text);
    }
    return new Map(begun.map(({ job, drafts }) => [job, drafts]));
  }

  /** The job's text, as it is now, with pages for what is to be computed of it; undefined: there are none. */
  #follow(job: GenerateJob, count: number): CachedSequence | undefined {
    const cache = this.#cache;
    const text = this.#texts.get(job) ?? emptySequence(false);
    this.#texts.set(job, text);
    const { tokens } = job.sequence;
    let same = 0;
    while (same < text.tokens.length && text.tokens[same] === tokens[same]) same++;
    if (same < text.tokens.length) cache.truncate(text, same);
    for (let i = same; i < tokens.length; i++) text.tokens.push(tokens[i]!);
    // The last token is computed again, because its logits are wanted.
    if (text.computed === tokens.length) cache.truncate(text, tokens.length - 1);
    if (text.tokens.length < tokens.length) text.tokens.push(tokens.at(-1)!);
    cache.begin(text);
    if (lackingOf(text) > MOST_LACKING) cache.share(text, tokens.length - 1);
    const length = tokens.length + count - 1;
    if (cache.needed(text, length) > cache.obtainable()) {
      cache.pause(text);
      return undefined;
    }
    cache.reserve(text, length);
    return text;
  }

  /** Computes some tokens of the first text that lacks many, so that neither guesses nor the model wait for all of them. */
  #catchUp(begun: readonly Drafting[]): void {
    const behind = begun.find(({ text }) => lackingOf(text) > MOST_LACKING);
    if (behind === undefined) return;
    const { text, job } = behind;
    const count = Math.min(this.#blueprint.layout.rows, lackingOf(text) - 1);
    this.#run([runOf(text, count, [])], [job]);
    this.#cache.advance(text, count, true);
  }

  /** A step in which each of these texts gets one guess. */
  #step(drafting: readonly Drafting[]): void {
    const { vocab } = this.#blueprint.hyperparameters;
    const output = this.#model.shards[this.#blueprint.layout.outputShard]!;
    const counts = drafting.map(({ text }) => lackingOf(text));
    const milliseconds = this.#run(
      drafting.map(({ text }, i) => runOf(text, counts[i]!, [counts[i]! - 1])),
      drafting.map(({ job }) => job),
    );
    this.costs.add(drafting.length, milliseconds, false);
    for (const [i, { job, text, drafts }] of drafting.entries()) {
      // Pages with guesses are not for others.
      this.#cache.advance(text, counts[i]!, drafts.length === 0);
      const token = likeliest(output.logits(i, vocab).subarray(0, job.vocabularySize));
      if (token === undefined) continue;
      drafts.push(token);
      text.tokens.push(token);
    }
  }
}

function lackingOf({ tokens, computed }: CachedSequence): number {
  return tokens.length - computed;
}

function runOf({ tokens, computed, pageTable }: CachedSequence, count: number, logits: readonly number[]): StepRun {
  return { tokens: tokens.slice(computed, computed + count), position: computed, pageTable, logits, hidden: [] };
}

/** undefined: no logit is a number. */
function likeliest(logits: Float32Array): number | undefined {
  let best: number | undefined;
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    if (!(logits[id]! > largest)) continue;
    largest = logits[id]!;
    best = id;
  }
  return best;
}
