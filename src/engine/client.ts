// The main thread's line to the leader: numbers the jobs, hands their answers to who waits for them, sets abort flags, and keeps the
// process alive while something is under way, and only then.

import { ContextError, CriaError, type WorkerError } from "../errors.js";
import type { Team } from "../machine/team.js";
import { AbortFlags } from "./abort-flags.js";
import type {
  EmbedRequest,
  EvaluateRequest,
  GenerateRequest,
  GenerateSummary,
  LeaderAnswer,
  LeaderRequest,
} from "./messages.js";

type TokenAnswer = Extract<LeaderAnswer, { type: "token" }>;
type Ending = Exclude<LeaderAnswer, { type: "ready" | "token" }>;

type WithoutJob<Request> = Omit<Request, "job" | "abort">;

interface Pending {
  readonly onToken: ((token: TokenAnswer) => void) | undefined;
  readonly resolve: (ending: Ending) => void;
  readonly reject: (error: unknown) => void;
}

export class LeaderClient {
  readonly #flags: AbortFlags;
  readonly #jobs = new Map<number, Pending>();
  #team: Team | undefined;
  #ready: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #nextJob = 0;
  #ended: Error | undefined;

  constructor(memory: WebAssembly.Memory, abortFlags: number) {
    this.#flags = new AbortFlags(memory, abortFlags);
  }

  /** Waits until all workers have loaded the model. */
  ready(team: Team): Promise<void> {
    this.#team = team;
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) reject(this.#ended);
      else this.#ready = { resolve, reject };
    });
  }

  /** A message from the leader. */
  receive(message: LeaderAnswer): void {
    if (message.type === "ready") {
      this.#team?.keepAlive(false);
      this.#ready?.resolve();
      return;
    }
    const pending = this.#jobs.get(message.job);
    if (pending === undefined) return;
    if (message.type === "token") pending.onToken?.(message);
    else pending.resolve(message);
  }

  /** The team is lost, or the model is disposed of: everything that waits is rejected, and all that comes. */
  end(error: WorkerError | CriaError): void {
    this.#ended ??= error;
    this.#ready?.reject(this.#ended);
    for (const pending of this.#jobs.values()) pending.reject(this.#ended);
  }

  tell(request: LeaderRequest): void {
    if (this.#ended !== undefined) throw this.#ended;
    this.#team?.tell(request);
  }

  async evaluate(request: WithoutJob<EvaluateRequest>, signal?: AbortSignal): Promise<Float32Array> {
    const ending = await this.#run(request, signal);
    if (ending.type !== "evaluated") throw unexpected(ending);
    return ending.logits;
  }

  async embed(request: WithoutJob<EmbedRequest>, signal?: AbortSignal): Promise<Float32Array> {
    const ending = await this.#run(request, signal);
    if (ending.type !== "embedded") throw unexpected(ending);
    return ending.vector;
  }

  async generate(
    request: WithoutJob<GenerateRequest>,
    onToken: (token: TokenAnswer) => void,
    signal?: AbortSignal,
  ): Promise<GenerateSummary> {
    const ending = await this.#run(request, signal, onToken);
    if (ending.type !== "generated") throw unexpected(ending);
    return ending.summary;
  }

  /** Runs one job. Rejects with signal.reason once the leader has let go of it. */
  async #run(
    request: WithoutJob<EvaluateRequest> | WithoutJob<EmbedRequest> | WithoutJob<GenerateRequest>,
    signal: AbortSignal | undefined,
    onToken?: (token: TokenAnswer) => void,
  ): Promise<Ending> {
    signal?.throwIfAborted();
    const abort = await this.#flags.take();
    const job = this.#nextJob++;
    const onAbort = () => {
      this.#flags.set(abort);
      this.#team?.tell({ type: "abort" } satisfies LeaderRequest);
    };
    try {
      if (this.#ended !== undefined) throw this.#ended;
      signal?.throwIfAborted();
      const ending = await new Promise<Ending>((resolve, reject) => {
        this.#jobs.set(job, { onToken, resolve, reject });
        if (this.#jobs.size === 1) this.#team?.keepAlive(true);
        signal?.addEventListener("abort", onAbort, { once: true });
        this.#team?.tell({ ...request, job, abort } as LeaderRequest);
      });
      if (ending.type === "aborted") throw signal?.reason ?? new CriaError("ABORTED", "the request was aborted");
      if (ending.type === "failed") {
        const Class = ending.kind === "context" ? ContextError : CriaError;
        throw new Class(ending.code, ending.message);
      }
      return ending;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#jobs.delete(job);
      this.#flags.giveBack(abort);
      if (this.#jobs.size === 0) this.#team?.keepAlive(false);
    }
  }
}

function unexpected(ending: Ending): CriaError {
  return new CriaError("PROTOCOL", `the leader answered "${ending.type}"`);
}
