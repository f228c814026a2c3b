// The callers' abort signals: listeners that calls share, and promises that settle when a signal aborts.

type Callback = () => void;

/**
 * One listener for each signal, however many requests share it, because hosts warn of a leak when a signal has more than ten.
 */
export class AbortListeners {
  readonly #shared = new Map<AbortSignal, { readonly callbacks: Set<Callback>; readonly listener: Callback }>();

  /** Calls `callback` when one of the signals aborts, until the function that is returned is called. */
  add(signals: readonly AbortSignal[], callback: Callback): () => void {
    for (const signal of signals) this.#listen(signal).add(callback);
    return () => {
      for (const signal of signals) this.#remove(signal, callback);
    };
  }

  #listen(signal: AbortSignal): Set<Callback> {
    const known = this.#shared.get(signal);
    if (known !== undefined) return known.callbacks;
    const callbacks = new Set<Callback>();
    const listener = () => {
      for (const callback of [...callbacks]) callback();
    };
    this.#shared.set(signal, { callbacks, listener });
    signal.addEventListener("abort", listener);
    return callbacks;
  }

  #remove(signal: AbortSignal, callback: Callback): void {
    const shared = this.#shared.get(signal);
    if (shared === undefined || !shared.callbacks.delete(callback) || shared.callbacks.size > 0) return;
    signal.removeEventListener("abort", shared.listener);
    this.#shared.delete(signal);
  }
}

const listeners = new AbortListeners();

/** The promise's result, or the signal's reason as soon as it aborts: work under way cleans up after itself. */
export function abortable<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stopListening = listeners.add([signal], () => reject(signal.reason));
    promise.then(resolve, reject).finally(stopListening);
    if (signal.aborted) reject(signal.reason);
  });
}
