// How many workers a model gets, and on which processors: what the caller asks for, or what the machine gives.

import { UnsupportedError } from "../../errors.js";
import type { PinResult } from "../../machine/cpu/pin.js";
import { type PinRequest, pinnedCpus, pinsOf } from "../../machine/cpu/pin-plan.js";
import { chooseThreads, mostThreads, type ThreadChoice } from "../../machine/cpu/threads.js";
import { type CpuTopology, cpuTopology } from "../../machine/cpu/topology.js";
import { checkInteger, invalidOption } from "../../options.js";
import { sharesMemory, whyNothingIsShared } from "../../sharing.js";
import type { Pinning } from "../model-info.js";

export interface WorkerPlan extends ThreadChoice {
  /** Workers of the team: as many as its widest steps need. The first of them compute the narrower steps. */
  readonly workers: number;
  /** Processors that the workers may use. */
  readonly cpus: number;
  /** The processors that this process may use, by their numbers: those for pinned workers are among them. */
  readonly allowed: readonly number[];
  /** The caller's wish, and the processors for each worker; `pins` is undefined where this platform cannot pin. */
  readonly pin:
    | { readonly request: true | string; readonly pins: readonly (readonly number[])[] | undefined }
    | undefined;
}

export interface WorkerOptions {
  readonly threads?: number;
  readonly threadsBatch?: number;
  readonly pin?: PinRequest;
}

/**
 * Resolves the options, on this machine unless another is given.
 *
 * @param tokenBytes bytes of the weights that a step of one row reads; undefined: the model is not known
 * @throws CriaError INVALID_OPTION
 */
export async function planWorkers(options: WorkerOptions, on?: CpuTopology, tokenBytes?: number): Promise<WorkerPlan> {
  const { threads, threadsBatch } = options;
  const machine = on ?? (await cpuTopology());
  const most = mostThreads(machine);
  if (threads !== undefined) checkInteger("threads", threads, 1, most);
  if (threadsBatch !== undefined) checkInteger("threadsBatch", threadsBatch, 1, most);
  const request = checkPin(options.pin);
  const pinned = request === undefined || machine.source !== "sysfs" ? undefined : pinnedCpus(machine, request);
  // Pinned workers have those processors and no others.
  const topology: CpuTopology = pinned === undefined ? machine : { ...machine, allowed: pinned };
  const environment = typeof process === "undefined" ? undefined : process.env?.["CRIA_THREADS"];
  const choice = sharesMemory()
    ? chooseThreads(topology, { threads, threadsBatch, environment, tokenBytes })
    : oneThread({ threads, threadsBatch });
  if (choice.threads > most) throw invalidOption("CRIA_THREADS", `an integer in 1 .. ${most}`, environment);
  const workers = Math.max(choice.decodeWorkers, choice.threadsBatch);
  const pins = pinned === undefined ? undefined : pinsOf(pinned, workers);
  return {
    ...choice,
    workers,
    cpus: topology.allowed.length,
    allowed: machine.allowed,
    pin: request === undefined ? undefined : { request, pins },
  };
}

/** Where threads share no memory, a model has one. @throws UnsupportedError UNSUPPORTED_HOST where more are asked for */
function oneThread({ threads, threadsBatch }: WorkerOptions): ThreadChoice {
  const { reason, remedy } = whyNothingIsShared();
  for (const [name, count] of Object.entries({ threads, threadsBatch })) {
    if (count === undefined || count === 1) continue;
    throw new UnsupportedError("UNSUPPORTED_HOST", `${name} is ${count}, but ${reason}${remedy}`);
  }
  return { threads: 1, threadsBatch: 1, decodeWorkers: 1, batchRows: 2, reason: `1 thread: ${reason}` };
}

function checkPin(pin: unknown): true | string | undefined {
  if (pin === undefined || pin === false) return undefined;
  if (pin === true || typeof pin === "string") return pin;
  throw invalidOption("pin", "true, false or a string", pin);
}

/** The processors that some worker may run on: where a worker is not pinned as it should be, all of them. */
export function whereWorkersRun({ allowed }: WorkerPlan, results: readonly PinResult[]): readonly number[] {
  const pinned = results.length > 0 && results.every(({ problem }) => problem === undefined);
  return pinned ? [...new Set(results.flatMap(({ cpus }) => cpus ?? allowed))] : allowed;
}

/** The outcome of pinning. A pin that failed is a warning of the process: the model still runs, but elsewhere. */
export function reportPinning(plan: WorkerPlan, results: readonly PinResult[]): Pinning | undefined {
  if (plan.pin === undefined) return undefined;
  const { request, pins } = plan.pin;
  const problem =
    pins === undefined
      ? "only Linux tells and pins processors"
      : results.find((result) => result.problem !== undefined)?.problem;
  if (problem !== undefined && typeof process !== "undefined") {
    process.emitWarning?.(`pin ${JSON.stringify(request)} did not work: ${problem}`, { code: "CRIA_PIN" });
  }
  return { request, workers: results.map(({ cpus }) => cpus), problem };
}
