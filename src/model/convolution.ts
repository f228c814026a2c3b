// Short convolutions by a team: each worker takes some channels of all texts.

import type { Kernels } from "../machine/kernels.js";
import type { Member } from "../machine/member.js";
import type { PlacedWeight, Rows } from "./plan/memory-plan.js";
import type { WorkerShard } from "./plan/shard.js";
import type { RecurrentState } from "./recurrent-state.js";

/** Channels of a cache line. Workers write whole lines of the state and of the result. */
const LINE = 16;

export class Convolution {
  readonly #member: Member;
  readonly #kernels: Kernels;
  readonly #scratch: number;
  readonly #state: RecurrentState;

  /** @param shard convolves in those layers whose state lies there */
  constructor(member: Member, shard: WorkerShard, state: RecurrentState) {
    this.#member = member;
    this.#kernels = shard.kernels;
    this.#scratch = shard.scratch.kernel;
    this.#state = state;
  }

  /**
   * to = c * (weight convolved with (b * x)), along each text. The state is the last columns of b * x. Ends with a barrier.
   *
   * @param bcx (rows, 3 * channels): b, c and x side by side
   * @param weight (channels, width), the newest column last
   * @param to (rows, channels)
   */
  convolveGated(layer: number, bcx: Rows, weight: PlacedWeight, to: Rows): void {
    const { index, workers } = this.#member;
    const channels = weight.rows;
    const lines = Math.ceil(channels / LINE);
    const first = Math.floor((lines * index) / workers) * LINE;
    const end = Math.min(channels, Math.floor((lines * (index + 1)) / workers) * LINE);
    for (const { firstRow, rows, before, after } of first < end ? this.#state.runs(layer) : []) {
      this.#kernels.shortConvolution(
        bcx.address + firstRow * bcx.stride,
        bcx.stride,
        rows,
        channels,
        first,
        end,
        weight.address,
        weight.columns,
        before,
        after,
        to.address + firstRow * to.stride,
        to.stride,
        this.#scratch,
      );
    }
    this.#member.barrier();
  }
}
