// What every worker knows about a model. The thread that loads it posts this.

import type { Hyperparameters } from "./hyperparameters.js";
import type { KvPool, Layout, StatePool } from "./plan/memory-plan.js";

export interface Blueprint {
  readonly hyperparameters: Hyperparameters;
  readonly layout: Layout;
  readonly pool: KvPool;
  /** undefined: all layers attend. */
  readonly states?: StatePool | undefined;
  /** For each of the hyperparameters' `ropes`, the factor of its cosines and sines. */
  readonly ropeMagnitudes: readonly number[];
}
