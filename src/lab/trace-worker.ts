// Runs inside each worker of a model that is traced, before the worker's own code: every instance of the kernels then notes when each of
// its exports began and ended. trace.ts starts such workers; others never load this file, so that what is not traced costs nothing.
//
// A worker keeps the last steps, in arrays that are allocated before, and tells them when it begins another step and was asked.

import { BroadcastChannel, type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { TRACE_CHANNEL, type WorkerTrace } from "./trace-channel.js";

const STEPS = 8;
const CALLS = 16_384;

interface Recording {
  begin: number;
  end: number;
  count: number;
  lost: number;
  readonly calls: Float64Array;
}

const ring: Recording[] = Array.from({ length: STEPS }, () => ({
  begin: 0,
  end: 0,
  count: 0,
  lost: 0,
  calls: new Float64Array(3 * CALLS),
}));
let now = 0;
let open = false;
let asked = false;
const names: string[] = [];

/** What performance.now() lacks to the clock that all threads share: the least of some differences, which nothing has delayed. */
const offset = Math.min(...Array.from({ length: 50 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()));

const channel = new BroadcastChannel(TRACE_CHANNEL);
channel.unref();
// The leader has an event loop, which takes messages before anyone can look for them.
channel.onmessage = () => {
  asked = true;
};

const { membership } = workerData as { readonly membership: { readonly index: number } };

/** Between two steps: the one that is over is kept, and told to whoever asked. */
function betweenSteps(): void {
  if (open) now = (now + 1) % STEPS;
  open = false;
  // Followers never use their event loop, so they look. The type of what can be looked at lacks this class, which Node allows.
  asked ||= receiveMessageOnPort(channel as unknown as MessagePort) !== undefined;
  if (!asked) return;
  asked = false;
  const steps = Array.from({ length: STEPS }, (_, i) => ring[(now + i) % STEPS]!)
    .filter(({ count }) => count > 0)
    .map(({ begin, end, count, lost, calls }) => {
      const told = calls.slice(0, 3 * count);
      for (let i = 0; i < count; i++) {
        told[3 * i + 1]! += offset;
        told[3 * i + 2]! += offset;
      }
      return { begin: begin + offset, end: end + offset, calls: told, lost };
    });
  channel.postMessage({ worker: membership.index, names, steps } satisfies WorkerTrace);
  for (const step of ring) step.count = 0;
}

function beginStep(): void {
  const step = ring[now]!;
  step.begin = performance.now();
  step.count = 0;
  step.lost = 0;
  open = true;
}

type Kernel = (...args: readonly number[]) => number;

/** What tells calls of the same kernel apart: the columns of a matrix. */
const columnsOf: Readonly<Record<string, number>> = { matmul: 4 };
/** Kernels that tell how many bytes something takes, and the like. */
const isQuestion = (name: string) => /Bytes|^format|^dotIsUnsigned$|^teamJoin$/.test(name);

function noted(name: string, kernel: Kernel): Kernel {
  if (isQuestion(name)) return kernel;
  if (name === "awaitStep" || name === "announceStep") {
    return (...args) => {
      betweenSteps();
      const answer = kernel(...args);
      beginStep();
      return answer;
    };
  }
  const column = columnsOf[name];
  const numbers = new Map<number, number>();
  const numberOf = (columns: number) => {
    let number = numbers.get(columns);
    if (number === undefined) {
      number = names.push(columns < 0 ? name : `${name} of ${columns} columns`) - 1;
      numbers.set(columns, number);
    }
    return number;
  };
  return (...args) => {
    const begin = performance.now();
    const answer = kernel(...args);
    const end = performance.now();
    const step = ring[now]!;
    step.end = end;
    if (step.count === CALLS) step.lost++;
    else {
      const at = 3 * step.count++;
      step.calls[at] = numberOf(column === undefined ? -1 : args[column]!);
      step.calls[at + 1] = begin;
      step.calls[at + 2] = end;
    }
    return answer;
  };
}

const { Instance } = WebAssembly;

WebAssembly.Instance = class {
  readonly exports: WebAssembly.Exports;

  constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
    const { exports } = new Instance(module, imports);
    const entries = Object.entries(exports).map(([name, kernel]) =>
      typeof kernel === "function" ? ([name, noted(name, kernel as Kernel)] as const) : ([name, kernel] as const),
    );
    this.exports = Object.fromEntries(entries) as WebAssembly.Exports;
  }
};
