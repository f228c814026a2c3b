// What a lab team shares: a small memory, with the task to time and the figures of each worker.
//
//   OFFSET   CONTENT
//       64   calls in a repetition (int32); bytes of the task (int32)
//      128   for each worker: bytes, operations, error (f64 each)
//    32768   the task: JSON, UTF-8
//    65536   the team's control block

import type { KernelCase } from "./kernels/table.js";

/** What the leader is told to time. */
export interface Task {
  readonly case: KernelCase;
  readonly repetitions: number;
}

/** The outcome of a task. */
export interface Timing {
  /** Of one run of the kernel by all workers; one for each repetition. */
  readonly seconds: readonly number[];
  /** Of all workers together. */
  readonly bytes: number;
  readonly operations: number;
  /** Of the worker that is farthest from the exact result; undefined: the kernel has none to compare with. */
  readonly error: number | undefined;
}

export const CONTROL = 65536;
const WORDS = 64;
const REPORTS = 128;
const TASK = 32768;

export class Blackboard {
  readonly #words: Int32Array;
  readonly #reports: Float64Array;
  readonly #text: Uint8Array;

  constructor(memory: WebAssembly.Memory) {
    this.#words = new Int32Array(memory.buffer, WORDS, 2);
    this.#reports = new Float64Array(memory.buffer, REPORTS, (TASK - REPORTS) / 8);
    this.#text = new Uint8Array(memory.buffer, TASK, CONTROL - TASK);
  }

  /** Written by the leader before it announces a step. */
  set task(task: Task) {
    const bytes = new TextEncoder().encode(JSON.stringify(task));
    this.#text.set(bytes);
    this.#words[1] = bytes.length;
  }

  get task(): Task {
    const text = new TextDecoder().decode(this.#text.slice(0, this.#words[1])); // a copy: it refuses shared memory
    return JSON.parse(text) as Task;
  }

  /** How often the kernel runs in a repetition; written by the leader between two barriers. */
  set calls(calls: number) {
    this.#words[0] = calls;
  }

  get calls(): number {
    return this.#words[0]!;
  }

  /** What one worker does in one run. */
  report(index: number, bytes: number, operations: number, error: number): void {
    this.#reports.set([bytes, operations, error], 3 * index);
  }

  /** What all workers do, after a barrier. */
  total(workers: number): Omit<Timing, "seconds"> {
    const sum = (field: number) => {
      let total = 0;
      for (let index = 0; index < workers; index++) total += this.#reports[3 * index + field]!;
      return total;
    };
    const errors = Array.from({ length: workers }, (_, index) => this.#reports[3 * index + 2]!);
    const known = errors.filter((error) => !Number.isNaN(error));
    return { bytes: sum(0), operations: sum(1), error: known.length === 0 ? undefined : Math.max(...known) };
  }
}
