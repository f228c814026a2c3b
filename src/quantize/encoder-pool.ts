// Workers that encode pieces side by side. Each takes one piece at a time, in the order in which they are asked for.

import { WorkerError } from "../errors.js";
import { startWorker, type WorkerHandle } from "../worker-handle.js";
import type { EncodedPiece, Piece } from "./encoder.js";

interface Task {
  readonly piece: Piece;
  readonly resolve: (encoded: EncodedPiece) => void;
  readonly reject: (error: Error) => void;
}

export class EncoderPool {
  readonly #handles: WorkerHandle[] = [];
  readonly #idle: number[] = [];
  readonly #running = new Map<number, Task>();
  readonly #waiting: Task[] = [];
  #dead: Error | undefined;

  private constructor() {}

  static async start(workers: number, module: WebAssembly.Module): Promise<EncoderPool> {
    const pool = new EncoderPool();
    try {
      await pool.#startWorkers(workers, module);
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  async #startWorkers(workers: number, module: WebAssembly.Module): Promise<void> {
    for (let index = 0; index < workers; index++) {
      this.#handles.push(
        await startWorker(new URL("../quantize/worker.js", import.meta.url), `cria-quantize-${index}`, module, {
          onMessage: (message) => this.#answer(index, message as EncodedPiece),
          onError: (error) => this.#die(`worker ${index} of ${workers} failed: ${error.message}`),
          onExit: (code) => this.#die(`worker ${index} of ${workers} ended unexpectedly with code ${code}`),
        }),
      );
      this.#idle.push(index);
    }
  }

  /** How many pieces to ask for before the first of them is needed: two for each worker. */
  get ahead(): number {
    return 2 * this.#handles.length;
  }

  /** Encodes a piece. @throws WorkerError when a worker dies: the pool cannot be used after that */
  encode(piece: Piece): Promise<EncodedPiece> {
    return new Promise((resolve, reject) => {
      if (this.#dead !== undefined) return reject(this.#dead);
      this.#waiting.push({ piece, resolve, reject });
      this.#next();
    });
  }

  /** Ends the workers; pieces that are not encoded yet never are. */
  async close(): Promise<void> {
    this.#die("the pool was closed");
    await Promise.all(this.#handles.map((handle) => handle.terminate()));
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#idle.length > 0) {
      const task = this.#waiting.shift()!;
      const index = this.#idle.shift()!;
      this.#running.set(index, task);
      this.#handles[index]!.postMessage(task.piece);
    }
  }

  #answer(index: number, encoded: EncodedPiece): void {
    this.#running.get(index)?.resolve(encoded);
    this.#running.delete(index);
    this.#idle.push(index);
    this.#next();
  }

  #die(reason: string): void {
    if (this.#dead !== undefined) return;
    this.#dead = new WorkerError("WORKER_DIED", reason);
    for (const { reject } of [...this.#running.values(), ...this.#waiting]) reject(this.#dead);
  }
}
