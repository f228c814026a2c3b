// Runs a call that must end in a result or a typed error, within a second of CPU and 64 MB.

import { codeOf } from "../fuzz/target.js";

export interface Outcome {
  /** "ok", the code of a typed error, or "own" for what the caller's own code threw. */
  readonly code: string;
  readonly message: string;
  /** Why this is not an outcome to have. */
  readonly fault: string | undefined;
}

const MOST_MILLISECONDS = 1000;
const MOST_BYTES = 64 * 2 ** 20;

/** What a call ends in. A call that seems to take too much is made once more, by itself, before it is said to. */
export async function within(call: () => unknown, own?: unknown): Promise<Outcome> {
  const first = await measured(call, own);
  if (first.fault !== undefined || !first.exceeds) return first;
  const again = await measured(call, own);
  if (again.fault !== undefined || !again.exceeds) return again;
  return { ...again, fault: `took ${again.milliseconds} ms of CPU and ${again.bytes} bytes` };
}

async function measured(call: () => unknown, own: unknown) {
  globalThis.gc?.();
  const memory = process.memoryUsage.rss();
  const before = process.cpuUsage();
  const outcome = await outcomeOf(call, own);
  const { user, system } = process.cpuUsage(before);
  const milliseconds = (user + system) / 1000;
  const bytes = process.memoryUsage.rss() - memory;
  return { ...outcome, milliseconds, bytes, exceeds: milliseconds > MOST_MILLISECONDS || bytes > MOST_BYTES };
}

async function outcomeOf(call: () => unknown, own: unknown): Promise<Outcome> {
  try {
    await call();
    return { code: "ok", message: "", fault: undefined };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (own !== undefined && error === own) return { code: "own", message, fault: undefined };
    try {
      return { code: codeOf(error), message, fault: undefined };
    } catch {
      return { code: "", message, fault: error instanceof Error ? String(error.stack).slice(0, 600) : typeof error };
    }
  }
}
