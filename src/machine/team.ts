// The main thread's side of the team: starts the workers, passes messages to and from the leader, and notices death. It knows
// nothing about transformers: the workers' entry and what they are given come from outside.

import { TEAM_CPUS, TEAM_POISON, TEAM_POISON_OP, TEAM_SPIN } from "#abi";
import { type CriaError, WorkerError } from "../errors.js";
import { type PostedError, received } from "../posted-error.js";
import { sharesMemory } from "../sharing.js";
import { startWorker, type WorkerHandle } from "../worker-handle.js";
import type { PinResult } from "./cpu/pin.js";
import { clearTicket, type GatePlace } from "./gate.js";
import { givePlaceBack } from "./gate-place.js";
import { countPieces, type Membership, type PieceCounts, poisonTeam, teamBytes } from "./member.js";
import { SharedMemory } from "./shared-memory.js";

export interface TeamOptions {
  /** Starts one worker of the program. It is a function so that the caller's bundler sees the literal `new URL`. */
  readonly entry: URL;
  readonly module: WebAssembly.Module;
  /** The wide module beside it, if there is one. */
  readonly wide?: WebAssembly.Module | undefined;
  /** Where threads share none, a copy of the only worker's, up to the end of the control block at least. That worker makes its own. */
  readonly memory: WebAssembly.Memory;
  /** Byte offset of the control block (`teamBytes`, zeroed). */
  readonly control: number;
  readonly workers: number;
  /** How many workers take part in every step. */
  readonly regulars: number;
  /** Processors that the workers may use. */
  readonly cpus: number;
  /** For each worker, the processors that it is pinned to. undefined: no worker is pinned. */
  readonly pins?: readonly (readonly number[])[] | undefined;
  /** Where it stands at the gate of the process. It is given back when the team is closed. undefined: it computes when it wants to. */
  readonly gate?: GatePlace | undefined;
  /** What every worker is given besides its membership. It must survive structured cloning. */
  readonly program: unknown;
  /** A message from worker `index`. */
  readonly onMessage: (index: number, message: unknown) => void;
  /** The team is lost; called once. */
  readonly onDeath: (error: CriaError) => void;
}

/** What a worker finds in its first message. */
export interface WorkerData {
  /** Without `memory` where threads share none. */
  readonly membership: Membership;
  /** The processors to pin itself to, before anything else. The worker then reports the outcome. */
  readonly pin: readonly number[] | undefined;
  readonly program: unknown;
}

/** What a worker that was given processors posts first. */
export interface PinNotice extends PinResult {
  readonly type: "pin";
}

/** What a worker posts when it leaves because of its own error. */
export interface DeathNotice {
  readonly type: "death";
  readonly message: string;
  /** The operation at which it died, where it has come so far. */
  readonly op?: number | undefined;
  /** The error that the caller gets in place of a WorkerError: while a model is loaded, what is wrong with it. */
  readonly error?: PostedError | undefined;
}

// How often a waiting worker looks before it sleeps. It looks for about 50 microseconds, which is what waking up costs.
const SPIN = 20_000;

export class Team {
  readonly #handles: WorkerHandle[] = [];
  readonly #words: Int32Array;
  readonly #options: TeamOptions;
  readonly #untold: unknown[] = [];
  /** The outcome of pinning each worker. It never resolves if a worker dies before it can report. */
  readonly pinned: Promise<readonly PinResult[]>;
  readonly #pinResults: PinResult[] = [];
  #allPinned: (results: readonly PinResult[]) => void = () => undefined;
  #dead: CriaError | undefined;
  #gate: GatePlace | undefined;
  #closing = false;

