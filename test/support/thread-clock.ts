// What a thread computes, apart from how long it waited for a processor: so that a test of blocking can tell a busy machine from a
// thread that blocks.

import { existsSync, readFileSync } from "node:fs";

// Nanoseconds on a processor, then waiting for one, then slices: Documentation/scheduler/sched-stats.rst of Linux.
const STATISTICS = "/proc/thread-self/schedstat";

export const hasThreadClock = existsSync(STATISTICS);

/** What the calling thread has computed so far, ms. */
export function threadTime(): number {
  return Number(readFileSync(STATISTICS, "latin1").split(" ")[0]) / 1e6;
}

/** The most that the calling thread computed without a turn of the event loop while `work` was under way, ms. */
export async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = threadTime();
  const look = () => {
    const now = threadTime();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 1);
  try {
    await work();
  } finally {
    clearInterval(timer);
    look();
  }
  return longest;
}
