// What every worker is given when it starts. It survives structured cloning.

import type { MeterMemory } from "../machine/disturbance/step-meter.js";
import type { Blueprint } from "../model/blueprint.js";
import type { HeadShape } from "../model/head.js";
import type { LoadInput, ModelSource } from "../model/plan/loading.js";

/** A draft model on the same team, in memories of its own. */
export interface DraftProgram {
  readonly blueprint: Blueprint;
  readonly memories: Program["memories"];
  readonly frequencies: readonly Float64Array[];
  readonly source: ModelSource;
}

export interface Program extends LoadInput {
  readonly blueprint: Blueprint;
  /** Of the shards. Numbers: of so many pages, and the worker, which is alone, makes them itself. */
  readonly memories: readonly (WebAssembly.Memory | number)[];
  readonly head: HeadShape;
  /** The frequencies of each RoPE, in radians per position. */
  readonly frequencies: readonly Float64Array[];
  readonly contextSize: number;
  /** Where the leader writes what steps take. */
  readonly meter: MeterMemory;
  /** How many workers take part in steps of few rows, and in steps of `batchRows` or more. */
  readonly decodeWorkers: number;
  readonly batchWorkers: number;
  readonly batchRows: number;
  readonly draft: DraftProgram | undefined;
}
