// The job for a request: one row for each kind.

import type { GrammarCache } from "./constrained-text.js";
import { EmbedJob, type EmbedTextRequest } from "./embed-job.js";
import { EvaluateJob, GenerateJob, type Job } from "./jobs.js";
import type { CachedSequence } from "./kv-cache.js";
import type { EvaluateRequest, GenerateRequest, Program } from "./messages.js";

/** What becomes one job: of a request to embed, one text. */
export type SingleRequest = EvaluateRequest | GenerateRequest | EmbedTextRequest;

/** `pending`: the tokens that its sequence does not hold yet. */
export function createJob(
  request: SingleRequest,
  sequence: CachedSequence,
  pending: Int32Array,
  temporary: boolean,
  program: Program,
  grammars: GrammarCache,
): Job {
  const { vocab, dim } = program.blueprint.hyperparameters;
  switch (request.type) {
    case "evaluate":
      return new EvaluateJob(request, sequence, temporary, vocab);
    case "generate":
      return new GenerateJob(
        request,
        sequence,
        pending,
        temporary,
        vocab,
        program.contextSize,
        grammars.begin(request, vocab),
      );
    case "embed":
      return new EmbedJob(request, sequence, temporary, dim);
  }
}
