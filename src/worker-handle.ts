// One worker thread, in Node (node:worker_threads) or where there is a global Worker (a browser): the few operations that both have.

import { MemoryError, UnsupportedError } from "./errors.js";

export interface WorkerEvents {
  readonly onMessage: (message: unknown) => void;
  readonly onError: (error: Error) => void;
  readonly onExit: (code: number) => void;
}

export interface WorkerHandle {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** Whether the worker keeps the process alive. */
  keepAlive(yes: boolean): void;
  terminate(): Promise<void>;
}

/** The worker's end of the line to the thread that started it. */
export interface ParentPort {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** Of a worker's JavaScript heap. */
export interface HeapLimits {
  /** Default: V8's own. */
  readonly megabytes?: number;
  /** For the objects that it has just made, three parts. Default 48. */
  readonly youngMegabytes?: number;
}

/**
 * Room for the objects that a worker has just made: three parts of 16 MB. A worker that serves many texts would grow it step by step to V8's
 * own limit, 128 MB on Node 24, and keep that; decoding is not faster then.
 */
const YOUNG_MEGABYTES = 48;

const inNode = typeof process !== "undefined" && process.versions?.node !== undefined;

/**
 * Starts a worker whose first message is `data`. In Node its heap can be limited; a worker that exceeds the limit ends with an error.
 *
 * @throws MemoryError MEMORY_REFUSED where a limit on the address space leaves no room, UnsupportedError
 */
export async function startWorker(
  entry: URL,
  name: string,
  data: unknown,
  events: WorkerEvents,
  heap: HeapLimits = {},
): Promise<WorkerHandle> {
  if (inNode) {
    const { Worker } = await import("node:worker_threads");
    await checkAddressSpace();
    const resourceLimits = {
      maxYoungGenerationSizeMb: heap.youngMegabytes ?? YOUNG_MEGABYTES,
      ...(heap.megabytes !== undefined && { maxOldGenerationSizeMb: heap.megabytes }),
    };
    // A worker inherits the flags that Node was started with, but refuses this one: `node --input-type=module -e ...`. An explicit list of
    // flags is checked, and V8's flags in it are refused (`--max-old-space-size`). So there is no list where all can be inherited.
    const refused = (flag: string) => flag.startsWith("--input-type");
    const execArgv = process.execArgv.some(refused) ? process.execArgv.filter((flag) => !refused(flag)) : undefined;
    const worker = new Worker(entry, { name, workerData: data, resourceLimits, execArgv });
    worker.on("message", events.onMessage);
    worker.on("error", events.onError);
    worker.on("exit", events.onExit);
    starting++;
    const started = () => {
      starting--;
      worker.off("online", started).off("exit", started);
    };
    worker.on("online", started).on("exit", started);
    return {
      postMessage: (message, transfer) => worker.postMessage(message, transfer as ArrayBuffer[] | undefined),
      keepAlive: (yes) => (yes ? worker.ref() : worker.unref()),
      terminate: async () => {
        await worker.terminate();
      },
    };
  }
  if (typeof Worker === "undefined") throw new UnsupportedError("UNSUPPORTED_HOST", "this host has no worker threads");
  const worker = new Worker(entry, { name, type: "module" });
  worker.onmessage = (event) => events.onMessage(event.data);
  worker.onerror = (event) => events.onError(new Error(event.message));
  worker.postMessage(data);
  return {
    postMessage: (message, transfer) => worker.postMessage(message, (transfer as ArrayBuffer[] | undefined) ?? []),
    keepAlive: () => undefined,
    terminate: async () => worker.terminate(),
  };
}

/**
 * Lowers the priority of a worker's thread, where the system knows threads by number: those that run a model's steps come first. Elsewhere
 * it is one thread among others.
 */
export async function yieldToOthers(): Promise<void> {
  if (!inNode || process.platform !== "linux") return;
  const [{ readlinkSync }, { setPriority, constants }] = await Promise.all([import("node:fs"), import("node:os")]);
  try {
    const [thread] = readlinkSync("/proc/thread-self").split("/").slice(-1);
    setPriority(Number(thread), constants.priority.PRIORITY_LOW);
  } catch {
    // There is no /proc here, or lowering is not allowed.
  }
}

/** Address space that V8 reserves for a worker: 600 to 1000 MB on Node 20 to 26, most of it for code. */
const WORKER_ADDRESS_SPACE = 2 ** 30;
/** Workers that have not reserved theirs yet. */
let starting = 0;

/** V8 ends the process where it cannot reserve a worker's address space. So a limit on that (ulimit -v) is looked at before. */
async function checkAddressSpace(): Promise<void> {
  if (process.platform !== "linux") return;
  const { readFileSync } = await import("node:fs");
  let limit: number;
  let used: number;
  try {
    limit = Number(/^Max address space +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1]);
    if (Number.isNaN(limit)) return; // unlimited
    used = 1024 * Number(/^VmSize:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);
  } catch {
    return; // no /proc: nothing is known of a limit
  }
  const wanted = (starting + 1) * WORKER_ADDRESS_SPACE;
  if (wanted <= limit - used) return;
  throw new MemoryError(
    "MEMORY_REFUSED",
    `a worker may take ${WORKER_ADDRESS_SPACE} bytes of address space, and the limit of ${limit} bytes (ulimit -v) ` +
      `leaves ${Math.max(0, limit - used - starting * WORKER_ADDRESS_SPACE)}`,
  );
}

/** In a worker: what it was given, and its line to the thread that started it. */
export async function workerStart(): Promise<{ data: unknown; port: ParentPort }> {
  if (inNode) {
    const { parentPort, workerData } = await import("node:worker_threads");
    if (parentPort === null) throw new UnsupportedError("UNSUPPORTED_HOST", "this file is a worker's entry");
    return {
      data: workerData,
      port: {
        postMessage: (message, transfer) => parentPort.postMessage(message, transfer as ArrayBuffer[] | undefined),
        onMessage: (listener) => parentPort.on("message", listener),
      },
    };
  }
  const scope = globalThis as unknown as {
    onmessage: ((event: { data: unknown }) => void) | null;
    postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  };
  const data = await new Promise<unknown>((resolve) => {
    scope.onmessage = (event) => resolve(event.data);
  });
  return {
    data,
    port: {
      postMessage: (message, transfer) => scope.postMessage(message, transfer ?? []),
      onMessage: (listener) => {
        scope.onmessage = (event) => listener(event.data);
      },
    },
  };
}
