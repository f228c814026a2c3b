// Runs inside each worker of a team, before the worker's own code: every instance of the kernels then tells how long each of its exports
// ran, and how much it read, wrote and multiplied. bench/profile.ts asks for the sums.

import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";

/** What one operation took, of one worker. */
export interface OperationSum {
  readonly name: string;
  calls: number;
  milliseconds: number;
  /** 2 for each multiplication and addition. 0: what counts is the memory. */
  operations: number;
  /** Read and written, each once. */
  bytes: number;
}

/** The sums of one worker since it was last asked. */
export interface WorkerProfile {
  readonly steps: number;
  /** From a step's beginning to its last barrier. */
  readonly milliseconds: number;
  readonly operations: readonly OperationSum[];
}

export const CHANNEL = "cria profile";

type Work = readonly [operations: number, bytes: number];
type Numbers = readonly number[];

/** What a call of a kernel does, from its arguments; and what tells calls of the same kernel apart. */
const kernels: Readonly<
  Record<string, { readonly work: (a: Numbers) => Work; readonly part?: (a: Numbers) => string }>
> = {
  matmul: {
    work: ([, , first, last, columns, , tokens]) => [2 * (last! - first!) * 8 * columns! * tokens!, 0],
    part: ([, , , , columns]) => ` of ${columns} columns`,
  },
  attention: { work: ([, , , rows, , heads, headDim, , , , , , , , end]) => [4 * rows! * heads! * headDim! * end!, 0] },
  encodeActivations: {
    work: ([, , , tokens, columns]) => [0, 4 * tokens! * columns!],
    part: ([, , , , columns]) => ` of ${columns} columns`,
  },
  storeKv: { work: ([, , , headDim]) => [0, 8 * headDim!] },
  rmsNorm: { work: ([, , , columns]) => [0, 8 * columns!] },
  layerNorm: { work: ([, , , , columns]) => [0, 8 * columns!] },
  addBias: { work: ([, , count]) => [0, 12 * count!] },
  textAttention: {
    work: ([, , , , , , length, , rows, heads, headDim]) => [4 * rows! * heads! * headDim! * length!, 0],
  },
  addBiasRows: { work: ([, , rows, , count]) => [0, 8 * rows! * count!] },
  geluRows: { work: ([, , rows, , count]) => [0, 8 * rows! * count!] },
  gelu: { work: ([, count]) => [0, 8 * count!] },
  geGlu: { work: ([, , count]) => [0, 12 * count!] },
  swiGlu: { work: ([, , count]) => [0, 12 * count!] },
  ropeHalves: { work: ([, heads, headDim]) => [0, 8 * heads! * headDim!] },
  dequantizeRow: { work: ([, , columns]) => [0, 4 * columns!] },
};

/** Kernels that tell how many bytes something takes, and the like. */
const isQuestion = (name: string) => /Bytes|^format|^dotIsUnsigned$/.test(name);

const sums = new Map<string, OperationSum>();
let steps = 0;
let total = 0;
let begin = 0;
let lastBarrier = 0;
let asked = false;
const channel = new BroadcastChannel(CHANNEL);
channel.unref();
// The leader has an event loop, which takes messages before anyone can look for them.
channel.onmessage = () => {
  asked = true;
};

function sumOf(name: string): OperationSum {
  let sum = sums.get(name);
  if (sum === undefined) {
    sum = { name, calls: 0, milliseconds: 0, operations: 0, bytes: 0 };
    sums.set(name, sum);
  }
  return sum;
}

/** Between two steps: what is over is counted, and told to whoever asked. */
function betweenSteps(): void {
  if (begin > 0) {
    total += lastBarrier - begin;
    steps++;
  }
  begin = 0;
  // Followers never use their event loop, so they look. The type of what can be looked at lacks this class, which Node allows.
  asked ||= receiveMessageOnPort(channel as unknown as MessagePort) !== undefined;
  if (!asked) return;
  asked = false;
  channel.postMessage({ steps, milliseconds: total, operations: [...sums.values()] } satisfies WorkerProfile);
  sums.clear();
  [steps, total] = [0, 0];
}

type Kernel = (...args: Numbers) => number;

function timed(name: string, kernel: Kernel): Kernel {
  if (isQuestion(name) || name === "teamJoin") return kernel;
  if (name === "awaitStep" || name === "announceStep") {
    return (...args) => {
      betweenSteps();
      const answer = kernel(...args);
      begin = performance.now();
      return answer;
    };
  }
  if (name === "barrier") {
    return (vote) => {
      const before = performance.now();
      const answer = kernel(vote!);
      lastBarrier = performance.now();
      const sum = sumOf("waiting at barriers");
      sum.calls++;
      sum.milliseconds += lastBarrier - before;
      return answer;
    };
  }
  const { work = () => [0, 0] as const, part = () => "" } = kernels[name] ?? {};
  return (...args) => {
    const before = performance.now();
    const answer = kernel(...args);
    const milliseconds = performance.now() - before;
    const sum = sumOf(name + part(args));
    const [operations, bytes] = work(args);
    sum.calls++;
    sum.milliseconds += milliseconds;
    sum.operations += operations;
    sum.bytes += bytes;
    return answer;
  };
}

const { Instance } = WebAssembly;

WebAssembly.Instance = class {
  readonly exports: WebAssembly.Exports;

  constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
    const { exports } = new Instance(module, imports);
    const entries = Object.entries(exports).map(([name, kernel]) => [name, timed(name, kernel as Kernel)] as const);
    this.exports = Object.fromEntries(entries);
  }
};
