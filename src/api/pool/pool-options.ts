// The options of loadPool, and what they make of each instance.

import { formatCpuList } from "../../machine/cpu/cpu-list.js";
import type { Domains } from "../../machine/cpu/domains.js";
import { domainsOf } from "../../machine/cpu/domains.js";
import { usableCpus } from "../../machine/cpu/threads.js";
import { type CpuTopology, cpuTopology } from "../../machine/cpu/topology.js";
import { idleOption, namesOf } from "../../options.js";
import { sharesMemory } from "../../sharing.js";
import { type LoadOptions, loadOptionNames } from "../load/load-options.js";

/** How to load a pool: as `loadModel`, and into how many instances. The options are those of each instance. */
export interface PoolOptions extends Omit<LoadOptions, "pin"> {
  /**
   * How many instances, or one for each L3 group (`"l3"`) or NUMA node (`"node"`) of which this process may use a processor. Each has a team
   * of its own, pinned to its part of the processors (Linux), and weights and a KV cache of its own. Default `"auto"`: one for each NUMA
   * node, so one on most machines; with `tune`, as many as the tuning has found to do the most.
   */
  readonly instances?: Domains;
}

/** The names of `PoolOptions`. */
export const poolOptionNames = [
  ...loadOptionNames.filter((name) => name !== "pin"),
  ...namesOf<Pick<PoolOptions, "instances">>({ instances: true }),
];

/** An instance's processors, and the options that its model is loaded with. */
export interface InstanceRequest {
  readonly processors: readonly number[];
  readonly options: LoadOptions;
}

/** Divides the machine. @throws CriaError INVALID_OPTION */
export async function instanceRequests(given: PoolOptions, on?: CpuTopology): Promise<readonly InstanceRequest[]> {
  const { instances = "auto", ...options } = given;
  const topology = on ?? (await cpuTopology());
  const domains = domainsOf(topology, instances);
  const pins = topology.source === "sysfs";
  if (!pins && domains.length > 1 && typeof instances !== "number") {
    throw idleOption("instances", "this system does not tell its processors' groups");
  }
  // Alone on the whole machine, its workers may move away from what disturbs them.
  const moves = domains.length === 1 && domains[0]!.length === topology.allowed.length;
  // A quota is for all of them together.
  const share = Math.max(1, Math.floor(usableCpus(topology) / domains.length));
  return domains.map((processors) => {
    const limited = sharesMemory() && domains.length > 1 && (!pins || topology.quota !== undefined);
    const threads = options.threads ?? (limited ? Math.min(processors.length, share) : undefined);
    return {
      processors,
      options: {
        ...options,
        ...(threads !== undefined && { threads }),
        ...(pins && !moves && { pin: formatCpuList(processors) }),
      },
    };
  });
}
