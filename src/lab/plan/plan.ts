// `cria plan` as a function: what a model takes of a machine's memory, what fits, and whether few large instances or many small ones do
// more. It reads the model's header only.

import { besidesBytes } from "../../api/load/memory-check.js";
import { type PlannedModel, planModel } from "../../api/load/plan-model.js";
import { MemoryError } from "../../errors.js";
import { type Gguf, openGguf } from "../../gguf/index.js";
import type { KvCacheType, LoadOptions, LoadSource, MemoryPlan } from "../../index.js";
import { availableMemory } from "../../machine/cpu/available-memory.js";
import { chooseThreads } from "../../machine/cpu/threads.js";
import { type CpuTopology, cpuTopology } from "../../machine/cpu/topology.js";
import { compileKernels, type KernelModule, kernelChoices } from "../../machine/kernels.js";
import { checkBoolean, checkChoice, checkInteger, checkSignal, checkText, namesOf, optionsOf } from "../../options.js";
import type { MachineProfile } from "./machine-profile.js";
import { machineProfile } from "./measure-machine.js";
import { ModelCost } from "./model-cost.js";
import { decodeRate, prefillRate } from "./predict.js";

/** What to plan. The options of loading are `loadModel`'s. */
export interface PlanOptions
  extends Pick<
    LoadOptions,
    "threads" | "threadsBatch" | "contextSize" | "sequences" | "kvCache" | "quantize" | "kernels" | "prefillChunk"
  > {
  /** Bytes that all instances may take. Default: what this machine and its control groups leave. */
  readonly memory?: number;
  /** Clients that generate at once. Default 1, 2, 8 and 32. */
  readonly clients?: readonly number[];
  /** Whether to predict speeds, for which the machine is measured once. Default true; false with `root`. */
  readonly predict?: boolean;
  /** Measure the machine even where an earlier measurement is kept. Default false. */
  readonly measure?: boolean;
  /** A folder with a copy of another machine's `proc/` and `sys/`. */
  readonly root?: string;
  /** Called with the fraction of the measurement that is done. */
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

const optionNames = namesOf<PlanOptions>({
  threads: true,
  threadsBatch: true,
  contextSize: true,
  sequences: true,
  kvCache: true,
  quantize: true,
  kernels: true,
  prefillChunk: true,
  memory: true,
  clients: true,
  predict: true,
  measure: true,
  root: true,
  onProgress: true,
  signal: true,
});

/** What a model takes, loaded in some way. */
export interface MemoryNeed {
  readonly contextSize: number;
  readonly sequences: number;
  readonly kvCache: KvCacheType;
  readonly threads: number;
  /** `model.info.memory` as it will be: to the byte. */
  readonly memory: MemoryPlan;
  /** What the workers and the tokenizer take besides, at most. */
  readonly besides: number;
  readonly fits: boolean;
}

/** What fits into the memory with a type of KV cache. 0: nothing does. */
export interface Fitting {
  readonly kvCache: KvCacheType;
  /** The longest context of `sequences` sequences, at most what the model was trained for. */
  readonly contextSize: number;
  /** The most sequences of `contextSize` positions, at most 4096. */
  readonly sequences: number;
}

/** Some instances of a model, each with its own threads. */
export interface Split {
  readonly instances: number;
  /** Of each: workers of prompts and batches, and of steps of few rows. */
  readonly threads: number;
  readonly decodeThreads: number;
  /** Bytes of all instances, with what they take besides. */
  readonly memory: number;
  readonly fits: boolean;
  /** Predicted tokens per second of all clients together, by their number. undefined: the machine was not measured. */
  readonly decode: Readonly<Record<number, number>> | undefined;
  /** Predicted tokens per second of prompts, one on each instance. */
  readonly prefill: number | undefined;
}

/** What `plan` returns. */
export interface Plan {
  readonly architecture: string;
  readonly name: string | undefined;
  readonly parameters: number;
  readonly fileBytes: number;
  readonly trainedContextSize: number;
  /** Whether it generates text; of an encoder, prompts are texts to embed. */
  readonly generates: boolean;
  /** What there is to fit into, and what says so: "memory", "MemAvailable", or the folder of a control group. undefined: not known. */
  readonly budget: { readonly bytes: number; readonly source: string } | undefined;
  /** With the options as given. */
  readonly need: MemoryNeed;
  /** With other contexts, sequences and types of KV cache. */
  readonly needs: readonly MemoryNeed[];
  readonly fitting: readonly Fitting[];
  readonly splits: readonly Split[];
  /** What the predictions are made of. */
  readonly profile: MachineProfile | undefined;
  /** Positions before each token that is predicted, and tokens of the prompts. */
  readonly depth: number;
  readonly prompt: number;
}

const PAGE = 64;
const MOST_SEQUENCES = 4096;
const DEPTH = 128;
const PROMPT = 512;
const MOST_SPLITS = 10;
const CLIENTS = [1, 2, 8, 32];

/**
 * Plans a model: a local one, or one whose header is open.
 *
 * @throws GgufError, UnsupportedError as loadModel does; MemoryError where a tensor does not fit a memory; CriaError INVALID_OPTION
 */
export async function plan(source: LoadSource | Gguf, given: PlanOptions = {}): Promise<Plan> {
  const options = optionsOf("plan", given, optionNames);
  checkSignal(options.signal);
  if (options.root !== undefined) checkText("root", options.root, 1);
  if (options.memory !== undefined) checkInteger("memory", options.memory, 1, Number.MAX_SAFE_INTEGER);
  for (const name of ["predict", "measure"] as const) {
    if (options[name] !== undefined) checkBoolean(name, options[name]);
  }
  if (options.kernels !== undefined) checkChoice("kernels", options.kernels, kernelChoices);
  const isOpen = typeof source === "object" && "tensors" in source;
  const gguf = isOpen ? source : await openGguf(source);
  try {
    return await planOpened(gguf, options);
  } finally {
    if (!isOpen) await gguf.close();
  }
}

async function planOpened(gguf: Gguf, options: PlanOptions): Promise<Plan> {
  const { root, predict = root === undefined } = options;
  const topology = await cpuTopology({ root });
  const kernels = await compileKernels(undefined, options.kernels);
  const loading = loadOptionsOf(options);
  const planner = new Planner(gguf, kernels, topology, await budgetOf(options));
  const planned = await planner.plan(loading);
  const { hyperparameters: h } = planned;
  const cost = new ModelCost(planned);
  const { kernels: choice, onProgress, signal, measure } = options;
  const profile = predict
    ? await machineProfile(topology, cost.formats, { kernels: choice, onProgress, signal, again: measure })
    : undefined;
  return {
    architecture: h.architecture,
    name: gguf.metadata.getString("general.name"),
    parameters: gguf.tensors.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0),
    fileBytes: gguf.parts.reduce((sum, { size }) => sum + size, 0),
    trainedContextSize: h.context,
    generates: h.causal,
    budget: planner.budget,
    need: planner.needOf(planned),
    needs: await planner.needs(loading, planned),
    fitting: await planner.fitting(loading, planned),
    splits: await planner.splits(loading, planned, options.clients ?? CLIENTS, profile),
    profile,
    depth: Math.min(DEPTH, planned.contextSize - 1),
    prompt: Math.min(PROMPT, planned.contextSize),
  };
}

