// What `cria tune` tries on a machine, and why: settings that mean something there, the one that is there by default first. Nothing is
// measured here, so that other machines can be reasoned about.

import { chooseThreads, usableCpus } from "../../machine/cpu/threads.js";
import type { CpuTopology } from "../../machine/cpu/topology.js";

/** A thing to choose, by its name in the table. */
export type AxisName = "kernels" | "threads" | "prefill chunk" | "pins" | "KV cache" | "batch" | "instances";

/** One thing that `tune` chooses, and what there is to choose from. */
export interface Axis {
  readonly name: AxisName;
  /** In words; the first is the default. One only: there is nothing to choose. */
  readonly values: readonly string[];
  /** Why these, in one sentence. */
  readonly reason: string;
}

/** What is known about the model. */
export interface ModelFacts {
  readonly generates: boolean;
  /** The threads that it has by default: for decode, and for prompts. */
  readonly threads: number;
  readonly threadsBatch: number;
  /** Positions that one sequence can hold. */
  readonly contextSize: number;
  /** Whether it keeps a cache of 8 bits. */
  readonly q8Cache: boolean;
}

const MOST_THREAD_COUNTS = 6;
const CHUNKS = [128, 64, 256];
const BATCHES = [1, 2, 4, 8, 16, 32];
const MOST_INSTANCE_COUNTS = 4;

/** Numbers of threads: those that a machine's parts suggest, ascending. */
export function threadCandidates(topology: CpuTopology, facts: ModelFacts): readonly number[] {
  const { allowed, l3Groups, nodes, sockets } = topology;
  const usable = usableCpus(topology);
  const cores = coresOf(topology);
  const inside = (groups: readonly { readonly cpus: readonly number[] }[] | undefined) =>
    (groups ?? []).map(({ cpus }) => physical(topology, cpus)).filter((count) => count > 0 && count < cores);
  const parts = new Set([1, facts.threads, facts.threadsBatch, cores, usable]);
  for (const groups of [l3Groups, nodes, sockets]) for (const count of inside(groups)) parts.add(count);
  for (let count = Math.floor(cores / 2); count >= 2; count = Math.floor(count / 2)) parts.add(count);
  // A quota that is not whole: the next thread works for a part of the time.
  const { quota } = topology;
  if (quota !== undefined && quota.cpus > usable && allowed.length > usable) parts.add(usable + 1);
  const sorted = [...parts].filter((count) => count >= 1 && count <= allowed.length).sort((a, b) => a - b);
  const needed = [facts.threads, facts.threadsBatch, 1, cores, usable];
  while (sorted.length > Math.max(MOST_THREAD_COUNTS, new Set(needed).size)) {
    // The smallest ones tell the least about a large machine.
    sorted.splice(
      sorted.findIndex((count) => !needed.includes(count)),
      1,
    );
  }
  return sorted;
}

/** Physical cores that may be used; the processors, where the machine does not tell. */
function coresOf(topology: CpuTopology): number {
  return physical(topology, topology.allowed);
}

function physical({ cores, allowed }: CpuTopology, cpus: readonly number[]): number {
  const usable = cpus.filter((cpu) => allowed.includes(cpu));
  return cores === undefined
    ? usable.length
    : cores.filter((core) => core.cpus.some((cpu) => usable.includes(cpu))).length;
}

/** Words of the option `pin` that mean something here, and differ from one another. */
export function pinCandidates(topology: CpuTopology): readonly string[] {
  const { source, cores, allowed, l3Groups, nodes } = topology;
  if (source !== "sysfs" || allowed.length < 2) return [];
  const seen = new Set<string>();
  const words = [
    ...(cores === undefined ? [] : [{ word: "physical", cpus: allowed }]),
    ...[
      ...(l3Groups ?? []).map((group) => ({ ...group, kind: "l3" })),
      ...(nodes ?? []).map((group) => ({ ...group, kind: "node" })),
    ].map(({ id, kind, cpus }) => ({ word: `${kind}:${id}`, cpus: cpus.filter((cpu) => allowed.includes(cpu)) })),
  ];
  const first = new Set<string>();
  return words
    .filter(({ word, cpus }) => {
      const key = cpus.join();
      const kind = word.replace(/:.*/, "");
      // Groups of one kind are alike: one of them stands for all.
      if (cpus.length < 2 || seen.has(key) || first.has(kind)) return false;
      seen.add(key);
      first.add(kind);
      return true;
    })
    .map(({ word }) => word);
}

