// A shard: one memory, what lies where in it, and the views of it by name. A model has as many as it needs, most often one.
//
// What every shard has lies at the same addresses in all of them. The team's control block, the abort flags, the progress and the step
// are used in shard 0 only.

import type { Kernels } from "../../machine/kernels.js";
import { SharedMemory } from "../../machine/shared-memory.js";
import { stepBytes } from "../step.js";
import { ABORT_FLAGS, type Layout } from "./memory-plan.js";
import type { Scratch } from "./scratch.js";

export class Shard extends SharedMemory {
  readonly layout: Layout;
  /** Which of the model's shards it is. */
  readonly index: number;

  constructor(memory: WebAssembly.Memory, layout: Layout, index: number) {
    super(memory);
    this.layout = layout;
    this.index = index;
  }

  /** The step under way, as `writeStep` writes it. */
  get step(): Int32Array {
    return this.wordsAt(this.layout.step, stepBytes(this.layout.rows) / 4);
  }

  /** One int32 for each request under way: nonzero when it is aborted. */
  get aborts(): Int32Array {
    return this.wordsAt(this.layout.aborts, ABORT_FLAGS);
  }

  /** One int32: how much is loaded, in units of PROGRESS_UNIT bytes. */
  get progress(): Int32Array {
    return this.wordsAt(this.layout.progress, 1);
  }

  /** Of the embeddings that stay in the file: rows that steps needed, rows that were read, and the milliseconds that both took. */
  get tableReads(): Float64Array {
    return this.doubles(this.layout.tableReads, 3);
  }

  /** Row `i` of the residual stream, (dim). */
  residual(i: number, dim: number): Float32Array {
    const { address, stride } = this.layout.buffers.x;
    return this.floats(address + i * stride, dim);
  }

  /** Row `i` of the logits, (vocab). */
  logits(i: number, vocab: number): Float32Array {
    const { address, stride } = this.layout.buffers.logits;
    return this.floats(address + i * stride, vocab);
  }

  /** Hidden state `i`, (dim). */
  hidden(i: number, dim: number): Float32Array {
    const { address, stride } = this.layout.buffers.hidden;
    return this.floats(address + i * stride, dim);
  }
}

/** A shard as one worker sees it. */
export class WorkerShard extends Shard {
  /** The worker's instance of the kernels over this memory. */
  readonly kernels: Kernels;
  /** The worker's scratch: the addresses of its parts. */
  readonly scratch: Scratch;

  /** @param worker the worker's number in the team */
  constructor(memory: WebAssembly.Memory, layout: Layout, index: number, kernels: Kernels, worker: number) {
    super(memory, layout, index);
    this.kernels = kernels;
    this.scratch = this.#scratchOf(worker);
  }

  #scratchOf(worker: number): Scratch {
    const { scratch, scratchBytes, scratchParts } = this.layout;
    const base = scratch + worker * scratchBytes;
    const { kernel, job, values, floats, encoded, quantizer, encodedRow, row, lora, choice, gathered } = scratchParts;
    const { headInput, headOutput, headEncoded } = scratchParts;
    return {
      kernel: base + kernel,
      job: base + job,
      values: base + values,
      floats: base + floats,
      encoded: base + encoded,
      quantizer: base + quantizer,
      encodedRow: base + encodedRow,
      row: base + row,
      lora: base + lora,
      choice: base + choice,
      gathered: base + gathered,
      headInput: base + headInput,
      headOutput: base + headOutput,
      headEncoded: base + headEncoded,
    };
  }
}
