// Before anything is allocated or read, the plan is held against the memory that this process can still take. Without that, the kernel
// would kill the process in the middle of loading.

import { PAGE } from "#abi";
import { MemoryError } from "../../errors.js";
import type { AvailableMemory } from "../../machine/cpu/available-memory.js";
import type { KvCacheType } from "./load-options.js";
import type { PlannedModel } from "./plan-model.js";

/** What a worker takes besides the plan: its thread, its code, its heap. Measured: 10 to 13 MiB. */
const WORKER_BYTES = 16 * 2 ** 20;
/** What this process takes besides: the tokenizer's tables, the compiled kernels. Measured: 11 MiB for a vocabulary of 128,256. */
const PROCESS_BYTES = 32 * 2 ** 20;

/** What a model takes besides its plan, at most. */
export function besidesBytes(workers: number): number {
  return workers * WORKER_BYTES + PROCESS_BYTES;
}

/** What is known about a model before it is allocated. */
type Planned = Pick<PlannedModel, "plan" | "pool" | "contextSize" | "sequences" | "kvCache" | "kvPageBytes"> & {
  readonly workers: Pick<PlannedModel["workers"], "workers">;
};

/**
 * @param available what the process can take; undefined: not known, and then nothing is refused
 * @param copiedBytes of a model that is given as bytes: the workers read a copy of them
 * @throws MemoryError MEMORY_EXCEEDED
 */
export function checkMemory(planned: Planned, available: AvailableMemory | undefined, copiedBytes: number): void {
  const refusal = available && memoryRefusal(planned, available, copiedBytes);
  if (refusal !== undefined) throw new MemoryError("MEMORY_EXCEEDED", refusal);
}

/** Why the model does not fit, and what would; undefined: it fits. */
export function memoryRefusal(planned: Planned, available: AvailableMemory, copiedBytes: number): string | undefined {
  const { plan, workers } = planned;
  const own = besidesBytes(workers.workers);
  const besides = own + copiedBytes;
  if (plan.total + besides <= available.bytes) return undefined;
  const copy = copiedBytes > 0 ? ` and a copy of its bytes (${megabytes(copiedBytes)})` : "";
  const source = available.source === "MemAvailable" ? available.source : `control group ${available.source}`;
  const ways = fitting(planned, available.bytes - besides);
  const advice =
    ways.length > 0
      ? `it fits with ${ways.join(", or with ")}`
      : "no KV cache is small enough: choose a smaller model or format (cria quantize)";
  const draft = plan.draft === undefined ? "" : ` + draft model ${megabytes(plan.draft)}`;
  const state = plan.recurrentState > 0 ? `recurrent state ${megabytes(plan.recurrentState)} + ` : "";
  return (
    `the model takes ${megabytes(plan.total)} (weights ${megabytes(plan.weights)} + KV cache ${megabytes(plan.kvCache)} + ` +
    `${state}activations ${megabytes(plan.activations)} + scratch ${megabytes(plan.scratch)}${draft}), its ${workers.workers} workers and ` +
    `tokenizer ${megabytes(own)}${copy}; this process can take ${megabytes(available.bytes)} (${source}); ` +
    `${advice}; ignoreMemory: true loads it all the same`
  );
}

/** The options, one or two of them changed, with which the plan has at most `bytes` bytes. */
function fitting({ plan, pool, contextSize, sequences, kvCache, kvPageBytes }: Planned, bytes: number): string[] {
  /** Pages of a type that there is room for. */
  const roomFor = (type: KvCacheType) => Math.floor((bytes - (plan.total - plan.kvCache)) / kvPageBytes[type]!);
  const perSequence = Math.ceil(contextSize / PAGE);
  const besideSequences = pool.pages - perSequence * sequences;
  /** The longest context of `count` sequences, and the most sequences. */
  const longest = (type: KvCacheType, count: number) => Math.floor((roomFor(type) - besideSequences) / count) * PAGE;
  const most = Math.floor((roomFor(kvCache) - besideSequences) / perSequence);

  const ways: string[] = [];
  const smaller = (Object.keys(kvPageBytes) as KvCacheType[]).filter(
    (type) => kvPageBytes[type]! < kvPageBytes[kvCache]!,
  );
  const enough = smaller.find((type) => roomFor(type) >= pool.pages);
  if (enough !== undefined) ways.push(`kvCache "${enough}"`);
  if (most >= 1) ways.push(`sequences ${most}`);
  if (longest(kvCache, sequences) >= PAGE) ways.push(`contextSize ${longest(kvCache, sequences)}`);
  if (ways.length > 0) return ways;
  const smallest = smaller.at(-1) ?? kvCache;
  if (longest(smallest, 1) < PAGE) return [];
  return [`sequences 1, contextSize ${Math.min(contextSize, longest(smallest, 1))} and kvCache "${smallest}"`];
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
