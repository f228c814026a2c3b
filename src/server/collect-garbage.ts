// A model's memory is given back when V8 collects the objects that stood for it. A server that is idle does not do that soon, and one
// that needs the memory for another model cannot wait for it. Measured: 700 MB were still there 4 s after a model was disposed of, and
// gone 0.2 s after a collection, which takes 10 to 50 ms of this thread.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Whoever has just disposed of an object still holds it for a while: calls that return, workers that end. */
const WAITS_MILLISECONDS = [20, 80, 400, 1500];

/** Collects garbage until an object is gone, or it is clear that somebody keeps it. */
export async function collected(object: WeakRef<object>): Promise<void> {
  for (const milliseconds of WAITS_MILLISECONDS) {
    await pause(milliseconds);
    collectGarbage();
    await pause(0); // who looks at it keeps it for the rest of the turn
    if (object.deref() === undefined) return;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}

let collectGarbage = (): void => {
  setFlagsFromString("--expose-gc");
  // A context that is made now has the function. Those that there are do not get it.
  collectGarbage = runInNewContext("gc") as () => void;
  setFlagsFromString("--no-expose-gc");
  collectGarbage();
};
