// How many workers compute. Decoding is bound by memory: a second worker on the same physical core only takes turns with the first,
// and one beyond what the process may use waits while the others wait for it. So one for each core that may be used, unless told.

import { CriaError } from "../../errors.js";
import type { CpuTopology } from "./topology.js";

/** Workers of a team, at most. */
export const MOST_THREADS = 256;

export interface ThreadRequest {
  readonly threads: number | undefined;
  readonly threadsBatch: number | undefined;
  /** CRIA_THREADS. */
  readonly environment: string | undefined;
}

export interface ThreadChoice {
  /** Workers that take part in steps of one row: decode. */
  readonly threads: number;
  /** Workers that take part in steps of several rows: prefill, batches. */
  readonly threadsBatch: number;
  /** Why, in one line: "2 threads: 2 physical cores; quota none; affinity 2". */
  readonly reason: string;
}

/**
 * The rule: what the caller asks for; else CRIA_THREADS; else the smallest of the processors allowed, the whole processors in the
 * quota, and the physical cores among those allowed; at least 1.
 *
 * @throws CriaError INVALID_OPTION when CRIA_THREADS is not a number of threads
 */
export function chooseThreads(topology: CpuTopology, request: ThreadRequest): ThreadChoice {
  const { threads, reason } = decodeThreads(topology, request);
  const threadsBatch = request.threadsBatch ?? threads;
  const batch = threadsBatch === threads ? "" : `; ${plural(threadsBatch)} for prefill, as asked`;
  const capacity = usableCpus(topology);
  const most = Math.max(threads, threadsBatch);
  const excess = most > capacity ? `; more than the ${capacity} CPUs of this process: they take turns` : "";
  return { threads, threadsBatch, reason: `${plural(threads)}: ${reason}${batch}${excess}` };
}

/** Workers that can run at once: the processors allowed, within the quota; at least 1. */
export function usableCpus({ allowed, quota }: CpuTopology): number {
  return Math.max(1, Math.min(allowed.length, Math.floor(quota?.cpus ?? Number.POSITIVE_INFINITY)));
}

function decodeThreads(topology: CpuTopology, request: ThreadRequest): { threads: number; reason: string } {
  if (request.threads !== undefined) return { threads: request.threads, reason: "as asked" };
  const { environment } = request;
  if (environment !== undefined && environment !== "") {
    if (!/^[1-9]\d{0,2}$/.test(environment) || Number(environment) > MOST_THREADS) {
      throw new CriaError(
        "INVALID_OPTION",
        `CRIA_THREADS is "${environment}"; it can be an integer in 1 .. ${MOST_THREADS}`,
      );
    }
    return { threads: Number(environment), reason: "CRIA_THREADS" };
  }
  const { allowed, quota, cores } = topology;
  const usableCores = cores?.filter(({ cpus }) => cpus.some((cpu) => allowed.includes(cpu))).length;
  const threads = Math.min(usableCpus(topology), usableCores ?? MOST_THREADS, MOST_THREADS);
  const parts = [
    usableCores === undefined
      ? "physical cores unknown"
      : `${usableCores} physical core${usableCores === 1 ? "" : "s"}`,
    `quota ${quota === undefined ? "none" : Number(quota.cpus.toFixed(2))}`,
    `affinity ${allowed.length}`,
  ];
  return { threads, reason: parts.join("; ") };
}

function plural(threads: number): string {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}
