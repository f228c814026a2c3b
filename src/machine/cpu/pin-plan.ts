// Which processor each worker is pinned to: what the caller's words mean on this machine.

import { invalidOption } from "../../options.js";
import { formatCpuList, parseCpuList } from "./cpu-list.js";
import type { CpuGroup, CpuTopology } from "./topology.js";

/**
 * Where workers are pinned. `true`: to a processor each, one of every physical core before the cores' second ones. `"physical"`: to one
 * of every physical core. `"l3:N"`, `"node:N"`: within an L3 group or a NUMA node of `cpuTopology()`. `"0,2-5"`: to these processors.
 */
export type PinRequest = boolean | string;

/** The processors that a request names, of those the process may use, physical cores first. @throws CriaError INVALID_OPTION */
export function pinnedCpus(topology: CpuTopology, request: true | string): readonly number[] {
  const ordered = coresFirst(topology);
  const named = namedCpus(topology, ordered, request);
  const missing = named.filter((cpu) => !topology.allowed.includes(cpu));
  const list = typeof request === "string" && /^[\d,:-]+$/.test(request);
  if (list && missing.length > 0) {
    const what = `processors among ${formatCpuList(topology.allowed)} (this process may not use ${formatCpuList(missing)})`;
    throw invalidOption("pin", what, request);
  }
  const usable = ordered.filter((cpu) => named.includes(cpu));
  if (usable.length === 0) {
    throw invalidOption(
      "pin",
      `processors among ${formatCpuList(topology.allowed)}, which this process may use`,
      request,
    );
  }
  return usable;
}

/** A processor for each worker; where they are too few, every worker may use all of them, and the kernel shares them out. */
export function pinsOf(cpus: readonly number[], workers: number): readonly (readonly number[])[] {
  const all = [...cpus].sort((a, b) => a - b);
  return Array.from({ length: workers }, (_, worker) => (workers <= cpus.length ? [cpus[worker]!] : all));
}

/** The first processor of every core, the fast cores before the slow ones; then the second ones; and so on. */
function coresFirst({ allowed, cores }: CpuTopology): readonly number[] {
  if (cores === undefined) return allowed;
  const slow = cores.filter(({ kind }) => kind === "efficiency");
  const threads = [...cores.filter((core) => !slow.includes(core)), ...slow].map(({ cpus }) =>
    cpus.filter((cpu) => allowed.includes(cpu)),
  );
  const most = Math.max(...threads.map((cpus) => cpus.length));
  return Array.from({ length: most }, (_, nth) => threads.flatMap((cpus) => cpus.slice(nth, nth + 1))).flat();
}

function namedCpus(topology: CpuTopology, ordered: readonly number[], request: true | string): readonly number[] {
  if (request === true) return ordered;
  if (request === "physical") {
    const { cores, allowed } = topology;
    if (cores === undefined) {
      throw invalidOption(
        "pin",
        "true or a list, because this machine does not tell which processors share a core",
        request,
      );
    }
    return cores.flatMap(({ cpus }) => cpus.filter((cpu) => allowed.includes(cpu)).slice(0, 1));
  }
  const group = /^(l3|node):(\d{1,5})$/.exec(request);
  if (group !== null) {
    const groups: readonly CpuGroup[] = (group[1] === "l3" ? topology.l3Groups : topology.nodes) ?? [];
    const found = groups.find(({ id }) => id === Number(group[2]));
    if (found === undefined) {
      const known = groups.map(({ id }) => `${group[1]}:${id}`).join(", ");
      const what = known === "" ? "true or a list, because this machine does not tell its groups" : `one of ${known}`;
      throw invalidOption("pin", what, request);
    }
    return found.cpus;
  }
  const list = parseCpuList(request);
  if (list === undefined || list.length === 0) {
    throw invalidOption("pin", 'true, "physical", "l3:N", "node:N", or a list such as "0,2-5"', request);
  }
  return list;
}
