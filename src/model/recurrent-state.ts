// The recurrent state of the texts of a step, as one worker sees it in one shard: what layers that do not attend keep of a text.
//
//   slot before  ->  the rows of the run, one after another  ->  slot after
//
// The slot before stays as it is, so that a step that is aborted has spoiled nothing, and the leader can keep it (src/leader/state-slots.ts).
// An operation divides a layer's state among the workers by its elements, never by rows: each element goes through all rows of a run in
// their order, by the same f32 operations, so that no bit depends on where steps end.

import { layerParts, type ShardLayout, type StatePool } from "./plan/memory-plan.js";
import { NO_STATE, type Step } from "./step.js";

/** The rows of one text in a step, and its state in one layer. */
export interface RecurrentRun {
  readonly firstRow: number;
  readonly rows: number;
  /** Address of the state before the run; 0: the text begins, and the state is all zeros. */
  readonly before: number;
  /** Address of the state after the run, which the operation writes. Never `before`. */
  readonly after: number;
}

export class RecurrentState {
  readonly #own: ShardLayout;
  readonly #step: Step;
  /** Where each layer's part of slot 0 lies, of the layers of this shard. */
  readonly #layers: readonly number[];

  /** @param own of the shard that the state lies in */
  constructor(own: ShardLayout, pool: StatePool, step: Step) {
    this.#own = own;
    this.#step = step;
    this.#layers = layerParts(own, own.state, pool.layerBytes);
  }

  /** The runs of the step, in the order of their rows. */
  runs(layer: number): readonly RecurrentRun[] {
    const { firstLayer, slotBytes } = this.#own;
    const part = this.#layers[layer - firstLayer]!;
    const step = this.#step;
    return Array.from({ length: step.runs }, (_, run) => {
      const before = step.runSlotBefore(run);
      return {
        firstRow: step.runFirstRow(run),
        rows: step.runRows(run),
        before: before === NO_STATE ? 0 : part + before * slotBytes,
        after: part + step.runSlotAfter(run) * slotBytes,
      };
    });
  }
}
