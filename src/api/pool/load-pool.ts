// loadPool: one model in several instances, each a team of its own in its own part of the machine.

import { CriaError, MemoryError } from "../../errors.js";
import { availableMemory } from "../../machine/cpu/available-memory.js";
import { optionsOf } from "../../options.js";
import { planOpened } from "../load/draft-plan.js";
import { readParts } from "../load/instance.js";
import { infoOf, modelParts } from "../load/load-model.js";
import type { LoadSource } from "../load/load-options.js";
import { besidesBytes } from "../load/memory-check.js";
import { copiedBytesOf } from "../load/model-source.js";
import { type OpenedModel, withOpenedModel } from "../load/open-model.js";
import type { PlannedModel } from "../load/plan-model.js";
import { readTokenizer } from "../load/read-tokenizer.js";
import type { KeptTuning } from "../load/tunings.js";
import { ModelPool } from "./pool.js";
import { PoolClient } from "./pool-client.js";
import { PoolInstance } from "./pool-instance.js";
import { loadOfAll } from "./pool-load.js";
import { instanceRequests, type PoolOptions, poolOptionNames } from "./pool-options.js";

/**
 * Loads a model in several instances, for programs with many callers: each instance is a team of workers pinned to its own processors
 * (Linux), with weights that it was the first to touch. Memory for all of them is planned before any is loaded.
 *
 * @throws MemoryError MEMORY_EXCEEDED when they do not fit together, and what `loadModel` throws
 */
export async function loadPool(source: LoadSource, given: PoolOptions = {}): Promise<ModelPool> {
  const options = optionsOf("loadPool", given, poolOptionNames);
  return withOpenedModel(source, options, (opened) => {
    if (opened.tuning === undefined) return loadOpened(opened, options);
    const { settings } = opened.tuning;
    const { instances = "auto" } = options;
    // Threads and pins are for one instance alone: here the processors are divided.
    const { threads: _, threadsBatch: __, pin: ___, ...tuned } = settings;
    const chosen = instances === "auto" ? opened.tuning.instances : instances;
    return loadOpened(opened, { ...tuned, ...options, instances: chosen }, tuned);
  });
}

async function loadOpened(
  opened: OpenedModel,
  options: PoolOptions,
  tuned?: KeptTuning["settings"],
): Promise<ModelPool> {
  const { gguf, draft, begin } = opened;
  const { signal, onProgress, assets } = options;
  const requests = await instanceRequests(options);
  const plans: PlannedModel[] = [];
  for (const request of requests) plans.push(await planOpened(opened, request.options));
  const [first] = plans as [PlannedModel];
  const copied = copiedBytesOf(gguf) + (draft === undefined ? 0 : copiedBytesOf(draft.gguf));
  if (options.ignoreMemory !== true) await checkAll(plans, copied + first.lora.bytes);
  const reading = readTokenizer(gguf, first.hyperparameters, assets);
  reading.catch(() => undefined); // something else may fail before this is awaited
  const parts = await readParts(opened, first, assets);
  signal?.throwIfAborted();
  const instances = plans.map((plan, i) => {
    return new PoolInstance(plan, requests[i]!.processors, parts, {
      onChange: () => client.changed(),
      onDisturbance: options.onDisturbance,
    });
  });
  const client: PoolClient = new PoolClient(instances);
  const close = async (reason: CriaError) => {
    await Promise.all(instances.map((instance) => instance.close(reason)));
  };
  try {
    const done = instances.map(() => 0);
    const report =
      onProgress &&
      ((i: number, fraction: number) => {
        done[i] = fraction;
        onProgress(done.reduce((sum, one) => sum + one) / done.length);
      });
    const loading = instances.map((instance, i) =>
      instance.start(signal, report && ((fraction) => report(i, fraction))),
    );
    const [text, pinned] = await Promise.all([reading, Promise.all(loading)]);
    const ready = () => instances.find((instance) => instance.client !== undefined) ?? instances[0]!;
    return new ModelPool(
      {
        ...modelParts(opened, first, parts, { client, sample: async () => ready().sample(), text }),
        client,
        team: {
          get pieces() {
            const all = instances.map(({ pieces }) => pieces);
            const sum = (name: "own" | "others") => all.reduce((total, one) => total + one[name], 0);
            return { own: sum("own"), others: sum("others") };
          },
        },
        close: async (reason) => {
          client.end(reason);
          await close(new CriaError("DISPOSED", "the pool is disposed of"));
        },
        load: () => loadOfAll(instances.flatMap(({ load }) => load ?? [])),
        table: {
          reads: () =>
            instances
              .map(({ board }) => board?.tableReads ?? [0, 0, 0])
              .reduce<number[]>((sum, reads) => sum.map((one, i) => one + reads[i]!), [0, 0, 0]),
        },
        loadMilliseconds: performance.now() - begin,
        info: await infoOf(opened, first, text, pinned.flat(), tuned),
      },
      instances,
    );
  } catch (error) {
    await close(new CriaError("DISPOSED", "the pool was not loaded"));
    throw error;
  }
}

/** Holds the plans of all instances together against the memory that this process can take. */
async function checkAll(plans: readonly PlannedModel[], sharedBytes: number): Promise<void> {
  const available = await availableMemory();
  if (available === undefined) return;
  const each = plans.map((plan) => plan.plan.total + besidesBytes(plan.workers.workers));
  const wanted = each.reduce((sum, one) => sum + one, sharedBytes);
  if (wanted <= available.bytes) return;
  let room = available.bytes - sharedBytes;
  const fitting = each.findIndex((bytes) => {
    room -= bytes;
    return room < 0;
  });
  const source = available.source === "MemAvailable" ? available.source : `control group ${available.source}`;
  throw new MemoryError(
    "MEMORY_EXCEEDED",
    `${plans.length} instances of the model take ${megabytes(wanted)} (${megabytes(each[0]!)} each); this process can take ` +
      `${megabytes(available.bytes)} (${source}); it fits with ${fitting} instances; ignoreMemory: true loads them all the same`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
