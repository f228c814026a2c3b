// Where threads share no memory, the caller's thread has a copy of what it reads of a team's memory while the team works: the beginning of
// it, up to the step (the control block, the progress, the counts of tables), and the meter. The leader posts it now and then, and before
// each message that ends a job.

import type { MeterMemory } from "../machine/disturbance/step-meter.js";
import type { Shard } from "../model/plan/shard.js";
import type { BoardNotice, LeaderAnswer } from "../protocol/messages.js";
import type { ParentPort } from "../worker-handle.js";

/** While a job goes on, the copy is this old at most. */
const MILLISECONDS = 50;

export class BoardCopy implements ParentPort {
  readonly #shard: Shard;
  readonly #meter: MeterMemory;
  readonly #port: ParentPort;
  #posted = Number.NEGATIVE_INFINITY;

  constructor(shard: Shard, meter: MeterMemory, port: ParentPort) {
    this.#shard = shard;
    this.#meter = meter;
    this.#port = port;
  }

  /** Posts it; unless `always`, not if it was posted just now. */
  post(always = false): void {
    const now = performance.now();
    if (!always && now - this.#posted < MILLISECONDS) return;
    this.#posted = now;
    const { bytes, layout } = this.#shard;
    const words = bytes.slice(0, layout.step);
    this.#port.postMessage({ type: "board", words, meter: new Uint8Array(this.#meter) } satisfies BoardNotice);
  }

  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void {
    this.post(Array.isArray(message) && message.some(({ type }: LeaderAnswer) => type !== "token"));
    this.#port.postMessage(message, transfer);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#port.onMessage(listener);
  }
}
