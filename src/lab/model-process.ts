// A model in a process of its own, and bursts on it.

import { type ChildProcess, fork } from "node:child_process";
import { CriaError, WorkerError } from "../errors.js";
import type { ProcessAnswer, ProcessInfo, ProcessLoadOptions, ProcessRequest } from "./tune/messages.js";

export type { ProcessInfo, ProcessLoadOptions } from "./tune/messages.js";

/** Tokens per second. */
export type Rate = number;

/** A model in a process of its own, to be measured. From `ModelProcess.start()`. */
export class ModelProcess {
  readonly info: ProcessInfo;
  readonly #line: Line;

  private constructor(line: Line, info: ProcessInfo) {
    this.#line = line;
    this.info = info;
  }

  /** Starts a process that loads a model. @throws CriaError with the code that loadModel failed with, WorkerError TUNE_PROCESS_DIED */
  static async start(path: string, options: ProcessLoadOptions, signal?: AbortSignal): Promise<ModelProcess> {
    const line = new Line(signal);
    try {
      const answer = await line.ask({ type: "load", path, options });
      if (answer.type === "loaded") return new ModelProcess(line, answer.info);
      throw new WorkerError("TUNE_PROCESS_DIED", "the process that holds the model answered something else");
    } catch (error) {
      await line.close();
      throw error;
    }
  }

  /** So many texts that are generated side by side, all together. */
  async decode(texts: number, milliseconds: number): Promise<Rate> {
    return this.#measure({ type: "decode", texts, milliseconds });
  }

  /** Prompts of so many tokens, one after another. */
  async prefill(tokens: number, milliseconds = 0): Promise<Rate> {
    return this.#measure({ type: "prefill", tokens, milliseconds });
  }

  /** Texts that are embedded. */
  async embed(texts: number, tokens: number): Promise<Rate> {
    return this.#measure({ type: "embed", texts, tokens });
  }

  /** From now on, what is decoded stands behind so many tokens. */
  async fill(depth: number): Promise<Rate> {
    return this.#measure({ type: "fill", depth });
  }

  async #measure(request: ProcessRequest): Promise<Rate> {
    const answer = await this.#line.ask(request);
    return answer.type === "measured" ? answer.tokens / answer.seconds : Number.NaN;
  }

  /** Ends the process. */
  close(): Promise<void> {
    return this.#line.close();
  }
}

/** The child process, and what is asked of it: one thing at a time. */
class Line {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => void this.#child.kill("SIGKILL");
  #waiting:
    | { readonly resolve: (answer: ProcessAnswer) => void; readonly reject: (error: unknown) => void }
    | undefined;
  #complaint = "";

  constructor(signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    this.#signal = signal;
    this.#child = fork(new URL("../lab/tune/runner.js", import.meta.url), {
      execArgv: [], // those of a program that is not a file would not do for one that is
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, CRIA_THREADS: "", CRIA_KERNELS: "" },
    });
    signal?.addEventListener("abort", this.#abort, { once: true });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint = `${this.#complaint}${text}`.slice(-500);
    });
    this.#child.on("message", (answer: ProcessAnswer) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (answer.type === "failed") waiting?.reject(new CriaError(answer.code, answer.message));
      else waiting?.resolve(answer);
    });
    this.#ended = new Promise((resolve) => {
      const end = (why: string) => {
        const said = this.#complaint.trim().split("\n").at(-1);
        const message = `the process that holds the model ended (${why})${said ? `: ${said}` : ""}`;
        this.#waiting?.reject(signal?.aborted ? signal.reason : new WorkerError("TUNE_PROCESS_DIED", message));
        this.#waiting = undefined;
        resolve();
      };
      this.#child.on("error", (error) => end(error.message));
      this.#child.on("exit", (code, killer) => end(killer ?? `exit code ${code}`));
    });
  }

  ask(request: ProcessRequest): Promise<ProcessAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (this.#signal?.aborted) reject(this.#signal.reason);
      else if (this.#child.exitCode !== null || !this.#child.connected) {
        reject(new WorkerError("TUNE_PROCESS_DIED", "the process that holds the model has ended"));
      } else this.#child.send(request);
    });
  }

  async close(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#abort);
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
