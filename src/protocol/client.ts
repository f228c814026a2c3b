// The caller's line to the leader: numbers the jobs, hands their answers to whoever waits for them, sets abort flags, and keeps the
// process alive while something is under way, and only then.

import { AbortListeners } from "../abort.js";
import { CriaError } from "../errors.js";
import type { Team } from "../machine/team.js";
import { received } from "../posted-error.js";
import { AbortFlags } from "./abort-flags.js";
import {
  type EmbedRequest,
  type EvaluateRequest,
  type GenerateRequest,
  type GenerateSummary,
  type LeaderAnswer,
  type LeaderRequest,
  type SampleRequest,
  type SavedSequence,
  type SaveRequest,
  TOKEN_WINDOW,
} from "./messages.js";

/** Tokens that are taken before the leader is told, so that it has more to send before the window is used up. */
const GRANT = TOKEN_WINDOW / 2;

type TokenAnswer = Extract<LeaderAnswer, { type: "token" }>;
type ProgressAnswer = Extract<LeaderAnswer, { type: "progress" }>;
type Ending = Exclude<LeaderAnswer, { type: "ready" | "token" | "progress" }>;

export type WithoutJob<Request> = Omit<Request, "job" | "abort">;

/** Each signal that is defined aborts the job. */
export type Signals = readonly (AbortSignal | undefined)[];

/** A job that the leader knows. It is pending until the leader lets go of it, even if its caller has already been told of an abort. */
interface Pending {
  readonly job: number;
  /** Its abort flag. A generation that is paused has none, so that calls that nobody reads do not keep others from theirs. */
  abort: number | undefined;
  readonly onToken: OnToken | undefined;
  readonly onProgress: OnProgress | undefined;
  /** The caller takes one more token. */
  readonly taken: () => void;
  /** Tokens that have come, that the leader may send, and that the caller has taken since the leader was told. */
  received: number;
  granted: number;
  untold: number;
  /** The leader is asked to let go of it. */
  aborted: boolean;
  readonly resolve: (ending: Ending) => void;
  readonly reject: (error: unknown) => void;
}

/** What is done with a token; `taken` is to be called when its reader takes it. */
export type OnToken = (token: TokenAnswer, taken: () => void) => void;

/** Told how far the prompt is evaluated, where the request asks for that. It must not throw. */
export type OnProgress = (progress: ProgressAnswer) => void;

/** What a model asks of its leader, or of the leaders of several teams. */
export type ModelClient = Pick<LeaderClient, "evaluate" | "embed" | "generate" | "save" | "tell" | "close" | "end">;

export class LeaderClient {
  readonly #flags: AbortFlags;
  readonly #sharesFlags: boolean;
  readonly #onWork: () => void;
  readonly #listeners = new AbortListeners();
  readonly #jobs = new Map<number, Pending>();
  #team: Team | undefined;
  #ready: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #nextJob = 0;
  #ended: Error | undefined;
  /** While the model is loaded, the workers keep the process alive. */
  #alive = true;

