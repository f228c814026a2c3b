// What every worker knows of a model; posted by the thread that loads it.

import type { Hyperparameters } from "./hyperparameters.js";
import type { KvPool, Layout } from "./plan/memory-plan.js";

export interface Blueprint {
  readonly hyperparameters: Hyperparameters;
  readonly layout: Layout;
  readonly pool: KvPool;
  /** The cosines and sines of each of the hyperparameters' `ropes` are multiplied by it. */
  readonly ropeMagnitudes: readonly number[];
}