async function budgetOf({ memory, root }: PlanOptions): Promise<Plan["budget"]> {
  return memory === undefined ? availableMemory({ root }) : { bytes: memory, source: "memory" };
}

function loadOptionsOf(options: PlanOptions): LoadOptions {
  const { threads, threadsBatch, contextSize, sequences, kvCache, quantize, prefillChunk } = options;
  return { threads, threadsBatch, contextSize, sequences, kvCache, quantize, prefillChunk };
}

class Planner {
  constructor(
    readonly gguf: Gguf,
    readonly kernels: KernelModule,
    readonly topology: CpuTopology,
    readonly budget: Plan["budget"],
  ) {}

  plan(options: LoadOptions): Promise<PlannedModel> {
    return planModel(this.gguf, options, this.kernels, [], this.topology);
  }

  /** The plan, or undefined where a memory cannot hold what the options ask for. */
  async #try(options: LoadOptions): Promise<PlannedModel | undefined> {
    return this.plan(options).catch((error) => {
      if (error instanceof MemoryError) return undefined;
      throw error;
    });
  }

  #holds(bytes: number): boolean {
    return this.budget === undefined || bytes <= this.budget.bytes;
  }

  needOf({ plan, contextSize, sequences, kvCache, workers }: PlannedModel): MemoryNeed {
    const besides = besidesBytes(workers.workers);
    const fits = this.#holds(plan.total + besides);
    return { contextSize, sequences, kvCache, threads: workers.workers, memory: plan, besides, fits };
  }

  /** Contexts from small to the model's own, one sequence and several, in each type of KV cache. */
  async needs(options: LoadOptions, planned: PlannedModel): Promise<readonly MemoryNeed[]> {
    const { context } = planned.hyperparameters;
    const contexts = [1024, 4096, 16384, 65536, context].filter((size) => size <= context);
    const shapes = [
      ...[...new Set(contexts)].sort((a, b) => a - b).map((contextSize) => ({ contextSize, sequences: 1 })),
      ...[4, 16].map((sequences) => ({ contextSize: planned.contextSize, sequences })),
    ];
    const needs: MemoryNeed[] = [];
    for (const shape of shapes) {
      for (const kvCache of kvTypes(planned)) {
        const one = await this.#try({ ...options, ...shape, kvCache });
        if (one !== undefined) needs.push(this.needOf(one));
      }
    }
    return needs;
  }

  /** The largest context and the most sequences. */
  async fitting(options: LoadOptions, planned: PlannedModel): Promise<readonly Fitting[]> {
    if (this.budget === undefined) return [];
    const { contextSize, sequences } = planned;
    const pages = Math.ceil(planned.hyperparameters.context / PAGE);
    const fits = async (changed: LoadOptions) => {
      const one = await this.#try({ ...options, ...changed });
      return one !== undefined && this.needOf(one).fits;
    };
    const rows: Fitting[] = [];
    for (const kvCache of kvTypes(planned)) {
      const longest = await largest(pages, (count) => fits({ kvCache, sequences, contextSize: count * PAGE }));
      const most = await largest(MOST_SEQUENCES, (count) => fits({ kvCache, contextSize, sequences: count }));
      const size = Math.min(longest * PAGE, planned.hyperparameters.context);
      rows.push({ kvCache, contextSize: size, sequences: most });
    }
    return rows;
  }

  /** Few large or many small: the ways to divide the cores of the machine. */
  async splits(
    options: LoadOptions,
    planned: PlannedModel,
    clients: readonly number[],
    profile: MachineProfile | undefined,
  ): Promise<readonly Split[]> {
    const rule = { threads: undefined, threadsBatch: undefined, environment: undefined };
    const cores = options.threads ?? chooseThreads(this.topology, rule).threads;
    const splits: Split[] = [];
    for (const instances of countsOf(cores, this.topology)) {
      const threads = Math.floor(cores / instances);
      const decode = Math.min(threads, planned.workers.threads);
      const each = await this.plan({ ...options, threads: decode, threadsBatch: threads });
      const memory = instances * (each.plan.total + besidesBytes(each.workers.workers));
      const cost = new ModelCost(each);
      const depth = Math.min(DEPTH, each.contextSize - 1);
      const tokens = Math.min(PROMPT, each.contextSize);
      const instance = { threads: decode, threadsBatch: threads, batchRows: planned.workers.batchRows };
      splits.push({
        ...{ instances, threads, decodeThreads: decode, memory, fits: this.#holds(memory) },
        decode:
          profile === undefined || !planned.hyperparameters.causal
            ? undefined
            : Object.fromEntries(
                clients.map((count) => [
                  count,
                  decodeRate(cost, profile, instance, { instances, clients: count, depth }),
                ]),
              ),
        prefill: profile && prefillRate(cost, profile, instance, { instances, tokens }),
      });
    }
    return splits;
  }
}

/** The type that was asked for, then the others. */
function kvTypes({ kvPageBytes, kvCache }: PlannedModel): readonly KvCacheType[] {
  return [...new Set([kvCache, ...(Object.keys(kvPageBytes) as KvCacheType[])])];
}

/** The largest of 1 .. most for which it holds; 0: for none. What holds for a number holds for all smaller ones. */
async function largest(most: number, holds: (count: number) => Promise<boolean>): Promise<number> {
  if (await holds(most)) return most;
  let [from, to] = [0, most];
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if (await holds(middle)) from = middle;
    else to = middle;
  }
  return from;
}

/** Numbers of instances: halves of the cores, and as many as there are sockets, nodes and groups of a level 3 cache. */
function countsOf(cores: number, { sockets, nodes, l3Groups }: CpuTopology): readonly number[] {
  const counts = new Set([1, cores, ...[sockets, nodes, l3Groups].map((groups) => groups?.length ?? 1)]);
  for (let count = 2; count < cores; count *= 2) counts.add(count);
  const sorted = [...counts].filter((count) => count >= 1 && count <= cores).sort((a, b) => a - b);
  return sorted.length <= MOST_SPLITS ? sorted : [...sorted.slice(0, MOST_SPLITS - 1), cores];
}
