// How many workers a model gets: what the caller asks for, or what the machine gives.

import { chooseThreads, MOST_THREADS, type ThreadChoice, usableCpus } from "../machine/cpu/threads.js";
import { cpuTopology } from "../machine/cpu/topology.js";
import { checkInteger } from "./options.js";

export interface WorkerPlan extends ThreadChoice {
  /** The team: as many as its widest steps have. */
  readonly workers: number;
  /** Those of them that take part in every step. */
  readonly regulars: number;
  /** Workers that can run at once. */
  readonly cores: number;
}

/** Resolves `threads` and `threadsBatch` on this machine. @throws CriaError INVALID_OPTION */
export async function planWorkers(options: { threads?: number; threadsBatch?: number }): Promise<WorkerPlan> {
  const { threads, threadsBatch } = options;
  if (threads !== undefined) checkInteger("threads", threads, 1, MOST_THREADS);
  if (threadsBatch !== undefined) checkInteger("threadsBatch", threadsBatch, 1, MOST_THREADS);
  const topology = await cpuTopology();
  const environment = typeof process === "undefined" ? undefined : process.env?.["CRIA_THREADS"];
  const choice = chooseThreads(topology, { threads, threadsBatch, environment });
  return {
    ...choice,
    workers: Math.max(choice.threads, choice.threadsBatch),
    regulars: Math.min(choice.threads, choice.threadsBatch),
    cores: usableCpus(topology),
  };
}
