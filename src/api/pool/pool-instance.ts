// One of a pool's instances through its life: it is started, takes calls, may be lost, and is then started again.
//
//   starting --loaded--> ready --a worker dies--> starting ...   at once, then after pauses that double, up to a minute
//       |                                            ^
//       +------------- fails to load ----------------+

import { CriaError } from "../../errors.js";
import type { PinResult } from "../../machine/cpu/pin.js";
import type { Disturbance } from "../../machine/disturbance/disturbance.js";
import type { LoadFigures } from "../../machine/disturbance/monitor.js";
import type { Shard } from "../../model/plan/shard.js";
import type { LeaderClient } from "../../protocol/client.js";
import { Instance, type InstanceParts } from "../load/instance.js";
import type { PlannedModel } from "../load/plan-model.js";
import { HeldTexts } from "./held-texts.js";

/** starting: it is loaded; waiting: it will be loaded again after a pause; closed: the pool is disposed of. */
export type InstanceState = "starting" | "ready" | "waiting" | "closed";

/** An instance that lives so long is taken to be well again. */
const WELL_MILLISECONDS = 60_000;
const FIRST_PAUSE_MILLISECONDS = 500;
const LONGEST_PAUSE_MILLISECONDS = 60_000;

/** Who hears of what happens to an instance. */
export interface PoolEvents {
  /** It has begun or ceased to be ready. */
  readonly onChange: () => void;
  readonly onDisturbance: ((disturbance: Disturbance) => void) | undefined;
}

export class PoolInstance {
  readonly planned: PlannedModel;
  /** The processors of its domain. */
  readonly processors: readonly number[];
  readonly held: HeldTexts;
  /** Calls under way, and the tokens that they brought. */
  calls = 0;
  tokens = 0;
  /** Sequences that live in it. */
  readonly sequences = new Set<number>();
  /** Since the pool was loaded. */
  taken = 0;
  moved = 0;
  deaths = 0;
  /** Grows with every death. What belonged to an earlier life is lost. */
  life = 0;

  readonly #parts: InstanceParts;
  readonly #events: PoolEvents;
  #instance: Instance | undefined;
  #state: InstanceState = "starting";
  #problem: CriaError | undefined;
  #readySince = 0;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closing: Promise<void> = Promise.resolve();

  constructor(planned: PlannedModel, processors: readonly number[], parts: InstanceParts, events: PoolEvents) {
    this.planned = planned;
    this.processors = processors;
    this.held = new HeldTexts(planned.pool.pages);
    this.#parts = parts;
    this.#events = events;
  }

  get state(): InstanceState {
    return this.#state;
  }

  /** Why it was last lost, or could not be loaded. */
  get problem(): CriaError | undefined {
    return this.#problem;
  }

  /** Where calls go, while it is ready. */
  get client(): LeaderClient | undefined {
    return this.#state === "ready" ? this.#instance?.client : undefined;
  }

  get board(): Shard | undefined {
    return this.#instance?.board;
  }

  /** Samples of its weights. */
  sample(): Promise<Uint8Array> {
    const { client } = this;
    if (client === undefined) throw this.#problem ?? new CriaError("DISPOSED", "the pool is disposed of");
    return client.sample();
  }

  /** How it has run lately; undefined while it is loaded. */
  get load(): LoadFigures | undefined {
    return this.#instance?.monitor.load();
  }

  get pieces() {
    return this.#instance?.team.pieces ?? { own: 0, others: 0 };
  }

  /** Loads the model for the first time. Returns the outcome of pinning. @throws what loading throws */
  async start(
    signal: AbortSignal | undefined,
    onProgress: ((fraction: number) => void) | undefined,
  ): Promise<readonly PinResult[]> {
    const { life } = this;
    const instance = await Instance.start(this.#parts, this.planned, {
      onDeath: (error) => this.#onDeath(error, life),
      onDisturbance: this.#events.onDisturbance,
    });
    this.#instance = instance;
    if (this.#state === "closed") await instance.close(disposed());
    const pinned = await instance.loaded({ signal, onProgress });
    this.#state = "ready";
    this.#readySince = performance.now();
    this.#events.onChange();
    return pinned;
  }

  /** Ends the workers, for good. */
  async close(reason: CriaError): Promise<void> {
    this.#state = "closed";
    clearTimeout(this.#timer);
    await this.#closing;
    await this.#instance?.close(reason);
  }

  #onDeath(error: CriaError, life: number): void {
    // What dies while it is loaded rejects `start`.
    if (this.#state !== "ready" || life !== this.life) return;
    this.deaths++;
    if (performance.now() - this.#readySince > WELL_MILLISECONDS) this.#failures = 0;
    this.#startAgain(error);
  }

  #startAgain(error: CriaError): void {
    this.#problem = error;
    this.life++;
    this.sequences.clear();
    this.held.clear();
    const old = this.#instance;
    this.#instance = undefined; // its memory is free as soon as nobody reads it
    this.#closing = this.#closing.then(() => old?.close(error));
    const pause = this.#failures === 0 ? 0 : FIRST_PAUSE_MILLISECONDS * 2 ** (this.#failures - 1);
    this.#failures++;
    this.#state = pause === 0 ? "starting" : "waiting";
    this.#events.onChange();
    this.#timer = setTimeout(
      () => {
        this.#state = "starting";
        this.#events.onChange();
        void this.#reload();
      },
      Math.min(pause, LONGEST_PAUSE_MILLISECONDS),
    );
    if (pause > 0) (this.#timer as { unref?: () => void }).unref?.();
  }

  async #reload(): Promise<void> {
    await this.#closing;
    if (this.#state === "closed") return;
    try {
      await this.start(undefined, undefined);
    } catch (error) {
      if ((this.#state as InstanceState) === "closed") return;
      this.#startAgain(error instanceof CriaError ? error : new CriaError("WORKER_DIED", String(error)));
    }
  }
}

function disposed(): CriaError {
  return new CriaError("DISPOSED", "the pool is disposed of");
}
