// One int32 in shared memory for each request under way: the leader looks at it before every piece of work, so that an abort need
// not wait for its event loop. When all flags are taken, requests wait for one.

import { ABORT_FLAGS } from "../model/plan/memory-plan.js";

export class AbortFlags {
  readonly #words: Int32Array;
  readonly #free: number[] = [];
  /** Jobs that wait, in order. */
  readonly #waiting = new Map<number, (flag: number | undefined) => void>();

  /** @param words the flags, (ABORT_FLAGS) int32 */
  constructor(words: Int32Array) {
    this.#words = words;
    for (let flag = ABORT_FLAGS - 1; flag >= 0; flag--) this.#free.push(flag);
  }

  /** A flag for a job, as soon as there is one; undefined when the job stops waiting. */
  async take(job: number): Promise<number | undefined> {
    const flag = this.#free.pop() ?? (await new Promise<number | undefined>((done) => this.#waiting.set(job, done)));
    if (flag !== undefined) Atomics.store(this.#words, flag, 0);
    return flag;
  }

  stopWaiting(job: number): void {
    const done = this.#waiting.get(job);
    this.#waiting.delete(job);
    done?.(undefined);
  }

  set(flag: number): void {
    Atomics.store(this.#words, flag, 1);
  }

  giveBack(flag: number): void {
    for (const [job, done] of this.#waiting) {
      this.#waiting.delete(job);
      done(flag);
      return;
    }
    this.#free.push(flag);
  }
}
