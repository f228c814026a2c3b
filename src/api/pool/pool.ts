// A pool: one model in several instances, behind the interface of one model.

import { Model, type ModelParts } from "../model.js";
import { Grammars } from "../text/grammars.js";
import type { OnInstance, PoolClient } from "./pool-client.js";
import type { InstanceState, PoolInstance } from "./pool-instance.js";

/** An instance of a pool, as it is now. */
export interface InstanceStats {
  /** starting: it is loaded; ready; waiting: it was lost, and is loaded again after a pause; closed: the pool is disposed of. */
  readonly state: InstanceState;
  /** The processors of its domain. */
  readonly processors: readonly number[];
  /** Workers of its team that decode. */
  readonly threads: number;
  /** Bytes of its memory, as planned. */
  readonly memory: number;
  /** Calls under way, and tokens of their prompts that its cache did not have. */
  readonly calls: number;
  readonly tokens: number;
  /** Open sequences and conversations. */
  readonly sequences: number;
  /** Since the pool was loaded: calls and sequences that began here, and calls that moved here when another instance was lost. */
  readonly taken: number;
  readonly moved: number;
  /** How often it was lost since the pool was loaded, and why the last time. */
  readonly deaths: number;
  readonly problem: string | undefined;
}

/** What a pool does now: `pool.stats()`. */
export interface PoolStats {
  readonly instances: readonly InstanceStats[];
  /** Bytes of all instances' memory. */
  readonly memory: number;
  /** Calls under way in all of them. */
  readonly calls: number;
}

/** What a pool's model is made of. */
type PoolParts = ModelParts & { readonly client: PoolClient };

/** Calls of a pool that leave nothing in an instance. */
export type TrackedCalls = Pick<
  Model,
  "generate" | "generateChat" | "complete" | "completeChat" | "completeJson" | "embed" | "rerank"
>;

/**
 * One model in several instances. From `loadPool`. It has all that a `Model` has: a call goes to the instance that holds the longest
 * beginning of its text, or to a less busy one; a sequence or a conversation stays in one. `info` is of one instance.
 */
export class ModelPool extends Model {
  readonly #parts: PoolParts;
  readonly #instances: readonly PoolInstance[];

  /** Use `loadPool`. */
  constructor(given: PoolParts, instances: readonly PoolInstance[]) {
    const parts = { ...given, grammars: new Grammars(given.text.tokenizer, given.assets) };
    super(parts);
    this.#parts = parts;
    this.#instances = instances;
  }

  /**
   * The pool's calls that answer, telling which instance works for them, by its place in `stats().instances`: when it begins, and when it
   * ends. A call may have several at once, and moves where one is lost.
   */
  tracked(onInstance: OnInstance): TrackedCalls {
    return new Model({ ...this.#parts, client: this.#parts.client.tracked(onInstance) });
  }

  /** What each instance does now, and has done. */
  stats(): PoolStats {
    const instances = this.#instances.map((one): InstanceStats => {
      const { state, processors, calls, tokens, sequences, taken, moved, deaths, problem, planned } = one;
      const { threads } = planned.workers;
      return {
        ...{ state, processors, threads, memory: planned.plan.total, calls, tokens },
        ...{ sequences: sequences.size, taken, moved, deaths, problem: problem?.message },
      };
    });
    const sum = (of: (one: InstanceStats) => number) => instances.reduce((total, one) => total + of(one), 0);
    return { instances, memory: sum(({ memory }) => memory), calls: sum(({ calls }) => calls) };
  }
}
