// Ctrl-C: the first one ends the work in an orderly way, the second one at once.

import { Interrupted } from "./failure.js";

/** A signal that the first Ctrl-C aborts, with Interrupted as its reason. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted());
  });
  return controller.signal;
}
