// How many workers compute. Decoding is bound by memory: a second worker on the same physical core only takes turns with the first,
// and one beyond what the process may use waits while the others wait for it. So one for each core that may be used, unless told; but
// fewer for a model so small that its workers would wait for each other longer than they compute. Of two kinds of cores the fast ones
// count alone: at each of the hundreds of barriers of a token, all would wait for the slowest.

import { invalidOption } from "../../options.js";
import type { CpuTopology } from "./topology.js";

/** Workers of a team, at most. */
export const MOST_THREADS = 256;

/**
 * Workers that fewer processors may be asked to take in turns. Each worker takes some 10 MB and 20 to 100 ms of a processor before it
 * computes, and beyond the processors it brings nothing: on 2 busy ones 64 workers loaded in 11 s, 256 in 16 s.
 */
const MOST_IN_TURNS = 64;

/**
 * Weights that a step reads for each of its workers, at least. With less, a second worker saves less time than the barriers take, and
 * waking it for every step. Tokens/s of two against one, 2 cores: 0.54 where a token reads 1 MB, 0.91 with 3 MB, 0.82 with 4 MB, 1.06 with
 * 12 MB, 1.44 with 144 MB.
 */
const BYTES_PER_WORKER = 4 * 2 ** 20;

/** The most workers that a team on this machine may have. Browsers may understate their processors. */
export function mostThreads({ allowed, source }: CpuTopology): number {
  return source === "navigator" ? MOST_THREADS : Math.min(MOST_THREADS, Math.max(MOST_IN_TURNS, allowed.length));
}

export interface ThreadRequest {
  readonly threads: number | undefined;
  readonly threadsBatch: number | undefined;
  /** CRIA_THREADS. */
  readonly environment: string | undefined;
  /** Bytes of the weights that a step of one row reads. undefined: the model is not known, and taken to be large. */
  readonly tokenBytes?: number | undefined;
}

export interface ThreadChoice {
  /** Workers for steps of few rows: decode. As asked for, or by the rule. */
  readonly threads: number;
  /** Workers for steps of more rows: prefill, batches. */
  readonly threadsBatch: number;
  /**
   * Workers that take part in steps of few rows: no more than there are processors. Such a step has hundreds of barriers with little
   * work between them; a worker that waits for a processor would cost more at each than it brings.
   */
  readonly decodeWorkers: number;
  /** Steps of at least this many rows have `threadsBatch` workers, and those of fewer `decodeWorkers`. */
  readonly batchRows: number;
  /** Why, in one line: "2 threads: 2 physical cores; quota none; affinity 2". */
  readonly reason: string;
}

/**
 * The rule: what the caller asks for; else CRIA_THREADS; else the smallest of the processors allowed, the processors in the quota
 * (`usableCpus`), and the physical cores among those allowed (of two kinds, the performance cores); at least 1. For decode, unless asked, no more than there are weights for.
 *
 * @throws CriaError INVALID_OPTION when CRIA_THREADS is not a number of threads
 */
export function chooseThreads(topology: CpuTopology, request: ThreadRequest): ThreadChoice {
  const { tokenBytes = Number.POSITIVE_INFINITY } = request;
  const { asked, threads: all, reason } = machineThreads(topology, request);
  const worthwhile = Math.max(1, Math.floor(tokenBytes / BYTES_PER_WORKER));
  const threads = asked ? all : Math.min(all, worthwhile);
  const threadsBatch = request.threadsBatch ?? all;
  const { allowed, quota, source } = topology;
  // Browsers may understate their processors: there the caller knows better.
  const decodeWorkers = source === "navigator" ? threads : Math.min(threads, Math.max(1, allowed.length));
  const batchRows = threads < all ? Math.ceil(((threads + 1) * BYTES_PER_WORKER) / tokenBytes) : 2;
  const most = Math.max(threads, threadsBatch);
  const notes = [`${plural(threads)}: ${reason}`];
  if (threads < all) notes.push(`a token reads ${(tokenBytes / 1e6).toFixed(1)} MB of weights, too little for more`);
  if (request.threadsBatch !== undefined && threadsBatch !== threads)
    notes.push(`${threadsBatch} for prefill, as asked`);
  else if (threadsBatch !== threads) notes.push(`${threadsBatch} for prefill`);
  if (decodeWorkers < threads) notes.push(`decode uses ${decodeWorkers}, one for each CPU`);
  if (quota !== undefined && most > 1 && most > quota.cpus) notes.push(`the quota stops more than ${cpus(quota.cpus)}`);
  return { threads, threadsBatch, decodeWorkers, batchRows, reason: notes.join("; ") };
}

/** The most of a quota's time that workers may leave, so that none of them is stopped. */
const MOST_LEFT = 0.1;

/**
 * Workers that there is processor time for: the processors allowed, or the whole ones of the quota, and one more where more than a tenth of
 * the quota would be left. Then it stops them all for a part of each period, and they still do more.
 */
export function usableCpus({ allowed, quota }: CpuTopology): number {
  if (quota === undefined) return Math.max(1, allowed.length);
  const whole = Math.floor(quota.cpus);
  const paid = whole < (1 - MOST_LEFT) * quota.cpus ? whole + 1 : whole;
  return Math.max(1, Math.min(allowed.length, paid));
}

/** Workers for this machine, whatever the model; `asked`: somebody has said how many. */
function machineThreads(
  topology: CpuTopology,
  request: ThreadRequest,
): { readonly asked: boolean; readonly threads: number; readonly reason: string } {
  if (request.threads !== undefined) return { asked: true, threads: request.threads, reason: "as asked" };
  const { environment } = request;
  if (environment !== undefined && environment !== "") {
    if (!/^[1-9]\d{0,2}$/.test(environment) || Number(environment) > MOST_THREADS) {
      throw invalidOption("CRIA_THREADS", `an integer in 1 .. ${MOST_THREADS}`, environment);
    }
    return { asked: true, threads: Number(environment), reason: "CRIA_THREADS" };
  }
  const { allowed, quota, cores } = topology;
  const usable = cores?.filter((core) => core.cpus.some((cpu) => allowed.includes(cpu)));
  const fast = usable?.filter(({ kind }) => kind === "performance") ?? [];
  const slow = usable?.filter(({ kind }) => kind === "efficiency") ?? [];
  const mixed = fast.length > 0 && slow.length > 0;
  const counted = mixed ? fast.length : usable?.length;
  const threads = Math.max(1, Math.min(usableCpus(topology), counted ?? MOST_THREADS, MOST_THREADS));
  const plural = (count: number, kind: string) => `${count} ${kind} core${count === 1 ? "" : "s"}`;
  const parts = [
    usable === undefined
      ? "physical cores unknown"
      : mixed
        ? `${plural(fast.length, "performance")}, without ${plural(slow.length, "efficiency")}`
        : plural(usable.length, "physical"),
    `quota ${quota === undefined ? "none" : cpus(quota.cpus)}`,
    `affinity ${allowed.length}`,
  ];
  return { asked: false, threads, reason: parts.join("; ") };
}

function cpus(count: number): string {
  return `${Number(count.toFixed(2))}`;
}

function plural(threads: number): string {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}
