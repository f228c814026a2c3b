// Embedding in the leader: a request has many texts, each text is a job of its own, and the last job to finish answers for all.

import type { HiddenRows } from "../../model/step.js";
import type { EmbedRequest, JobRequest } from "../../protocol/messages.js";
import type { Pooling } from "../../protocol/pooling.js";
import { brokenNumber } from "../../sampling/candidates.js";
import type { Head } from "../head.js";
import type { CachedSequence } from "../kv-cache.js";
import { Job, type JobRun, range, type StepResults } from "./job.js";

/** One text of a request. */
export interface EmbedTextRequest extends JobRequest {
  readonly type: "embed";
  readonly ids: Int32Array;
  readonly pooling: Pooling;
  readonly vectors: EmbedVectors;
  /** Index of the text's vector; of its first vector, where it has one for each token. */
  readonly first: number;
}

/** The vectors of one request, and how many texts still lack theirs. */
class EmbedVectors {
  readonly values: Float32Array<ArrayBuffer>;
  readonly #elements: number;

  constructor(
    vectors: number,
    public missing: number,
    readonly head: Head,
    readonly pooling: Pooling,
  ) {
    this.#elements = head.elements(pooling);
    this.values = new Float32Array(vectors * this.#elements);
  }

  /** Sets vector `i` to what the head makes of a hidden state. @throws CriaError NAN_LOGITS where that is not finite */
  set(i: number, hidden: Float32Array): void {
    const vector = this.values.subarray(i * this.#elements, (i + 1) * this.#elements);
    this.head.apply(this.pooling, hidden, vector);
    const broken = vector.findIndex((value) => !Number.isFinite(value));
    if (broken < 0) return;
    throw brokenNumber(`${this.pooling === "rank" ? "score" : "element"} ${broken} of the result`, vector[broken]!);
  }
}

/** The texts of a request, in its order. */
export function textsOf({ job, abort, ids, ends, pooling }: EmbedRequest, head: Head): readonly EmbedTextRequest[] {
  const perToken = pooling === "none";
  const vectors = new EmbedVectors(perToken ? ids.length : ends.length, ends.length, head, pooling);
  return Array.from(ends, (end, i) => {
    const start = ends[i - 1] ?? 0;
    return { type: "embed", job, abort, ids: ids.subarray(start, end), pooling, vectors, first: perToken ? start : i };
  });
}

export class EmbedJob extends Job {
  /** An encoder's keys and values depend on what follows. */
  override readonly publishes = false;
  readonly #request: EmbedTextRequest;
  readonly #dim: number;
  #sums: Float64Array | undefined;
  #evaluated = 0;

  constructor(request: EmbedTextRequest, order: number, sequence: CachedSequence, dim: number) {
    super(request, order, sequence);
    this.#request = request;
    this.#dim = dim;
  }

  get reusable(): number {
    return 0;
  }

  protected wanted(count: number, end: boolean) {
    return { count, logits: [], hidden: this.#pooled(count, end) };
  }

  /** How the hidden states become what the head reads. */
  get #pooling(): Exclude<Pooling, "rank"> {
    const { pooling, vectors } = this.#request;
    return pooling === "rank" ? vectors.head.scored : pooling;
  }

  /** Which of the next `count` rows the vector is made of. */
  #pooled(count: number, end: boolean): readonly HiddenRows[] {
    const pooling = this.#pooling;
    const row = (first: number) => ({ first, rows: 1 });
    if (pooling === "mean" && end && this.#evaluated === 0) return [{ first: 0, rows: count }];
    if (pooling === "mean" || pooling === "none") return range(0, count).map(row);
    if (pooling === "last") return end ? [row(count - 1)] : [];
    return this.#evaluated === 0 ? [row(0)] : [];
  }

  protected receive(run: JobRun, end: boolean, results: StepResults): boolean {
    const { vectors, first } = this.#request;
    const pooling = this.#pooling;
    const whole = end && this.#evaluated === 0;
    for (let i = 0; i < run.hidden.length; i++) {
      const hidden = results.hidden(i);
      if (pooling === "mean" && !whole) this.#add(hidden);
      else vectors.set(first + (pooling === "none" ? this.#evaluated + i : 0), hidden);
    }
    this.#evaluated += run.tokens.length;
    if (!end) return false;
    if (pooling === "mean" && !whole) {
      vectors.set(
        first,
        Float32Array.from(this.#sums!, (sum) => sum / this.#evaluated),
      );
    }
    vectors.missing--;
    if (vectors.missing === 0) {
      results.answer({ type: "embedded", job: this.id, vectors: vectors.values }, [vectors.values.buffer]);
    }
    return true;
  }

  /** Adds to the mean of a text that takes several steps, in the order in which the kernel adds for a text that takes one. */
  #add(hidden: Float32Array): void {
    // Allocated only now, because thousands of texts may be waiting.
    this.#sums ??= new Float64Array(this.#dim);
    const sums = this.#sums;
    for (let d = 0; d < hidden.length; d++) sums[d]! += hidden[d]!;
  }
}
