// The caller's line to the leader: numbers the jobs, hands their answers to whoever waits for them, sets abort flags, and keeps the
// process alive while something is under way, and only then.

import { AbortListeners } from "../abort.js";
import { CriaError } from "../errors.js";
import type { Team } from "../machine/team.js";
import { received } from "../posted-error.js";
import { AbortFlags } from "./abort-flags.js";
import type {
  EmbedRequest,
  EvaluateRequest,
  GenerateRequest,
  GenerateSummary,
  LeaderAnswer,
  LeaderRequest,
  SavedSequence,
  SaveRequest,
} from "./messages.js";

type TokenAnswer = Extract<LeaderAnswer, { type: "token" }>;
type Ending = Exclude<LeaderAnswer, { type: "ready" | "token" }>;

type WithoutJob<Request> = Omit<Request, "job" | "abort">;

/** Each signal that is defined aborts the job. */
type Signals = readonly (AbortSignal | undefined)[];

/** A job that the leader knows. It is pending until the leader lets go of it, even if its caller has already been told of an abort. */
interface Pending {
  readonly abort: number;
  readonly onToken: ((token: TokenAnswer) => void) | undefined;
  /** `onToken` threw: the call is rejected. */
  failed: boolean;
  readonly resolve: (ending: Ending) => void;
  readonly reject: (error: unknown) => void;
}

export class LeaderClient {
  readonly #flags: AbortFlags;
  readonly #listeners = new AbortListeners();
  readonly #jobs = new Map<number, Pending>();
  #team: Team | undefined;
  #ready: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #nextJob = 0;
  #ended: Error | undefined;

  constructor(abortFlags: Int32Array) {
    this.#flags = new AbortFlags(abortFlags);
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
  receive(answers: readonly LeaderAnswer[]): void {
    for (const answer of answers) {
      if (answer.type === "ready") {
        this.#team?.keepAlive(false);
        this.#ready?.resolve();
        continue;
      }
      const pending = this.#jobs.get(answer.job);
      if (answer.type === "token") {
        if (pending !== undefined) this.#giveToken(pending, answer);
      } else if (pending !== undefined) {
        this.#jobs.delete(answer.job);
        this.#flags.giveBack(pending.abort);
        if (this.#jobs.size === 0) this.#team?.keepAlive(false);
        pending.resolve(answer);
      }
    }
  }

  /** What is thrown while a token is handled rejects its call, and no other; the leader is told to let go of it. */
  #giveToken(pending: Pending, token: TokenAnswer): void {
    if (pending.failed) return;
    try {
      pending.onToken?.(token);
    } catch (error) {
      pending.failed = true;
      pending.reject(error);
      this.#flags.set(pending.abort);
      this.#team?.tell({ type: "abort" } satisfies LeaderRequest);
    }
  }

  /** The team is lost, or the model is disposed of: every call is rejected, those that wait and those to come. */
  end(error: CriaError): void {
    this.#ended ??= error;
    this.#ready?.reject(this.#ended);
    for (const pending of this.#jobs.values()) pending.reject(this.#ended);
    this.#jobs.clear();
    this.#team?.keepAlive(false);
  }

  tell(request: LeaderRequest): void {
    if (this.#ended !== undefined) throw this.#ended;
    this.#team?.tell(request);
  }

  /** Gives a sequence back. When the model has ended there is nothing left to give back. */
  close(sequence: number): void {
    if (this.#ended === undefined) this.tell({ type: "close", sequence });
  }

  async evaluate(request: WithoutJob<EvaluateRequest>, signals: Signals): Promise<Float32Array> {
    const ending = await this.#run(request, signals);
    if (ending.type !== "evaluated") throw unexpected(ending);
    return ending.logits;
  }

  /** (texts, elements); where the pooling is none, (tokens, elements). */
  async embed(request: WithoutJob<EmbedRequest>, signals: Signals): Promise<Float32Array> {
    const ending = await this.#run(request, signals);
    if (ending.type !== "embedded") throw unexpected(ending);
    return ending.vectors;
  }

  /** What a sequence holds that no call is working on. */
  async save(sequence: number, head: Uint8Array, tail: number): Promise<SavedSequence> {
    const ending = await this.#run({ type: "save", sequence, head, tail }, []);
    if (ending.type !== "saved") throw unexpected(ending);
    return ending;
  }

  async generate(
    request: WithoutJob<GenerateRequest>,
    onToken: (token: TokenAnswer) => void,
    signals: Signals,
  ): Promise<GenerateSummary> {
    const ending = await this.#run(request, signals, onToken);
    if (ending.type !== "generated") throw unexpected(ending);
    return ending.summary;
  }

  /**
   * Runs one job. Rejects with the reason of the signal that aborted it. That is at once, or, where the caller must know whether the
   * sequence has grown, when the leader has let go of the job.
   */
  async #run(
    request:
      | WithoutJob<EvaluateRequest>
      | WithoutJob<EmbedRequest>
      | WithoutJob<GenerateRequest>
      | WithoutJob<SaveRequest>,
    signals: Signals,
    onToken?: (token: TokenAnswer) => void,
  ): Promise<Ending> {
    const watched = signals.filter((signal) => signal !== undefined);
    const throwIfAborted = () => {
      for (const signal of watched) signal.throwIfAborted();
    };
    throwIfAborted();
    const job = this.#nextJob++;
    const atOnce = request.type === "generate" || request.type === "embed";
    let abort: number | undefined;
    let told = false;
    let rejectAborted: () => void = () => undefined;
    const stopListening = this.#listeners.add(watched, () => {
      if (abort === undefined) {
        this.#flags.stopWaiting(job);
      } else {
        this.#flags.set(abort);
        this.#team?.tell({ type: "abort" } satisfies LeaderRequest);
        if (atOnce) rejectAborted();
      }
    });
    try {
      abort = await this.#flags.take(job);
      if (this.#ended !== undefined) throw this.#ended;
      throwIfAborted();
      const ending = await new Promise<Ending>((resolve, reject) => {
        rejectAborted = () => reject(watched.find((signal) => signal.aborted)?.reason);
        this.#jobs.set(job, { abort: abort!, onToken, failed: false, resolve, reject });
        told = true;
        if (this.#jobs.size === 1) this.#team?.keepAlive(true);
        this.#team?.tell({ ...request, job, abort } as LeaderRequest);
      });
      if (ending.type === "aborted") throwIfAborted();
      if (ending.type === "failed") {
        throw received(ending.error);
      }
      return ending;
    } catch (error) {
      if (!told && abort !== undefined) this.#flags.giveBack(abort);
      throw error;
    } finally {
      stopListening();
    }
  }
}

function unexpected(ending: Ending): CriaError {
  return new CriaError("PROTOCOL", `the leader answered "${ending.type}"`);
}
