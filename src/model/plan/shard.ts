// A shard: one memory, what lies where in it, and the views of it by name. A model is one shard.

import { SharedMemory } from "../../machine/shared-memory.js";
import { stepBytes } from "../step.js";
import { ABORT_FLAGS, type Layout } from "./memory-plan.js";
import type { Scratch } from "./scratch.js";

export class Shard extends SharedMemory {
  readonly layout: Layout;

  constructor(memory: WebAssembly.Memory, layout: Layout) {
    super(memory);
    this.layout = layout;
  }

  /** The step under way, as `writeStep` writes it. */
  get step(): Int32Array<SharedArrayBuffer> {
    return this.wordsAt(this.layout.step, stepBytes(this.layout.rows) / 4);
  }

  /** One int32 for each request under way: nonzero when it is aborted. */
  get aborts(): Int32Array<SharedArrayBuffer> {
    return this.wordsAt(this.layout.aborts, ABORT_FLAGS);
  }

  /** One int32: how much is loaded, in units of PROGRESS_UNIT bytes. */
  get progress(): Int32Array<SharedArrayBuffer> {
    return this.wordsAt(this.layout.progress, 1);
  }

  /** Row `i` of the residual stream, (dim). */
  residual(i: number, dim: number): Float32Array<SharedArrayBuffer> {
    const { address, stride } = this.layout.buffers.x;
    return this.floats(address + i * stride, dim);
  }

  /** Row `i` of the logits, (vocab). */
  logits(i: number, vocab: number): Float32Array<SharedArrayBuffer> {
    const { address, stride } = this.layout.buffers.logits;
    return this.floats(address + i * stride, vocab);
  }

  /** Hidden state `i`, (dim). */
  hidden(i: number, dim: number): Float32Array<SharedArrayBuffer> {
    const { address, stride } = this.layout.buffers.hidden;
    return this.floats(address + i * stride, dim);
  }

  /** A worker's scratch: the addresses of its parts. */
  scratch(worker: number): Scratch {
    const { scratch, scratchBytes, scratchParts } = this.layout;
    const base = scratch + worker * scratchBytes;
    const { kernel, job, values, encodedRow, row, headInput, headOutput, headEncoded } = scratchParts;
    return {
      kernel: base + kernel,
      job: base + job,
      values: base + values,
      encodedRow: base + encodedRow,
      row: base + row,
      headInput: base + headInput,
      headOutput: base + headOutput,
      headEncoded: base + headEncoded,
    };
  }
}
