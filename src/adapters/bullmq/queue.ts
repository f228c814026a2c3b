// The other end of the queue: texts are cut into jobs, the jobs submitted, and their results collected in the order of the texts.
//
//   texts ──> chunks ──> submitted, at most `inFlight` ──> the first one is awaited ──> its vectors, one text at a time
//                         │    a job that is already there is not computed again: a second run finds what the first has finished
//                         └──  a job that is gone (expired, or lost by Redis) is submitted again when its turn comes

import { type JobsOptions, Queue } from "bullmq";
import { abortable } from "../../abort.js";
import { CriaError, type RankedDocument } from "../../index.js";
import { checkArray, checkInteger, checkNumber, checkSignal, checkText, namesOf, optionsOf } from "../../options.js";
import { modelKey, type Place, placeOf, type QueuePlace } from "./connection.js";
import {
  decodeVectors,
  type EmbedJob,
  type EmbedJobOptions,
  embedJobOptions,
  jobId,
  MOST_TEXTS,
  type RerankJobOptions,
  type VectorJob,
  type VectorResult,
} from "./job.js";

export interface OpenQueueOptions extends QueuePlace {
  /** What identifies the model (`modelIdentity`). Default: what the queue's workers have said last. */
  readonly model?: string;
  /** How long finished jobs are kept, in seconds: so long their results can be collected, and a duplicate computes nothing. Default a day. */
  readonly keepSeconds?: number;
  /** How often a job is tried that fails for a reason other than its texts. Default 3. */
  readonly attempts?: number;
  /** How long Redis may fail to answer at the beginning, in seconds. Default 10. */
  readonly connectSeconds?: number;
}

export interface QueuedEmbedOptions extends EmbedJobOptions {
  /** Texts of a job. Default 64. Another size makes other jobs, which does not find those of before. */
  readonly chunk?: number;
  /** Jobs that are in the queue at a time. Default 256. */
  readonly inFlight?: number;
  readonly signal?: AbortSignal;
}

export interface QueuedRerankOptions extends RerankJobOptions {
  /** Documents of a job. Default 64. */
  readonly chunk?: number;
  readonly signal?: AbortSignal;
}

/** A text's vector; or why it has none. */
export type QueuedVector =
  | { readonly vector: Float32Array; readonly error?: undefined }
  | { readonly vector?: undefined; readonly error: CriaError };

const openNames = namesOf<OpenQueueOptions>({
  connection: true,
  name: true,
  prefix: true,
  model: true,
  keepSeconds: true,
  attempts: true,
  connectSeconds: true,
});

/** The most characters of a job's texts, unless one alone has more. */
const CHUNK_CHARACTERS = 2 ** 18;

/** How often the first job is looked after, ms: at first, and at most. */
const POLL = { least: 4, most: 250 };

/** How long Redis may answer with errors until the collector gives up, and between two tries, ms. */
const TROUBLE = { most: 60_000, pause: 500 };

/** How long a connection may take to be closed, seconds. */
const CLOSE_SECONDS = 5;

/** Failures of one text, which a chunk's other texts need not share. */
const OF_A_TEXT = /^(CONTEXT_FULL|EMPTY_INPUT|INVALID_TOKEN|RESULT_TOO_LARGE):/;

/**
 * Opens a queue for submitting.
 *
 * @throws CriaError INVALID_OPTION, QUEUE_UNREACHABLE; NO_MODEL where `model` is not given and no worker has ever run on this queue
 */
export async function openQueue(options: OpenQueueOptions): Promise<VectorQueue> {
  const given = optionsOf("openQueue", options, openNames);
  const place = placeOf(given);
  const model = given.model === undefined ? undefined : checkText("model", given.model, 1, 1000);
  const kept = { age: checkInteger("keepSeconds", given.keepSeconds ?? 86_400, 60, 2 ** 31) };
  const jobOptions: JobsOptions = {
    attempts: checkInteger("attempts", given.attempts ?? 3, 1, 1000),
    backoff: { type: "exponential", delay: 1000 },
    removeOnComplete: kept,
    removeOnFail: kept,
  };
  const seconds = checkNumber("connectSeconds", given.connectSeconds ?? 10, 0.1, 86_400);
  const queue = new Queue<VectorJob, VectorResult>(place.name, {
    connection: place.connection,
    prefix: place.prefix,
  });
  let trouble = "it does not answer";
  queue.on("error", ({ message }) => {
    trouble = message === "" ? trouble : message;
  });
  try {
    const ready = queue.waitUntilReady();
    void ready.catch(() => undefined); // it fails once more when the queue is closed
    await inTime(ready, seconds, () => unreachable(place, seconds, trouble));
    const client = await queue.getBackend().client;
    const known = model ?? (await client.get(modelKey(place)));
    if (known === null) {
      throw new CriaError(
        "NO_MODEL",
        `no worker has said yet which model the queue ${place.shown} has: start one, or give the model`,
      );
    }
    return new VectorQueue(queue, place, known, jobOptions);
  } catch (error) {
    await leave(queue);
    throw error;
  }
}

