// A worker of a queue: a loaded model, and BullMQ's Worker around it. It adds to that what bulk work needs: a job whose lock is lost or
// cannot be renewed is no longer computed, a job that is not JSON fails, and the end gives back what is not finished.

import { type Job, Worker } from "bullmq";
import { abortable } from "../../abort.js";
import { WorkerError } from "../../index.js";
import { checkCallback, checkInteger, checkNumber, checkSignal, namesOf, optionsOf } from "../../options.js";
import { modelKey, type Place, placeOf, type QueuePlace } from "./connection.js";
import type { VectorJob, VectorResult } from "./job.js";
import { createProcessor, GIVE_BACK, type ProcessorOptions, type QueuedJob, type VectorModel } from "./processor.js";

/** What happens to a worker. Texts are not in it. */
export type WorkerEvent =
  | {
      readonly event: "completed";
      readonly job: string;
      readonly vectors: number;
      readonly tokens: number;
      readonly seconds: number;
    }
  | { readonly event: "failed"; readonly job: string; readonly error: string; readonly attempt: number }
  /** A job whose worker has gone is in the queue again. */
  | { readonly event: "stalled"; readonly job: string }
  /** This worker may no longer write a job's result, and has ended its computation. */
  | { readonly event: "lost-lock"; readonly job: string; readonly why: string }
  /** Redis does not answer, or answers with an error; the worker goes on trying. */
  | { readonly event: "error"; readonly error: string };

export interface QueueWorkerOptions extends QueuePlace, ProcessorOptions {
  /** Jobs that are computed at once: they share the model's steps, and one is fetched while another is computed. Default 2. */
  readonly concurrency?: number;
  /** How long a job is this worker's without a word from it, in seconds: after that another one takes it. Default 30. */
  readonly lockSeconds?: number;
  /** How many workers may die over a job until it fails. Default 3. */
  readonly maxStalled?: number;
  /** Hears of jobs that are completed, failed, stalled or given up, and of errors of Redis. Default: nobody does. */
  readonly onEvent?: (event: WorkerEvent) => void;
  /** Ends waiting for the queue. A worker that works is closed. */
  readonly signal?: AbortSignal;
}

const optionNames = namesOf<QueueWorkerOptions>({
  connection: true,
  name: true,
  prefix: true,
  model: true,
  maxResultBytes: true,
  concurrency: true,
  lockSeconds: true,
  maxStalled: true,
  onEvent: true,
  signal: true,
});

/** How long after an error of Redis a command is tried again, ms. */
const RETRY_MILLISECONDS = 1000;

/** How long the end waits for jobs that were told to end, seconds. */
const ABORT_SECONDS = 5;

/**
 * Computes the jobs of a queue until it is closed. Resolves when the queue is reached.
 *
 * @throws CriaError INVALID_OPTION
 */
export async function startWorker(model: VectorModel, options: QueueWorkerOptions): Promise<QueueWorker> {
  const given = optionsOf("startWorker", options, optionNames);
  const { onEvent, signal } = given;
  checkCallback("onEvent", onEvent);
  checkSignal(signal);
  const limits = {
    concurrency: checkInteger("concurrency", given.concurrency ?? 2, 1, 64),
    lockDuration: 1000 * checkNumber("lockSeconds", given.lockSeconds ?? 30, 0.1, 86_400),
    maxStalledCount: checkInteger("maxStalled", given.maxStalled ?? 3, 0, 1000),
  };
  const { model: identity, maxResultBytes } = given;
  const process = createProcessor(model, { model: identity, maxResultBytes });
  const worker = new QueueWorker(placeOf(given), process, limits, onEvent ?? (() => undefined));
  try {
    await abortable(worker.announce(identity), signal);
  } catch (error) {
    await worker.close({ drainSeconds: 0 });
    throw error;
  }
  return worker;
}

type Limits = { readonly concurrency: number; readonly lockDuration: number; readonly maxStalledCount: number };

/** A worker that runs. */
export class QueueWorker {
  /** Resolves when the model's workers have died: the model is lost, jobs go to other workers, and this one must be closed. */
  readonly lost: Promise<WorkerError>;
  readonly #worker: JsonWorker;
  readonly #place: Place;
  readonly #onEvent: (event: WorkerEvent) => void;
  /** When the lock of each job was last known to be held. */
  readonly #held = new Map<string, number>();
  readonly #watch: NodeJS.Timeout;
  #client: Awaited<ReturnType<JsonWorker["getBackend"]>["client"]> | undefined;

