// Workers that do a piece of work each, together: the kernel peers' threads.

import { once } from "node:events";
import { Worker } from "node:worker_threads";

export class Workers {
  readonly #workers: readonly Worker[];

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
  }

  /** Starts one worker for each of `data`; also what each says when it is ready. */
  static async start(script: URL, data: readonly unknown[]): Promise<{ workers: Workers; ready: unknown[] }> {
    const workers = new Workers(data.map((workerData) => new Worker(script, { workerData })));
    return { workers, ready: await workers.#answers() };
  }

  /** Each does its piece `count` times. */
  async run(count: number): Promise<void> {
    const answers = this.#answers();
    for (const worker of this.#workers) worker.postMessage(count);
    await answers;
  }

  #answers(): Promise<unknown[]> {
    return Promise.all(this.#workers.map(async (worker) => (await once(worker, "message"))[0]));
  }
}