/** Numbers of instances, each with its share of the cores. */
export function instanceCandidates(topology: CpuTopology): readonly number[] {
  const { sockets, nodes, l3Groups } = topology;
  const { threads: cores } = chooseThreads(topology, {
    threads: undefined,
    threadsBatch: undefined,
    environment: undefined,
  });
  const counts = new Set([1, 2, ...[sockets, nodes, l3Groups].map((groups) => groups?.length ?? 1), cores]);
  const sorted = [...counts].filter((count) => count <= cores).sort((a, b) => a - b);
  return sorted.slice(0, MOST_INSTANCE_COUNTS);
}

export function chunkCandidates({ generates }: ModelFacts): readonly number[] {
  return generates ? CHUNKS : CHUNKS.slice(0, 1);
}

export function batchCandidates({ generates }: ModelFacts): readonly number[] {
  return generates ? BATCHES : [];
}

/** All axes, as they are tried: what changes most comes first, because what follows is tried with the best of it. */
export function axesOf(topology: CpuTopology, facts: ModelFacts, wideProblem?: string): readonly Axis[] {
  const { allowed, cores, quota, l3Groups, nodes } = topology;
  const siblings = cores?.some((core) => core.cpus.filter((cpu) => allowed.includes(cpu)).length > 1);
  const threads = threadCandidates(topology, facts);
  const usual =
    facts.threads === facts.threadsBatch ? `${facts.threads}` : `${facts.threads} and ${facts.threadsBatch}`;
  const pins = pinCandidates(topology);
  const instances = instanceCandidates(topology);
  const core = chooseThreads(topology, { threads: undefined, threadsBatch: undefined, environment: undefined }).threads;
  const smt =
    siblings === undefined
      ? "this machine does not tell which processors share a core"
      : siblings
        ? `${allowed.length} uses both hardware threads of each core (SMT)`
        : "no core has a second hardware thread here (no SMT)";
  return [
    {
      name: "kernels",
      values: wideProblem === undefined ? ["as they are", "wide"] : ["as they are"],
      reason: wideProblem ?? "V8 may make kernels of 256 bits, which have the same results",
    },
    {
      name: "threads",
      values: [
        usual,
        ...threads.filter((count) => !(count === facts.threads && count === facts.threadsBatch)).map(String),
      ],
      reason: `decode and prompts apart; ${smt}${quota === undefined ? "" : `; a quota of ${Number(quota.cpus.toFixed(2))} processors`}`,
    },
    {
      name: "prefill chunk",
      values: chunkCandidates(facts).map(String),
      reason: facts.generates ? "tokens of a prompt in one step" : "an encoder takes a whole text in one step",
    },
    {
      name: "pins",
      values: ["none", ...pins],
      reason:
        pins.length === 0
          ? topology.source === "sysfs"
            ? "there is one processor"
            : "only Linux pins"
          : `${l3Groups?.length ?? "unknown"} L3 groups, ${nodes?.length ?? "unknown"} NUMA nodes: of words that mean the same, one is tried`,
    },
    {
      name: "KV cache",
      values: !facts.generates ? ["f32"] : facts.q8Cache ? ["f16", "q8_0", "f32"] : ["f16", "f32"],
      reason: facts.generates
        ? "for information: it changes results, so a tuning never sets it"
        : "an encoder keeps no cache of texts",
    },
    {
      name: "batch",
      values: batchCandidates(facts).map(String),
      reason: facts.generates ? "texts that are generated side by side" : "an encoder generates no text",
    },
    {
      name: "instances",
      values: instances.map((count) => `${count} x ${Math.floor(core / count)}`),
      reason:
        instances.length === 1 ? "there is one core to divide" : "few large or many small, each with its own cores",
    },
  ];
}
