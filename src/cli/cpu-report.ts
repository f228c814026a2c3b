// What `cria cpu` reports, as `--json` prints it.

import { planWorkers, type WorkerOptions, type WorkerPlan } from "../api/load/worker-plan.js";
import { instanceRequests } from "../api/pool/pool-options.js";
import { type CpuFrequency, cpuFrequency } from "../machine/cpu/frequency.js";
import { type HugePages, hugePages } from "../machine/cpu/huge-pages.js";
import { type CpuNoise, cpuNoise } from "../machine/cpu/noise.js";
import { type CpuTopology, cpuTopology } from "../machine/cpu/topology.js";
import type { KernelName } from "../machine/kernels.js";

/** All that `cria cpu` prints. */
export interface CpuReport {
  readonly topology: CpuTopology;
  readonly frequency: CpuFrequency;
  readonly hugePages: HugePages;
  readonly noise: CpuNoise;
  readonly plan: WorkerPlan;
  /** What each word of `--pin` would do. */
  readonly pins: readonly WorkerPlan[];
  /** What each word of loadPool's `instances` would do: the workers of every instance. */
  readonly pools: readonly { readonly instances: string; readonly plans: readonly WorkerPlan[] }[];
  readonly kernels: KernelReport;
}

/** Which build of the kernels runs in this Node, and why. */
export interface KernelReport {
  readonly build: KernelName;
  readonly reason: string;
  /** What is in the way of wide kernels that were asked for. */
  readonly problem: string | undefined;
  readonly node: string;
}

/** Reads this machine, or the copy of another's /proc and /sys under `root`. */
export async function cpuReport(
  { root, ...options }: WorkerOptions & { readonly root?: string },
  kernels: KernelReport,
): Promise<CpuReport> {
  const topology = await cpuTopology({ root });
  return {
    topology,
    frequency: await cpuFrequency({ root }),
    hugePages: await hugePages({ root }),
    noise: await cpuNoise({ root }),
    plan: await planWorkers(options, topology),
    pins: await pinPlans(topology, options),
    pools: await poolPlans(topology, options),
    kernels,
  };
}

/** The words of `--pin` that mean something on this machine. */
function pinPlans(topology: CpuTopology, options: WorkerOptions): Promise<readonly WorkerPlan[]> {
  const { cores, l3Groups, nodes, allowed } = topology;
  const usable = (group: { readonly cpus: readonly number[] }) => group.cpus.some((cpu) => allowed.includes(cpu));
  const requests = [
    ...(cores === undefined ? [] : ["physical"]),
    ...(l3Groups ?? []).filter(usable).map(({ id }) => `l3:${id}`),
    ...(nodes ?? []).filter(usable).map(({ id }) => `node:${id}`),
  ];
  return Promise.all(requests.map((pin) => planWorkers({ ...options, pin }, topology)));
}

/** The words of `instances` that mean something on this machine. */
async function poolPlans(topology: CpuTopology, options: WorkerOptions): Promise<CpuReport["pools"]> {
  const { l3Groups, nodes, allowed } = topology;
  const usable = (groups: readonly { readonly cpus: readonly number[] }[] | undefined) =>
    groups?.some(({ cpus }) => cpus.some((cpu) => allowed.includes(cpu))) ?? false;
  const words = [
    "auto" as const,
    ...(usable(nodes) ? (["node"] as const) : []),
    ...(usable(l3Groups) ? (["l3"] as const) : []),
  ];
  return Promise.all(
    words.map(async (instances) => {
      const requests = await instanceRequests({ ...options, instances }, topology);
      return { instances, plans: await Promise.all(requests.map((one) => planWorkers(one.options, topology))) };
    }),
  );
}
