// Embedding, as the leader does it: a request has many texts, each is a job of its own, and the last one that is done answers for all.

import type { StepRun } from "../model/step.js";
import { Job, range, type StepResults } from "./jobs.js";
import type { CachedSequence } from "./kv-cache.js";
import type { EmbedRequest, JobRequest } from "./messages.js";
import type { Pooling } from "./pooling.js";

/** One text of a request. */
export interface EmbedTextRequest extends JobRequest {
  readonly type: "embed";
  readonly ids: Int32Array;
  readonly pooling: Pooling;
  /** The vectors of the whole request, and where this text's begin: an element. */
  readonly vectors: EmbedVectors;
  readonly at: number;
}

/** The vectors of one request, and how many texts have theirs. */
class EmbedVectors {
  readonly values: Float32Array<ArrayBuffer>;

  constructor(
    elements: number,
    public missing: number,
  ) {
    this.values = new Float32Array(elements);
  }
}

/** The texts of a request, in its order. `dim`: elements of a vector. */
export function textsOf({ job, abort, ids, ends, pooling }: EmbedRequest, dim: number): readonly EmbedTextRequest[] {
  const vectors = new EmbedVectors((pooling === "none" ? ids.length : ends.length) * dim, ends.length);
  return Array.from(ends, (end, i) => {
    const start = ends[i - 1] ?? 0;
    const at = (pooling === "none" ? start : i) * dim;
    return { type: "embed", job, abort, ids: ids.subarray(start, end), pooling, vectors, at };
  });
}

export class EmbedJob extends Job {
  readonly #request: EmbedTextRequest;
  readonly #sums: Float64Array;
  #evaluated = 0;

  constructor(request: EmbedTextRequest, sequence: CachedSequence, temporary: boolean, dim: number) {
    super(request, sequence, request.ids, temporary);
    this.#request = request;
    this.#sums = new Float64Array(request.pooling === "mean" ? dim : 0);
  }

  protected wanted(count: number, end: boolean) {
    return { count, logits: [], hidden: this.#pooled(count, end) };
  }

  /** Which of the next `count` rows the vector is made of. */
  #pooled(count: number, end: boolean): readonly number[] {
    switch (this.#request.pooling) {
      case "mean":
      case "none":
        return range(count);
      case "cls":
        return this.#evaluated === 0 ? [0] : [];
      case "last":
        return end ? [count - 1] : [];
    }
  }

  protected take(run: StepRun, end: boolean, results: StepResults): "done" | "more" {
    const { vectors, at, pooling } = this.#request;
    for (let i = 0; i < run.hidden.length; i++) {
      const hidden = results.hidden(i);
      if (pooling === "mean") {
        for (let d = 0; d < hidden.length; d++) this.#sums[d]! += hidden[d]!;
      } else {
        vectors.values.set(hidden, at + (pooling === "none" ? (this.#evaluated + i) * hidden.length : 0));
      }
    }
    this.#evaluated += run.tokens.length;
    if (!end) return "more";
    for (let d = 0; d < this.#sums.length; d++) vectors.values[at + d] = this.#sums[d]! / this.#evaluated;
    vectors.missing--;
    if (vectors.missing === 0) {
      results.answer({ type: "embedded", job: this.id, vectors: vectors.values }, [vectors.values.buffer]);
    }
    return "done";
  }
}