  /** @param onWork called when the leader is given a job @param sharesFlags whether the leader reads them; if not, it is told of aborts */
  constructor(abortFlags: Int32Array, onWork: () => void = () => undefined, sharesFlags = true) {
    this.#flags = new AbortFlags(abortFlags);
    this.#sharesFlags = sharesFlags;
    this.#onWork = onWork;
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
        this.#keepAlive();
        this.#ready?.resolve();
        continue;
      }
      const pending = this.#jobs.get(answer.job);
      if (answer.type === "token") {
        if (pending !== undefined) this.#giveToken(pending, answer);
      } else if (answer.type === "progress") {
        if (pending?.aborted === false) pending.onProgress?.(answer);
      } else if (pending !== undefined) {
        this.#jobs.delete(answer.job);
        this.#giveFlagBack(pending);
        this.#keepAlive();
        pending.resolve(answer);
      }
    }
  }

  /** What is thrown while a token is handled rejects its call, and no other; the leader is told to let go of it. */
  #giveToken(pending: Pending, token: TokenAnswer): void {
    pending.received++;
    if (!pending.aborted) {
      try {
        pending.onToken?.(token, pending.taken);
      } catch (error) {
        pending.reject(error);
        this.#abort(pending);
      }
    }
    if (pending.received < pending.granted) return;
    // The leader has paused it, and nothing is on its way any more.
    this.#giveFlagBack(pending);
    if (pending.aborted) this.#tellDrop(pending);
    this.#keepAlive();
  }

  /** The leader may send as many tokens more as were taken. A generation that was paused goes on. */
  #grant(pending: Pending): void {
    const tokens = pending.untold;
    pending.untold = 0;
    const { job, abort } = pending;
    if (abort !== undefined) {
      pending.granted += tokens;
      this.#team?.tell({ type: "grant", job, tokens, abort } satisfies LeaderRequest);
      return;
    }
    void this.#flags.take(job).then((flag) => {
      if (flag === undefined) return;
      if (this.#jobs.get(job) !== pending || pending.aborted) {
        this.#flags.giveBack(flag);
        return;
      }
      pending.abort = flag;
      pending.granted += tokens;
      this.#team?.tell({ type: "grant", job, tokens, abort: flag } satisfies LeaderRequest);
      this.#keepAlive();
    });
  }

  /** Asks the leader to let go of a job. */
  #abort(pending: Pending): void {
    if (pending.aborted) return;
    pending.aborted = true;
    if (pending.abort === undefined) this.#flags.stopWaiting(pending.job);
    if (pending.abort === undefined || !this.#sharesFlags) {
      this.#tellDrop(pending);
    } else {
      this.#flags.set(pending.abort);
      this.#team?.tell({ type: "abort" } satisfies LeaderRequest);
    }
  }

  #tellDrop({ job }: Pending): void {
    this.#team?.tell({ type: "drop", job } satisfies LeaderRequest);
  }

  #giveFlagBack(pending: Pending): void {
    if (pending.abort !== undefined) this.#flags.giveBack(pending.abort);
    pending.abort = undefined;
  }

  /** Whether calls are under way. */
  get isBusy(): boolean {
    return this.#jobs.size > 0;
  }

  /** Something under way keeps the process alive. What is paused does not: if nothing else goes on, nobody will ever read it. */
  #keepAlive(): void {
    const alive = [...this.#jobs.values()].some(({ received, granted }) => received < granted);
    if (alive !== this.#alive) this.#team?.keepAlive(alive);
    this.#alive = alive;
  }

  /** The team is lost, or the model is disposed of: every call is rejected, those that wait and those to come. */
  end(error: CriaError): void {
    this.#ended ??= error;
    this.#ready?.reject(this.#ended);
    const pending = [...this.#jobs.values()];
    this.#jobs.clear();
    for (const each of pending) {
      each.reject(this.#ended);
      this.#giveFlagBack(each); // calls that wait for a flag are then rejected, too
    }
    this.#keepAlive();
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

  /** Samples of the weights as they lie in memory: what tells this model from others. */
  async sample(): Promise<Uint8Array<ArrayBuffer>> {
    const ending = await this.#run({ type: "sample" }, []);
    if (ending.type !== "sampled") throw unexpected(ending);
    return ending.samples;
  }

  async generate(
    request: WithoutJob<GenerateRequest>,
    onToken: OnToken,
    signals: Signals,
    onProgress?: OnProgress,
  ): Promise<GenerateSummary> {
    const ending = await this.#run(request, signals, onToken, onProgress);
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
      | WithoutJob<SaveRequest>
      | WithoutJob<SampleRequest>,
    signals: Signals,
    onToken?: OnToken,
    onProgress?: OnProgress,
  ): Promise<Ending> {
    const watched = signals.filter((signal) => signal !== undefined);
    const throwIfAborted = () => {
      for (const signal of watched) signal.throwIfAborted();
    };
    throwIfAborted();
    const job = this.#nextJob++;
    const atOnce = request.type === "generate" || request.type === "embed";
    let abort: number | undefined;
    let pending: Pending | undefined;
    const stopListening = this.#listeners.add(watched, () => {
      if (pending === undefined) {
        this.#flags.stopWaiting(job);
      } else {
        this.#abort(pending);
        if (atOnce) pending.reject(watched.find((signal) => signal.aborted)?.reason);
      }
    });
    try {
      abort = await this.#flags.take(job);
      if (this.#ended !== undefined) throw this.#ended;
      throwIfAborted();
      const ending = await new Promise<Ending>((resolve, reject) => {
        const taken = () => {
          if (this.#jobs.get(job) !== pending || pending === undefined) return;
          pending.untold++;
          if (pending.untold >= GRANT) this.#grant(pending);
        };
        const window = onToken === undefined ? Number.POSITIVE_INFINITY : TOKEN_WINDOW;
        const counts = { received: 0, granted: window, untold: 0 };
        pending = { job, abort, onToken, onProgress, taken, ...counts, aborted: false, resolve, reject };
        this.#jobs.set(job, pending);
        this.#keepAlive();
        this.#team?.tell({ ...request, job, abort } as LeaderRequest);
        this.#onWork();
      });
      if (ending.type === "aborted") throwIfAborted();
      if (ending.type === "failed") {
        throw received(ending.error);
      }
      return ending;
    } catch (error) {
      if (pending === undefined && abort !== undefined) this.#flags.giveBack(abort);
      throw error;
    } finally {
      stopListening();
    }
  }
}

function unexpected(ending: Ending): CriaError {
  return new CriaError("PROTOCOL", `the leader answered "${ending.type}"`);
}
