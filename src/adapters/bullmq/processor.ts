// A job to its result, by a loaded model: what BullMQ's Worker calls.

import { type Job, UnrecoverableError, WaitingError } from "bullmq";
import { CriaError, MemoryError, type Model, type RerankOptions, WorkerError } from "../../index.js";
import { checkInteger, checkText, namesOf, optionsOf } from "../../options.js";
import {
  checkJob,
  type EmbedJob,
  encodedBytes,
  encodeVectors,
  type RerankJob,
  type VectorJob,
  type VectorProgress,
  type VectorResult,
} from "./job.js";

/** What jobs are computed with: a model, or a pool. */
export type VectorModel = Pick<Model, "embed" | "rerank" | "info">;

/** A job of BullMQ that has a `VectorJob` as its data. */
export type QueuedJob = Job<VectorJob, VectorResult>;

/** What a Worker's processor accepts. */
export interface ProcessorOptions {
  /** What identifies the model (`modelIdentity`). Jobs for another one fail. */
  readonly model: string;
  /** Jobs whose results are larger fail, before anything is computed. Bytes of base64, default 16 MiB. */
  readonly maxResultBytes?: number;
}

/** The reason with which a Worker cancels a job (`worker.cancelJob(id, GIVE_BACK)`) that goes back to the queue, as if it had not begun. */
export const GIVE_BACK = "the job is given back";

const optionNames = namesOf<ProcessorOptions>({ model: true, maxResultBytes: true });

/** How often a job's progress is written, at most, ms. */
const PROGRESS_MILLISECONDS = 1000;

/**
 * The processor of a Worker: `new Worker(name, createProcessor(model, { model: await modelIdentity(path) }), ...)`. It runs in the
 * process of the Worker, whose event loop it never blocks. Jobs of one Worker that run at once (`concurrency`) share the model's steps.
 *
 * What cannot ever succeed (a job that is not one, a text that is too long) fails once, all else as often as the job's `attempts` say.
 * The message of a failed job begins with cria's code. When the Worker cancels a job, computing ends within a step.
 *
 * @throws CriaError INVALID_OPTION
 */
export function createProcessor(model: VectorModel, options: ProcessorOptions) {
  const given = optionsOf("createProcessor", options, optionNames);
  const identity = checkText("model", given.model, 1, 1000);
  const most = checkInteger("maxResultBytes", given.maxResultBytes ?? 2 ** 24, 1, 2 ** 29);

  // BullMQ gives a signal to processors that have three parameters.
  return async (job: QueuedJob, token: string | undefined, signal: AbortSignal | undefined): Promise<VectorResult> => {
    const progress = new Progress(job);
    try {
      const work = checkJob(job.data);
      if (work.model !== identity) {
        throw new CriaError("MODEL_MISMATCH", `the job is for model ${work.model}; this worker has ${identity}`);
      }
      checkSize(work, model.info.embedding.dimensions, most);
      return await (work.task === "embed"
        ? embedded(model, work, progress, signal)
        : ranked(model, work, progress, signal));
    } catch (error) {
      if (!signal?.aborted) {
        if (lasting(error)) throw new UnrecoverableError(messageOf(error));
        throw new Error(messageOf(error), { cause: error });
      }
      if (signal.reason !== GIVE_BACK) throw new Error(`cancelled: ${messageOf(signal.reason)}`);
      await job.moveToWait(token); // throws where the job is no longer this worker's: nobody then hears of this attempt
      throw new WaitingError(GIVE_BACK);
    } finally {
      progress.end();
    }
  };
}

/** @throws CriaError RESULT_TOO_LARGE */
function checkSize(work: VectorJob, size: number, most: number): void {
  const [count, dimensions] =
    work.task === "embed" ? [work.texts.length, work.options.dimensions ?? size] : [work.documents.length, 1];
  const bytes = encodedBytes(count, dimensions);
  if (bytes <= most) return;
  throw new CriaError(
    "RESULT_TOO_LARGE",
    `${count} vectors of ${dimensions} elements are ${bytes} bytes of base64; a job's result has at most ${most}: put fewer texts in a job`,
  );
}

async function embedded(model: VectorModel, { texts, options }: EmbedJob, progress: Progress, signal?: AbortSignal) {
  let tokens = 0;
  const vectors = await model.embed(texts, {
    ...options,
    signal,
    onProgress: progress.show,
    onUsage: ({ promptTokens }) => {
      tokens = promptTokens;
    },
  });
  return encodeVectors(vectors, tokens);
}

/** Scores, in the order of the documents. */
async function ranked(model: VectorModel, work: RerankJob, progress: Progress, signal?: AbortSignal) {
  let tokens = 0;
  const options: RerankOptions = {
    ...work.options,
    signal,
    onProgress: progress.show,
    onUsage: ({ promptTokens }) => {
      tokens = promptTokens;
    },
  };
  const scores: Float32Array[] = new Array(work.documents.length);
  for (const { index, score } of await model.rerank(work.query, work.documents, options)) {
    scores[index] = Float32Array.of(score);
  }
  return encodeVectors(scores, tokens);
}

/** Whether an error says something of the job, so that it would come again: not of the workers or the memory of this process. */
function lasting(error: unknown): boolean {
  return error instanceof CriaError && !(error instanceof WorkerError) && !(error instanceof MemoryError);
}

function messageOf(error: unknown): string {
  return error instanceof CriaError ? `${error.code}: ${error.message}` : String((error as Error)?.message ?? error);
}

/** Writes how far a job is, now and then. A job does not fail because nobody can see its progress. */
class Progress {
  readonly #job: Job;
  #last = performance.now();
  #writing = false;

  constructor(job: Job) {
    this.#job = job;
  }

  readonly show = (done: number, total: number): void => {
    const now = performance.now();
    if (this.#writing || now - this.#last < PROGRESS_MILLISECONDS) return;
    this.#last = now;
    this.#writing = true;
    const progress: VectorProgress = { done, total };
    const written = () => {
      this.#writing = false;
    };
    this.#job.updateProgress({ ...progress }).then(written, written);
  };

  /** Nothing more is written. */
  end(): void {
    this.#last = Number.POSITIVE_INFINITY;
  }
}
