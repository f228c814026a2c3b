// How large something must be to stay in the caches, or not to.

import { cpuTopology } from "../machine/cpu/topology.js";

/** How large data are that stay in the caches, and that do not. */
export interface Residence {
  /** Of weights that stay in the level 2 caches of one or two cores, beside what else is there. */
  readonly cachedBytes: number;
  /** What all caches hold together: anything larger comes from memory, at least in part. */
  readonly cacheBytes: number;
  /** Of a buffer that is read from memory, whatever the caches do. */
  readonly streamedBytes: number;
}

const CACHED_BYTES = 2 ** 19;
// Where the host does not tell.
const LIKELY_CACHE_BYTES = 2 ** 25;
const LEAST_STREAMED_BYTES = 2 ** 28;
const MOST_STREAMED_BYTES = 2 ** 30;

let known: Promise<Residence> | undefined;

/**
 * The sizes for this machine. Caches that do not evict in turn keep a part of what streams through them: a buffer of four times their
 * size still reads a tenth faster than memory does, one of eight times a few hundredths.
 */
export function residence(): Promise<Residence> {
  known ??= (async () => {
    const { caches } = await cpuTopology();
    const last = Math.max(0, ...(caches ?? []).map(({ level }) => level));
    const bytes = (caches ?? []).map((cache) => (cache.level === last ? (cache.bytes ?? 0) : 0));
    const cacheBytes = bytes.reduce((sum, one) => sum + one, 0) || LIKELY_CACHE_BYTES;
    const streamedBytes = Math.min(MOST_STREAMED_BYTES, Math.max(LEAST_STREAMED_BYTES, 8 * cacheBytes));
    return { cachedBytes: CACHED_BYTES, cacheBytes, streamedBytes };
  })();
  return known;
}
