// The job for a request: one row for each kind.

import type { EvaluateRequest, GenerateRequest } from "../../protocol/messages.js";
import type { Program } from "../../protocol/program.js";
import type { GrammarCache } from "../constrained-text.js";
import type { CachedSequence } from "../kv-cache.js";
import { EmbedJob, type EmbedTextRequest } from "./embed-job.js";
import { EvaluateJob } from "./evaluate-job.js";
import { GenerateJob } from "./generate-job.js";
import type { Job } from "./job.js";

/** What becomes one job. A request to embed is split: each of its texts is a job. */
export type SingleRequest = EvaluateRequest | GenerateRequest | EmbedTextRequest;

/** @param order jobs that came earlier have lower numbers */
export function createJob(
  request: SingleRequest,
  order: number,
  sequence: CachedSequence,
  { blueprint, contextSize }: Program,
  grammars: GrammarCache,
): Job {
  const { vocab, dim } = blueprint.hyperparameters;
  switch (request.type) {
    case "evaluate":
      return new EvaluateJob(request, order, sequence, vocab);
    case "generate":
      return new GenerateJob(request, order, sequence, {
        contextSize,
        constraint: grammars.begin(request),
      });
    case "embed":
      return new EmbedJob(request, order, sequence, dim);
  }
}
