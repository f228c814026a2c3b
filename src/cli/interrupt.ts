// Ctrl-C: the first one ends the work in an orderly way, the second one at once.

import { Interrupted } from "./failure.js";

/** Does work that Ctrl-C aborts: the signal's reason is then Interrupted. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const onInterrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted());
  };
  process.on("SIGINT", onInterrupt);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}
