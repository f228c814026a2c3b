// Gives the event loop its turn, on every host.

/** Runs the callback as a macrotask, in a turn of its own. Awaiting alone would run microtasks only, and no message would ever arrive. */
export const nextTurn: (callback: () => void) => void =
  typeof setImmediate === "function"
    ? (callback) => void setImmediate(callback)
    : (() => {
        const { port1, port2 } = new MessageChannel();
        const waiting: (() => void)[] = [];
        port1.onmessage = () => waiting.shift()?.();
        return (callback: () => void) => {
          waiting.push(callback);
          port2.postMessage(0);
        };
      })();

/** Lets everything that waits for the event loop have its turn. */
export function giveWay(): Promise<void> {
  return new Promise(nextTurn);
}
