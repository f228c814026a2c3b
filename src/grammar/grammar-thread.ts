// The grammar worker as the calling thread sees it. It starts with the first grammar, and never keeps the process alive while it has
// nothing to do.

import { CriaError, GrammarError, MemoryError } from "../errors.js";
import { received } from "../posted-error.js";
import { startWorker, type WorkerHandle } from "../worker-handle.js";
import type { GrammarAnswer, GrammarJob, GrammarJobName, GrammarJobs } from "./grammar-jobs.js";

/** What one grammar may take; real ones take tens of megabytes. */
const HEAP_MEGABYTES = 1024;
/** Automata are made of many small objects, most of which die at once: they have the room that V8 gives by itself on Node 24. */
const YOUNG_MEGABYTES = 192;

interface Pending {
  readonly resolve: (result: GrammarJobs[GrammarJobName]["result"]) => void;
  readonly reject: (error: unknown) => void;
}

const threads = new Map<string, GrammarThread>();

/** The grammar worker of this program; `assets`: the folder in which grammar-worker.js lies, by default this package's own. */
export function grammarThread(assets?: URL): GrammarThread {
  const name = "grammar-worker.js";
  const entry = assets === undefined ? new URL("../assets/grammar-worker.js", import.meta.url) : new URL(name, assets);
  const thread = threads.get(entry.href) ?? new GrammarThread(entry);
  threads.set(entry.href, thread);
  return thread;
}

export class GrammarThread {
  readonly #entry: URL;
  readonly #pending = new Map<number, Pending>();
  #worker: Promise<WorkerHandle> | undefined;
  #nextId = 0;

  /** Use `grammarThread`. */
  constructor(entry: URL) {
    this.#entry = entry;
  }

  /** Has a job done. @throws what the job throws, CriaError GRAMMAR_WORKER where the worker died */
  async run<Name extends GrammarJobName>(
    name: Name,
    given: GrammarJobs[Name]["given"],
  ): Promise<GrammarJobs[Name]["result"]> {
    const id = this.#nextId++;
    const done = new Promise<GrammarJobs[Name]["result"]>((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject });
    });
    this.#worker ??= this.#start();
    this.#worker.then(
      (worker) => {
        worker.keepAlive(true);
        worker.postMessage({ id, name, given } as GrammarJob);
      },
      () => undefined, // what was pending has been rejected
    );
    return done;
  }

  #start(): Promise<WorkerHandle> {
    let dead = false;
    const end = (error: Error) => {
      if (dead) return;
      dead = true;
      this.#worker = undefined;
      const pending = [...this.#pending.values()];
      this.#pending.clear();
      for (const { reject } of pending) reject(deathOf(error));
    };
    const starting = startWorker(
      this.#entry,
      "cria-grammar",
      undefined,
      {
        onMessage: (message) => this.#receive(message as GrammarAnswer),
        onError: end,
        onExit: (code) => end(new Error(`it ended with code ${code}`)),
      },
      { megabytes: HEAP_MEGABYTES, youngMegabytes: YOUNG_MEGABYTES },
    );
    starting.catch(end);
    return starting;
  }

  #receive(answer: GrammarAnswer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (this.#pending.size === 0) void this.#worker?.then((worker) => worker.keepAlive(false));
    if ("error" in answer) pending?.reject(received(answer.error));
    else pending?.resolve(answer.result);
  }
}

function deathOf(error: Error): CriaError {
  if (error instanceof MemoryError) return error;
  if ((error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY") {
    const message = `the grammar is too large: it took more than ${HEAP_MEGABYTES} MB of memory`;
    return new GrammarError("GRAMMAR_TOO_LARGE", message);
  }
  return new CriaError("GRAMMAR_WORKER", `the grammar worker died: ${error.message}`, { cause: error });
}
