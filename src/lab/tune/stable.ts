// The processes of a tuning: each holds a model that was loaded in some way, and stays as long as there is memory for it.

import { ModelProcess, type ProcessLoadOptions } from "../model-process.js";

/** A way to load a model, as several instances or as one. */
export interface Setup {
  readonly options: ProcessLoadOptions;
  /** Options that differ from instance to instance: one for each. Default: one instance. */
  readonly each?: readonly ProcessLoadOptions[];
  /** Tokens that are put into the cache before anything is decoded. */
  readonly depth?: number;
}

/** A test mode, CRIA_TEST_BURSTS=N: bursts and warm-ups are N times as short. What they say is then worth less, and nothing else changes. */
export const SHORTER = Number(globalThis.process?.env?.["CRIA_TEST_BURSTS"] ?? 1);

/** A process runs this long before it counts: V8 compiles kernels well only once they have run for a while. */
const WARM_UP_MILLISECONDS = 300 / SHORTER;

/** Instances that run side by side. */
export class Instances {
  constructor(readonly models: readonly ModelProcess[]) {}

  /** Tokens per second of all together. */
  async rate(burst: (model: ModelProcess) => Promise<number>): Promise<number> {
    return (await Promise.all(this.models.map(burst))).reduce((sum, rate) => sum + rate, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.models.map((model) => model.close()));
  }
}

export class Stable {
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  readonly #open = new Map<string, Instances>();

  constructor(path: string, signal: AbortSignal | undefined) {
    this.#path = path;
    this.#signal = signal;
  }

  /** The instances of a setup: those that are there, or new ones, warm. */
  async get(setup: Setup): Promise<Instances> {
    const key = JSON.stringify(setup);
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const { options, each = [{}], depth = 0 } = setup;
    const started = await Promise.allSettled(
      each.map((own) => ModelProcess.start(this.#path, { ...options, ...own }, this.#signal)),
    );
    const models = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const instances = new Instances(models);
    const failed = started.find((one) => one.status === "rejected");
    try {
      if (failed !== undefined) throw failed.reason;
      const { generates, contextSize } = models[0]!.info;
      for (const begin = performance.now(); performance.now() - begin < WARM_UP_MILLISECONDS; ) {
        if (generates) await instances.rate((model) => model.decode(1, WARM_UP_MILLISECONDS / 4));
        await instances.rate((model) => {
          const tokens = Math.min(128, contextSize);
          return generates ? model.prefill(tokens) : model.embed(8, Math.min(64, tokens));
        });
      }
      if (depth > 0) await instances.rate((model) => model.fill(depth));
    } catch (error) {
      await instances.close();
      throw error;
    }
    this.#open.set(key, instances);
    return instances;
  }

  /** Ends all processes but those of some setups. */
  async keepOnly(setups: readonly Setup[]): Promise<void> {
    const keys = setups.map((setup) => JSON.stringify(setup));
    for (const [key, instances] of this.#open) {
      if (keys.includes(key)) continue;
      this.#open.delete(key);
      await instances.close();
    }
  }
}