  private constructor(options: TeamOptions) {
    this.#options = options;
    this.#gate = options.gate;
    this.#words = new SharedMemory(options.memory).words;
    this.pinned =
      options.pins === undefined ? Promise.resolve([]) : new Promise((resolve) => (this.#allPinned = resolve));
  }

  /** Starts the workers. They run on their own, and their messages arrive at `onMessage`. @throws MemoryError MEMORY_REFUSED */
  static async start(options: TeamOptions): Promise<Team> {
    const team = new Team(options);
    team.#words.fill(0, options.control >> 2, (options.control + teamBytes(options.workers)) >> 2);
    team.#words[(options.control + TEAM_SPIN) >> 2] = SPIN;
    team.#words[(options.control + TEAM_CPUS) >> 2] = options.cpus;
    try {
      await team.#startWorkers(options);
      return team;
    } catch (error) {
      await team.close();
      throw error;
    }
  }

  async #startWorkers(options: TeamOptions): Promise<void> {
    for (let index = 0; index < options.workers; index++) {
      const { module, wide, memory, control, workers, regulars, gate, program } = options;
      const membership: Omit<Membership, "memory"> = { module, wide, control, index, workers, regulars, gate };
      const data = {
        membership: sharesMemory() ? { ...membership, memory } : membership,
        pin: options.pins?.[index],
        program,
      };
      this.#handles.push(
        await startWorker(options.entry, `cria-${index}`, data, {
          onMessage: (message) => {
            if (isNotice<DeathNotice>(message, "death")) this.#die(index, message.message, message);
            else if (isNotice<PinNotice>(message, "pin")) this.#notePin(index, message);
            else options.onMessage(index, message);
          },
          onError: (error) => this.#die(index, error.message),
          onExit: (code) => this.#onExit(index, code),
        }),
      );
    }
  }

  /** The error that ended the team, if it is dead. */
  get dead(): CriaError | undefined {
    return this.#dead;
  }

  /**
   * Sends a message to the leader. Messages that are sent in the same turn arrive together, as an array in their order. Otherwise the
   * leader would begin with the first, and work that fits in one step would be split.
   */
  tell(message: unknown): void {
    if (this.#untold.push(message) > 1) return;
    queueMicrotask(() => this.#handles[0]?.postMessage(this.#untold.splice(0)));
  }

  /** How many pieces of owned work were taken by their owners, and by others. */
  get pieces(): PieceCounts {
    return countPieces(this.#words, this.#options.control, this.#options.workers);
  }

  /** Whether the workers keep the process alive. */
  keepAlive(yes: boolean): void {
    for (const handle of this.#handles) handle.keepAlive(yes);
  }

  /** Ends all workers. */
  async close(): Promise<void> {
    this.#closing = true;
    poisonTeam(this.#words, this.#options.control, this.#options.workers);
    await Promise.all(this.#handles.map((handle) => handle.terminate()));
    if (this.#gate !== undefined) givePlaceBack(this.#gate);
    this.#gate = undefined; // it is soon another's
  }

  /** A worker that leaves because another one poisoned the team is not the cause. The notice or the exit of that one is still to come. */
  #onExit(index: number, code: number): void {
    const first = this.#firstToDie();
    if (first === undefined || first === index) this.#die(index, `it ended unexpectedly with code ${code}`);
  }

  /** The worker that poisoned the team. */
  #firstToDie(): number | undefined {
    const poison = Atomics.load(this.#words, (this.#options.control + TEAM_POISON) >> 2);
    return poison >= 1 && poison <= this.#options.workers ? poison - 1 : undefined;
  }

  #notePin(index: number, result: PinResult): void {
    this.#pinResults[index] = result;
    if (Object.keys(this.#pinResults).length === this.#options.workers) this.#allPinned(this.#pinResults);
  }

  #die(index: number, reason: string, { error, op }: Pick<DeathNotice, "error" | "op"> = {}): void {
    if (this.#closing || this.#dead !== undefined) return;
    poisonTeam(this.#words, this.#options.control, index);
    const first = this.#firstToDie() ?? index;
    const at = op ?? this.#words[(this.#options.control + TEAM_POISON_OP) >> 2];
    const role = first === 0 ? "the leader" : `follower ${first}`;
    this.#dead =
      error === undefined
        ? new WorkerError("WORKER_DIED", `${role} of ${this.#options.workers} workers died at op ${at}: ${reason}`)
        : received(error);
    if (this.#gate !== undefined) clearTicket(this.#gate.words, this.#gate.place);
    this.#options.onDeath(this.#dead);
  }
}

function isNotice<Notice extends { readonly type: string }>(message: unknown, type: Notice["type"]): message is Notice {
  return typeof message === "object" && message !== null && (message as { type?: unknown }).type === type;
}
