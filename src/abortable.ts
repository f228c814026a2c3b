// Settles when the caller's signal does: work that is under way cleans up behind it.

import { AbortListeners } from "./abort-listeners.js";

const listeners = new AbortListeners();

/** The promise's result, or the signal's reason as soon as it aborts. */
export function abortable<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stopListening = listeners.add([signal], () => reject(signal.reason));
    promise.then(resolve, reject).finally(stopListening);
    if (signal.aborted) reject(signal.reason);
  });
}