/** Closes the connection, whether the server answers or not. */
async function leave(queue: Queue<VectorJob, VectorResult>): Promise<void> {
  const closed = queue.close();
  await inTime(closed, CLOSE_SECONDS, () => new Error("late")).catch(() => queue.disconnect());
}

function unreachable({ shown }: Place, seconds: number, why: string): CriaError {
  return new CriaError("QUEUE_UNREACHABLE", `the queue ${shown} was not reached within ${seconds} s: ${why}`);
}

async function inTime<Result>(result: Promise<Result>, seconds: number, late: () => Error): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), 1000 * seconds);
  });
  try {
    return await Promise.race([result, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** A queue to which jobs are submitted, and from which their results are collected. */
export class VectorQueue {
  /** What identifies the model that the jobs are for. */
  readonly model: string;
  readonly #queue: Queue<VectorJob, VectorResult>;
  readonly #place: Place;
  readonly #jobOptions: JobsOptions;
  #submitted = 0;
  #found = 0;

  /** By `openQueue`. */
  constructor(queue: Queue<VectorJob, VectorResult>, place: Place, model: string, jobOptions: JobsOptions) {
    this.#queue = queue;
    this.#place = place;
    this.model = model;
    this.#jobOptions = jobOptions;
  }

  /** Jobs that were put into the queue, and those that were there already. */
  get stats(): { readonly submitted: number; readonly found: number } {
    return { submitted: this.#submitted, found: this.#found };
  }

  /**
   * The vectors of texts, in their order. Rejects at the first text that has none, with that text's error.
   *
   * @throws CriaError JOB_FAILED, QUEUE_LOST, INVALID_RESULT; the signal's reason, after which jobs that are submitted go on
   */
  async embed(texts: readonly string[], options: QueuedEmbedOptions = {}): Promise<Float32Array[]> {
    const list = checkArray("texts", texts, "strings", checkText);
    const vectors: Float32Array[] = [];
    for await (const { vector, error } of this.embedEach(list, options)) {
      if (error !== undefined) throw error;
      vectors.push(vector);
    }
    return vectors;
  }

  /** The same for texts that come one by one, any number of them: for each, in turn, its vector or its error. */
  async *embedEach(
    texts: Iterable<string> | AsyncIterable<string>,
    options: QueuedEmbedOptions = {},
  ): AsyncGenerator<QueuedVector> {
    const { chunk = 64, inFlight = 256, signal, ...given } = options;
    checkInteger("chunk", chunk, 1, MOST_TEXTS);
    checkInteger("inFlight", inFlight, 1, 2 ** 20);
    checkSignal(signal);
    const jobOptions = embedJobOptions("embed", given);
    const jobs = this.#embedJobs(texts, chunk, jobOptions);
    for await (const [job, result] of this.#results(jobs, inFlight, signal)) {
      const { length } = job.texts;
      if (result instanceof CriaError) yield* Array.from({ length }, () => ({ error: result }));
      else for (const vector of decodeVectors(result, length)) yield { vector };
    }
  }

  /** Documents by their scores as answers to a query, the best first. */
  async rerank(
    query: string,
    documents: readonly string[],
    options: QueuedRerankOptions = {},
  ): Promise<RankedDocument[]> {
    const {
      chunk = 64,
      signal,
      overlong,
    } = optionsOf<QueuedRerankOptions>("rerank", options, ["chunk", "signal", "overlong"]);
    checkText("query", query);
    const all = checkArray("documents", documents, "strings", checkText);
    checkInteger("chunk", chunk, 1, MOST_TEXTS);
    checkSignal(signal);
    const jobs = Array.from({ length: Math.ceil(all.length / chunk) }, (_, i) => {
      const part = all.slice(i * chunk, (i + 1) * chunk);
      return { task: "rerank" as const, model: this.model, query, documents: part, options: { overlong } };
    });
    const scores: RankedDocument[] = [];
    for await (const [job, result] of this.#results(jobs, jobs.length, signal)) {
      if (result instanceof CriaError) throw result;
      for (const [score] of decodeVectors(result, job.documents.length)) {
        scores.push({ index: scores.length, score: score! });
      }
    }
    return scores.sort((a, b) => b.score - a.score || a.index - b.index);
  }

  /** Jobs of the queue, by their state: those of all who submit. */
  counts(): Promise<Readonly<Record<string, number>>> {
    return this.#queue.getJobCounts("waiting", "active", "delayed", "completed", "failed");
  }

  /** Leaves the queue. Jobs that were submitted stay in it. */
  async close(): Promise<void> {
    await leave(this.#queue);
  }

  async *#embedJobs(
    texts: Iterable<string> | AsyncIterable<string>,
    chunk: number,
    options: EmbedJobOptions,
  ): AsyncGenerator<EmbedJob> {
    const job = (part: readonly string[]): EmbedJob => ({ task: "embed", model: this.model, texts: part, options });
    let part: string[] = [];
    let characters = 0;
    for await (const text of texts) {
      checkText("text", text);
      if (part.length === chunk || (part.length > 0 && characters + text.length > CHUNK_CHARACTERS)) {
        yield job(part);
        part = [];
        characters = 0;
      }
      part.push(text);
      characters += text.length;
    }
    if (part.length > 0) yield job(part);
  }

  /** The results of jobs, in their order. */
  async *#results<Job extends VectorJob>(
    jobs: Iterable<Job> | AsyncIterable<Job>,
    inFlight: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<[Job, VectorResult | CriaError]> {
    const source = Symbol.asyncIterator in jobs ? jobs[Symbol.asyncIterator]() : jobs[Symbol.iterator]();
    const waiting: Job[] = [];
    try {
      for (let more = true; more || waiting.length > 0; ) {
        const fresh: Job[] = [];
        while (more && waiting.length + fresh.length < inFlight) {
          const next = await source.next();
          if (next.done === true) more = false;
          else fresh.push(next.value);
        }
        waiting.push(...fresh);
        await this.#submit(fresh, signal);
        const [first] = waiting;
        if (first === undefined) return;
        const result = await this.#resultOf(first, signal);
        if (result === undefined) {
          await this.#submit(waiting, signal, true); // where one is gone, others may be
          continue;
        }
        waiting.shift();
        const parts = result instanceof CriaError && OF_A_TEXT.test(reasonOf(result)) ? halvesOf(first) : [];
        if (parts.length > 0) {
          waiting.unshift(...parts);
          await this.#submit(parts, signal);
        } else yield [first, result];
      }
    } finally {
      await source.return?.();
    }
  }

  /** Puts jobs into the queue that are not there; those that failed before are tried again. `again`: they were there once. */
  async #submit(jobs: readonly VectorJob[], signal: AbortSignal | undefined, again = false): Promise<void> {
    const submit = async (job: VectorJob): Promise<boolean> => {
      const id = jobId(job);
      const state = await this.#queue.getJobState(id);
      if (state === "unknown") await this.#queue.add(job.task, job, { ...this.#jobOptions, jobId: id });
      // One that a worker has failed while it waits here is reported, not tried again.
      else if (state === "failed" && !again)
        await (await this.#queue.getJob(id))?.retry(state, { resetAttemptsMade: true });
      return state === "unknown";
    };
    const one = async (job: VectorJob) => {
      if (await this.#patiently(() => submit(job), signal)) this.#submitted++;
      else if (!again) this.#found++;
    };
    await Promise.all(jobs.map(one));
  }

  /** Waits for a job's end. undefined: it is gone. */
  async #resultOf(job: VectorJob, signal: AbortSignal | undefined): Promise<VectorResult | CriaError | undefined> {
    const id = jobId(job);
    for (let pause = POLL.least; ; pause = Math.min(2 * pause, POLL.most)) {
      const state = await this.#patiently(() => this.#queue.getJobState(id), signal);
      if (state === "unknown") return undefined;
      if (state === "completed" || state === "failed") {
        const ended = await this.#patiently(() => this.#queue.getJob(id), signal);
        if (ended === undefined) return undefined;
        if (state === "completed") return ended.returnvalue;
        const { failedReason, attemptsMade } = ended;
        const message = `job ${id} has failed, attempt ${attemptsMade}: ${failedReason}`;
        return new CriaError("JOB_FAILED", message, { cause: failedReason });
      }
      await sleep(pause, signal);
    }
  }

  /** Redis may be away for a while, or start, or be full: what failed is tried again. */
  async #patiently<Result>(work: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
    const begin = performance.now();
    for (;;) {
      signal?.throwIfAborted();
      try {
        return await abortable(work(), signal);
      } catch (cause) {
        signal?.throwIfAborted();
        if (performance.now() - begin > TROUBLE.most) {
          throw new CriaError("QUEUE_LOST", `the queue ${this.#place.shown} has failed: ${(cause as Error).message}`, {
            cause,
          });
        }
        await sleep(TROUBLE.pause, signal);
      }
    }
  }
}

function reasonOf({ cause }: CriaError): string {
  return typeof cause === "string" ? cause : "";
}

/** A chunk in two, so that in the end only the text fails that cannot be embedded. One text alone has no halves. */
function halvesOf<Job extends VectorJob>(job: Job): Job[] {
  if (job.task === "rerank" || job.texts.length === 1) return [];
  const middle = job.texts.length >> 1;
  return [job.texts.slice(0, middle), job.texts.slice(middle)].map((texts) => ({ ...job, texts }));
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return abortable(new Promise((resolve) => setTimeout(resolve, milliseconds)), signal);
}
