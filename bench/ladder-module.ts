// The ladder's module (bench/ladder, AssemblyScript) over one memory, with as many threads as there are cores for the last rungs: this
// thread and workers.
//
//   64 | the team's control block   4096 | what the workers are to run   8192 | weights, packed | source | x | y | scratch

import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";

export const RUNGS = [1, 2, 3, 4, 5, 6, 7, 8] as const;
export type Rung = (typeof RUNGS)[number];

/** The first of the rungs that all threads run together. */
export const TEAM_RUNG = 7;
/** The rung that needs the engine's wide kernels. */
export const WIDE_RUNG = 8;

/** A product of Q4_0 weights: rows are a multiple of 8, columns of 32. */
export interface LadderShape {
  readonly rows: number;
  readonly columns: number;
  readonly tokens: number;
}

type Matmul = (
  weights: number,
  x: number,
  y: number,
  rows: number,
  columns: number,
  tokens: number,
  scratch: number,
) => void;
type Pack = (from: number, rows: number, columns: number, to: number) => void;

export type LadderExports = {
  readonly [Name in `matmul${Rung}`]: Matmul;
} & { readonly [Name in `pack${Rung}`]: Pack } & {
  teamJoin(control: number, index: number, workers: number, regulars: number): void;
  announceStep(workers: number): void;
  awaitStep(last: number): number;
};

export interface LadderWorkerData {
  readonly module: WebAssembly.Module;
  readonly wide: WebAssembly.Module | undefined;
  readonly memory: WebAssembly.Memory;
  readonly index: number;
  readonly threads: number;
}

export const CONTROL = 64;
export const TASK = 4096;
export const TASK_WORDS = 8;
/** Looks before a waiting thread sleeps: word 448 of the control block. */
const SPIN = (CONTROL + 448) >> 2;
const WEIGHTS = 8192;
const CACHE_LINE = 64;
const WASM_PAGE = 65536;

const aligned = (bytes: number) => Math.ceil(bytes / CACHE_LINE) * CACHE_LINE;

/** Q4_0's bytes of a matrix. */
export function weightBytes({ rows, columns }: LadderShape): number {
  return (rows * columns * 18) / 32;
}

export class Ladder {
  readonly threads: number;
  readonly shape: LadderShape;
  readonly #exports: LadderExports;
  readonly #memory: WebAssembly.Memory;
  readonly #workers: readonly Worker[];
  /** weights, x, y, rows, columns, tokens, scratch: what every rung's matmul takes; the rung. */
  readonly #task: Int32Array;
  readonly #source: number;

  /**
   * @param wasm path of the built module
   * @param wide the engine's wide kernels; undefined: they do not run here, and neither does their rung
   */
  constructor(wasm: string | URL, threads: number, shape: LadderShape, wide?: WebAssembly.Module) {
    const { rows, columns, tokens } = shape;
    this.shape = shape;
    this.threads = threads;
    const source = aligned(WEIGHTS + rows * columns * 4); // rung 1 keeps f32
    const x = aligned(source + weightBytes(shape));
    const y = aligned(x + tokens * columns * 4);
    const scratch = aligned(y + tokens * rows * 4);
    // Activations in their largest encoding, and a panel for each thread.
    const end = scratch + (tokens + 8) * columns * 8 + threads * (2 ** 18 + tokens * 128);
    const pages = Math.ceil(end / WASM_PAGE);
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const module = compile(wasm);
    this.#exports = instantiateLadder(module, this.#memory, wide);
    this.#source = source;
    this.#task = new Int32Array(this.#memory.buffer, TASK, TASK_WORDS);
    this.#task.set([WEIGHTS, x, y, rows, columns, tokens, scratch, TEAM_RUNG]);
    new Int32Array(this.#memory.buffer)[SPIN] = 20_000;
    this.#exports.teamJoin(CONTROL, 0, threads, threads);
    this.#workers = Array.from({ length: threads - 1 }, (_, i) => {
      const workerData: LadderWorkerData = { module, wide, memory: this.#memory, index: i + 1, threads };
      const worker = new Worker(new URL("./ladder-worker.js", import.meta.url), { workerData });
      worker.unref();
      return worker;
    });
  }

  /** @param weights (rows, columns) Q4_0 in GGUF's layout @param x (tokens, columns) f32 */
  setInput(weights: Uint8Array, x: Float32Array): void {
    new Uint8Array(this.#memory.buffer, this.#source, weights.length).set(weights);
    new Float32Array(this.#memory.buffer, this.#task[1], x.length).set(x);
  }

  /** Lays the weights out as a rung wants them. */
  pack(rung: Rung): void {
    this.#exports[`pack${rung}`](this.#source, this.shape.rows, this.shape.columns, WEIGHTS);
  }

  /** Runs a rung on the weights that were packed for it. */
  run(rung: Rung): void {
    this.#task[7] = rung;
    if (rung >= TEAM_RUNG) this.#exports.announceStep(this.threads);
    const [weights, x, y, rows, columns, tokens, scratch] = this.#task as unknown as Parameters<Matmul>;
    this.#exports[`matmul${rung}`](weights, x, y, rows, columns, tokens, scratch);
  }

  /** (tokens, rows) f32. */
  get result(): Float32Array {
    return new Float32Array(this.#memory.buffer, this.#task[2], this.shape.tokens * this.shape.rows).slice();
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** Node 20 has relaxed SIMD behind a flag. */
function compile(wasm: string | URL): WebAssembly.Module {
  const bytes = readFileSync(wasm);
  if (!WebAssembly.validate(bytes)) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return new WebAssembly.Module(bytes);
}

export function instantiateLadder(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  wide: WebAssembly.Module | undefined,
): LadderExports {
  const kernels = wide === undefined ? undefined : new WebAssembly.Instance(wide, { env: { memory } }).exports;
  const missing = () => {
    throw new Error("wide kernels do not run here");
  };
  const imports = { env: { memory }, wide: { matmul: kernels?.["matmul"] ?? missing } };
  return new WebAssembly.Instance(module, imports).exports as unknown as LadderExports;
}
