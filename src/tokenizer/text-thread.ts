// The text worker as the calling thread sees it: jobs go in, one at a time. A template, which is a program that somebody else made, has a
// second: a worker that takes longer is ended, and the next job starts another. It never keeps the process alive while it has nothing to
// do.

import { abortable } from "../abort.js";
import { CriaError, MemoryError, printable, TemplateError } from "../errors.js";
import { received } from "../posted-error.js";
import { startWorker, type WorkerHandle } from "../worker-handle.js";
import type { TextAnswer, TextJob, TextJobName, TextJobs } from "./text-jobs.js";

/** How long one template may take. */
const DEADLINE_MILLISECONDS = 1000;
// Templates need a few megabytes; a hostile one must not take what the machine has.
const HEAP_MEGABYTES = 256;

interface Pending {
  readonly job: TextJob;
  readonly transfer: readonly ArrayBuffer[];
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const threads = new Map<string, TextThread>();

/** The text worker of this program; `assets`: the folder in which text-worker.js lies, by default this package's own. */
export function textThread(assets?: URL): TextThread {
  const entry =
    assets === undefined ? new URL("../assets/text-worker.js", import.meta.url) : new URL("text-worker.js", assets);
  const thread = threads.get(entry.href) ?? new TextThread(entry);
  threads.set(entry.href, thread);
  return thread;
}

export class TextThread {
  readonly #entry: URL;
  readonly #queue: Pending[] = [];
  #current: Pending | undefined;
  #worker: WorkerHandle | undefined;
  #starting = false;
  #generation = 0;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  /** Use `textThread`. */
  constructor(entry: URL) {
    this.#entry = entry;
  }

  /** Starts the worker, if it does not run: a job that comes soon is then done sooner. */
  prepare(): void {
    if (this.#worker === undefined && !this.#starting) this.#start();
  }

  /**
   * Has a job done.
   *
   * @param transfer buffers that go to the worker for good
   * @throws what the job throws; where the worker died, TemplateError for a template, else CriaError TEXT_WORKER; the signal's reason
   */
  run<Name extends TextJobName>(
    name: Name,
    given: TextJobs[Name]["given"],
    { transfer = [], signal }: { transfer?: readonly ArrayBuffer[]; signal?: AbortSignal | undefined } = {},
  ): Promise<TextJobs[Name]["result"]> {
    const done = new Promise<TextJobs[Name]["result"]>((resolve, reject) => {
      const job = { name, given } as TextJob;
      this.#queue.push({ job, transfer, signal, resolve: resolve as Pending["resolve"], reject });
      if (this.#current === undefined) this.#next();
    });
    return abortable(done, signal);
  }

  #next(): void {
    for (this.#current = this.#queue.shift(); this.#current?.signal?.aborted; this.#current = this.#queue.shift()) {
      this.#current.reject(this.#current.signal.reason); // nobody waits for it any more
    }
    this.#worker?.keepAlive(this.#current !== undefined);
    if (this.#current === undefined) return;
    if (this.#starting) return; // it begins when it is ready
    if (this.#worker === undefined) this.#start();
    else this.#send(this.#current);
  }

  #start(): void {
    const generation = ++this.#generation;
    this.#starting = true;
    const end = (error: Error) => {
      if (generation !== this.#generation) return; // it was ended because it took too long
      this.#drop();
      this.#settle((pending) => pending.reject(deathOf(pending.job, error)));
    };
    const events = {
      onMessage: (answer: unknown) => {
        if (generation === this.#generation) this.#receive(answer as TextAnswer);
      },
      onError: end,
      onExit: (code: number) => end(new Error(`it ended with code ${code}`)),
    };
    startWorker(this.#entry, "cria-text", undefined, events, { megabytes: HEAP_MEGABYTES }).then((worker) => {
      if (generation === this.#generation) this.#worker = worker;
    }, end);
  }

  /** Forgets the worker; whatever it still says is not heard. */
  #drop(): void {
    this.#generation++;
    this.#worker = undefined;
    this.#starting = false;
  }

  #send(pending: Pending): void {
    try {
      this.#worker?.postMessage(pending.job, pending.transfer);
    } catch (cause) {
      // Functions, for example, cannot be sent to another thread.
      const why = cause instanceof Error ? cause.message : "it cannot be read";
      const message = `the chat template was given what is not JSON: ${printable(why)}`;
      this.#settle(() => pending.reject(new TemplateError("TEMPLATE_INPUT", message, { cause })));
      return;
    }
    if (pending.job.name === "render") this.#deadline = setTimeout(() => this.#expire(), DEADLINE_MILLISECONDS);
  }

  #receive(answer: TextAnswer): void {
    if (answer.type === "ready") {
      this.#starting = false;
      this.#worker?.keepAlive(this.#current !== undefined);
      if (this.#current !== undefined) this.#send(this.#current);
    } else if (answer.type === "done") {
      this.#settle((pending) => pending.resolve(answer.result));
    } else {
      this.#settle((pending) => pending.reject(received(answer.error)));
    }
  }

  #expire(): void {
    void this.#worker?.terminate();
    this.#drop();
    const message = `the chat template took longer than ${DEADLINE_MILLISECONDS} ms`;
    this.#settle((pending) => pending.reject(new TemplateError("TEMPLATE_TIME", message)));
  }

  /** The job in hand is done with; the next one follows. */
  #settle(how: (pending: Pending) => void): void {
    clearTimeout(this.#deadline);
    const pending = this.#current;
    if (pending !== undefined) how(pending);
    this.#next();
  }
}

function deathOf({ name }: TextJob, error: Error): CriaError {
  const cause = { cause: error };
  if (error instanceof MemoryError) return error;
  if (name !== "render") return new CriaError("TEXT_WORKER", `the text worker died: ${error.message}`, cause);
  if ((error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY") {
    return new TemplateError("TEMPLATE_MEMORY", `the chat template took more than ${HEAP_MEGABYTES} MB of memory`);
  }
  return new TemplateError("TEMPLATE_WORKER", `the worker that renders chat templates died: ${error.message}`, cause);
}