  /** By `startWorker`. */
  constructor(
    place: Place,
    process: ReturnType<typeof createProcessor>,
    limits: Limits,
    onEvent: (event: WorkerEvent) => void,
  ) {
    this.#place = place;
    this.#onEvent = onEvent;
    let lose: (error: WorkerError) => void = () => undefined;
    this.lost = new Promise((resolve) => {
      lose = resolve;
    });
    const watched = async (job: QueuedJob, token: string | undefined, signal: AbortSignal | undefined) => {
      try {
        return await process(job, token, signal);
      } catch (error) {
        const { cause } = error as Error;
        if (cause instanceof WorkerError) lose(cause);
        throw error;
      } finally {
        this.#held.delete(job.id!);
      }
    };
    const { connection, name, prefix } = place;
    this.#worker = new JsonWorker(name, watched, {
      ...{ connection, prefix, ...limits },
      stalledInterval: limits.lockDuration,
      runRetryDelay: RETRY_MILLISECONDS,
    });
    this.#listen();
    this.#watch = setInterval(() => this.#giveUpStale(limits.lockDuration), limits.lockDuration / 4);
  }

  /** Which queue it is, for messages: without a password. */
  get place(): string {
    return this.#place.shown;
  }

  /** Whether it is connected, and takes jobs. */
  get ready(): boolean {
    return this.#client?.status === "ready" && this.#worker.isRunning() && this.#worker.closing === undefined;
  }

  /** Jobs that it computes now. */
  get running(): number {
    return this.#held.size;
  }

  /** Jobs of the queue, by their state: those of all workers. */
  async counts(): Promise<Readonly<Record<string, number>>> {
    const client = await this.#worker.getBackend().client;
    const key = (end: string) => this.#worker.toKey(end);
    const [waiting, active, delayed, completed, failed] = await Promise.all([
      ...[client.llen(key("wait")), client.llen(key("active"))],
      ...["delayed", "completed", "failed"].map((state) => client.zcard(key(state))),
    ]);
    return { waiting: waiting!, active: active!, delayed: delayed!, completed: completed!, failed: failed! };
  }

  /** Says in the queue which model its workers have, for those who submit. */
  async announce(identity: string): Promise<void> {
    await this.#worker.waitUntilReady();
    const client = await this.#worker.getBackend().client;
    await client.set(modelKey(this.#place), identity);
    this.#client = client;
  }

  /**
   * Takes no more jobs, lets those that run come to their end for so many seconds, and gives back to the queue what is not finished then.
   * Default 30.
   */
  async close({ drainSeconds = 30 }: { readonly drainSeconds?: number } = {}): Promise<void> {
    checkNumber("drainSeconds", drainSeconds, 0, 86_400);
    // Where the server is away there is nobody to give anything back to: the connections are cut.
    const away = this.#client?.status !== "ready";
    if (away) this.#giveBackAll();
    const closed = this.#worker.close(away);
    const within = async (seconds: number) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(false), 1000 * seconds);
      });
      const inTime = await Promise.race([closed.then(() => true), late]);
      clearTimeout(timer);
      return inTime;
    };
    try {
      if (await within(drainSeconds)) return;
      this.#giveBackAll();
      // Redis may be away: then the lock runs out, and another worker takes the job.
      if (await within(ABORT_SECONDS)) return;
      const { client, blockingClient } = this.#worker.getBackend();
      for (const one of [client, blockingClient]) (await one)?.disconnect();
    } finally {
      clearInterval(this.#watch);
    }
  }

  #giveBackAll(): void {
    for (const job of this.#held.keys()) this.#worker.cancelJob(job, GIVE_BACK);
  }

  #listen(): void {
    const worker = this.#worker;
    worker.on("active", ({ id }) => this.#held.set(id!, performance.now()));
    worker.on("completed", (job, { count, tokens }) => {
      const seconds = (Date.now() - job.processedOn!) / 1000;
      this.#onEvent({ event: "completed", job: job.id!, vectors: count, tokens, seconds });
    });
    worker.on("failed", (job, { message }) => {
      if (job === undefined) return;
      this.#onEvent({ event: "failed", job: job.id!, error: message, attempt: job.attemptsMade });
    });
    worker.on("stalled", (job) => this.#onEvent({ event: "stalled", job }));
    worker.on("locksRenewed", ({ jobIds }) => {
      for (const id of jobIds) if (this.#held.has(id)) this.#held.set(id, performance.now());
    });
    worker.on("lockRenewalFailed", (jobs) => {
      for (const job of jobs) this.#giveUp(job, "its lock is another worker's");
    });
    worker.on("error", ({ message }) => this.#onEvent({ event: "error", error: message }));
  }

  /** Gives up the jobs whose locks have run out by now, because Redis could not be reached. */
  #giveUpStale(lockDuration: number): void {
    const oldest = performance.now() - lockDuration;
    for (const [job, renewed] of this.#held) if (renewed < oldest) this.#giveUp(job, "its lock could not be renewed");
  }

  #giveUp(job: string, why: string): void {
    if (!this.#held.delete(job)) return;
    this.#worker.cancelJob(job, GIVE_BACK);
    this.#onEvent({ event: "lost-lock", job, why });
  }
}

/** BullMQ's Worker, which would leave a job whose data is not JSON lying until it counts as stalled. */
class JsonWorker extends Worker<VectorJob, VectorResult> {
  protected override createJob(...[data, id]: Parameters<Worker["createJob"]>): Job<VectorJob, VectorResult> {
    try {
      return super.createJob(data, id);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return super.createJob({ ...data, data: JSON.stringify({ task: "not JSON" }) }, id);
    }
  }
}
