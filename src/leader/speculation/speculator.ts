// Speculation: guesses at the next tokens of texts, which one step checks together. Steps that read all weights for one row have time for
// more of them; how much time, and how often guesses are right, is measured, and drafts are made only where they pay.
//
// No text depends on it: each token is sampled from the logits of the row before it, whose bits do not depend on the other rows. A row
// behind a wrong guess is not looked at, and its keys and values are overwritten.

import { LOGIT_ROWS } from "../../model/plan/memory-plan.js";
import { GenerateJob } from "../jobs/generate-job.js";
import type { Job } from "../jobs/job.js";
import type { Scheduler } from "../scheduler.js";
import { chooseDrafts } from "./draft-choice.js";
import { type DraftModel, MOST_LACKING } from "./draft-model.js";
import { HitRate, HitRates } from "./hit-rates.js";
import { StepCosts } from "./step-costs.js";

/** The most guesses of a draft model at once: they are made one after another. */
const MOST_OF_MODEL = 12;
/** What is taken for a draft model's rate before anything is known. */
const MODEL_PRIOR = 0.7;
/** A draft model whose guesses do not pay is asked again after so many tokens, then after twice as many, up to the last number. */
const PROBE_AFTER = 128;
const PROBE_AT_LATEST = 1024;
const PROBED = 2;
/** But not where it would have to compute more of the text than so many tokens first. */
const PROBED_BEHIND = 4 * PROBE_AFTER;

/**
 * Milliseconds. Where steps are shorter, to look for guesses takes more time (5 microseconds a token, and steps that were wrong) than
 * guesses save, unless the caller says what comes.
 */
const SHORT_STEP = 0.25;

/** A test mode, CRIA_TEST_DRAFTS=N: N guesses for each text, however unlikely, whatever they cost. */
const FORCED = typeof process === "undefined" ? 0 : Number(process.env?.["CRIA_TEST_DRAFTS"] ?? 0);

/** What is known of the draft model's guesses at a text. */
interface Asked {
  readonly rate: HitRate;
  /** It was last asked when the text had so many generated tokens. */
  last: number;
  pause: number;
}

export class Speculator {
  readonly #scheduler: Scheduler;
  readonly #drafter: DraftModel | undefined;
  readonly #costs = new StepCosts(LOGIT_ROWS);
  /** What texts have taught about lookups, and about the draft model. */
  readonly #rates = new HitRates();
  readonly #modelRate = new HitRate(MODEL_PRIOR);
  readonly #asked = new WeakMap<GenerateJob, Asked>();

  constructor(scheduler: Scheduler, drafter: DraftModel | undefined) {
    this.#scheduler = scheduler;
    this.#drafter = drafter;
  }

  /** A step of so many rows, each with logits, has taken so long. `drafted`: whether some of them were drafts. */
  timed(rows: number, milliseconds: number, drafted: boolean): void {
    this.#costs.add(rows, milliseconds, drafted);
  }

  /** Gives the next step its drafts. @throws StepAborted, CriaError from steps of the draft model */
  draft(): void {
    this.#drafter?.keep(this.#scheduler.jobs);
    const decoding = this.#scheduler.decoding;
    const rows = FORCED > 0 ? LOGIT_ROWS : Math.min(LOGIT_ROWS, this.#costs.most);
    const room = rows - decoding.length;
    const isShort = FORCED === 0 && this.#costs.isBelow(decoding.length, SHORT_STEP);
    const speculates = (job: GenerateJob) => {
      return job.speculation === "draft" || (job.speculation === "lookup" && (!isShort || job.isPredicted));
    };
    const jobs = decoding.filter((job): job is GenerateJob => job instanceof GenerateJob && speculates(job));
    if (jobs.length === 0 || room < 1) return;
    const most = jobs.map((job) => Math.max(0, Math.min(job.mostDrafts, room)));
    const isModels = (job: Job | undefined) => job instanceof GenerateJob && job.speculation === "draft";
    const proposals = jobs.map((job, i) => {
      if (job.speculation === "lookup") return job.lookup(this.#rates).propose(most[i]!);
      const rate = this.#askedOf(job).rate.value;
      const chances = Array.from({ length: Math.min(most[i]!, MOST_OF_MODEL) }, (_, i) => rate ** (i + 1));
      return { tokens: undefined, chances };
    });
    if (proposals.every(({ chances }) => chances.length === 0)) return;
    const modelTexts = jobs.filter(isModels).length;
    const modelStep = modelTexts === 0 ? 0 : this.#drafter!.costs.of(modelTexts);
    const { counts, tooSlow } = chooseDrafts(
      proposals.map(({ chances }) => (FORCED > 0 ? chances.slice(0, FORCED).map(() => 1) : chances)),
      {
        ...{ rows: decoding.length, most: room },
        cost: (rows) => (FORCED > 0 ? 1 : this.#costs.of(rows)),
        makingCost: (counts) =>
          FORCED > 0 || modelStep === 0 ? 0 : modelStep * Math.max(0, ...counts.filter((_, i) => isModels(jobs[i]))),
      },
    );
    if (tooSlow) this.#costs.doubt(decoding.length);
    const wanted = new Map<GenerateJob, number>();
    let left = room - counts.reduce((sum, count) => sum + count, 0);
    for (const [i, job] of jobs.entries()) {
      const { tokens } = proposals[i]!;
      if (tokens === undefined) {
        const count = this.#askingCount(job, counts[i]!, Math.min(most[i]!, left));
        if (count > counts[i]!) left -= count;
        if (count > 0) wanted.set(job, count);
      } else if (counts[i]! > 0) this.#scheduler.draft(job, tokens.slice(0, counts[i]));
    }
    if (wanted.size === 0) return;
    for (const [job, drafts] of this.#drafter!.propose(wanted)) {
      if (drafts.length > 0) this.#scheduler.draft(job, drafts);
    }
  }

  /** How many guesses the draft model is asked for: as many as pay, or, where none do, now and then a few to see whether that is still so. */
  #askingCount(job: GenerateJob, paying: number, most: number): number {
    const asked = this.#askedOf(job);
    if (paying > 0) {
      asked.last = job.generated;
      asked.pause = PROBE_AFTER;
      return paying;
    }
    if (job.generated - asked.last < asked.pause || this.#drafter!.lacking(job) > PROBED_BEHIND) return 0;
    if (this.#drafter!.lacking(job) > MOST_LACKING) return Math.min(PROBED, most); // it comes up first
    asked.last = job.generated;
    asked.pause = Math.min(PROBE_AT_LATEST, 2 * asked.pause);
    return Math.min(PROBED, most);
  }

  #askedOf(job: GenerateJob): Asked {
    const known = this.#asked.get(job);
    if (known !== undefined) return known;
    const rate = new HitRate(this.#modelRate.value);
    const asked: Asked = { rate, last: job.generated, pause: PROBE_AFTER };
    this.#asked.set(job, asked);
    job.onDraft = (right) => {
      rate.add(right);
      this.#modelRate.add(right);
    };
    return asked;
  }
}
