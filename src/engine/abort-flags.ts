// One int32 in shared memory for each request under way: the leader looks at it at every operation, so that an abort need not wait
// for its event loop. When all are taken, requests wait for one.

import { ABORT_FLAGS } from "../model/memory-plan.js";

export class AbortFlags {
  readonly #words: Int32Array;
  readonly #free: number[] = [];
  readonly #waiting: ((flag: number) => void)[] = [];

  constructor(memory: WebAssembly.Memory, address: number) {
    this.#words = new Int32Array(memory.buffer, address, ABORT_FLAGS);
    for (let flag = ABORT_FLAGS - 1; flag >= 0; flag--) this.#free.push(flag);
  }

  async take(): Promise<number> {
    const flag = this.#free.pop() ?? (await new Promise<number>((resolve) => this.#waiting.push(resolve)));
    Atomics.store(this.#words, flag, 0);
    return flag;
  }

  set(flag: number): void {
    Atomics.store(this.#words, flag, 1);
  }

  giveBack(flag: number): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(flag);
    else this.#free.push(flag);
  }
}
