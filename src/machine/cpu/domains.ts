// Domains: how the processors of a machine are divided among teams, so that each has cores, caches and memory of its own.

import { invalidOption } from "../../options.js";
import type { CpuGroup, CpuTopology } from "./topology.js";

/**
 * How many domains: a number, one for each L3 group or NUMA node of which this process may use a processor, or `"auto"`: one for each NUMA
 * node where there are several, else one.
 */
export type Domains = number | "l3" | "node" | "auto";

/**
 * The processors of each domain, ascending. A number divides the cores in the order of their nodes and L3 groups, and processors where
 * there are more domains than cores.
 *
 * @throws CriaError INVALID_OPTION
 */
export function domainsOf(topology: CpuTopology, domains: unknown): readonly (readonly number[])[] {
  const { allowed, nodes, l3Groups } = topology;
  switch (domains) {
    case "l3":
      return groupsOf("L3 groups", l3Groups, allowed);
    case "node":
      return groupsOf("NUMA nodes", nodes, allowed);
    case "auto":
      return nodes === undefined ? [allowed] : groupsOf("NUMA nodes", nodes, allowed);
    default:
      return divided(topology, checkCount(domains, allowed));
  }
}

function checkCount(domains: unknown, allowed: readonly number[]): number {
  if (typeof domains === "number" && Number.isInteger(domains) && domains >= 1 && domains <= allowed.length) {
    return domains;
  }
  const most = `an integer in 1 .. ${allowed.length}, the processors that this process may use`;
  throw invalidOption("instances", `"l3", "node", "auto", or ${most}`, domains);
}

function groupsOf(
  what: string,
  groups: readonly CpuGroup[] | undefined,
  allowed: readonly number[],
): readonly (readonly number[])[] {
  const usable = (groups ?? [])
    .map(({ cpus }) => ascending(cpus.filter((cpu) => allowed.includes(cpu))))
    .filter((cpus) => cpus.length > 0);
  if (usable.length > 0) return usable;
  throw invalidOption("instances", `a number, because this machine does not tell its ${what}`, wordOf(what));
}

function wordOf(what: string): string {
  return what === "L3 groups" ? "l3" : "node";
}

function divided({ allowed, cores, nodes, l3Groups }: CpuTopology, count: number): readonly (readonly number[])[] {
  const place = (groups: readonly CpuGroup[] | undefined, cpu: number) =>
    groups?.findIndex(({ cpus }) => cpus.includes(cpu)) ?? 0;
  const whole = (cores ?? allowed.map((cpu) => ({ cpus: [cpu] })))
    .map(({ cpus }) => cpus.filter((cpu) => allowed.includes(cpu)))
    .filter((cpus) => cpus.length > 0)
    .map((cpus) => ({ cpus, node: place(nodes, cpus[0]!), l3: place(l3Groups, cpus[0]!) }))
    .sort((a, b) => a.node - b.node || a.l3 - b.l3 || a.cpus[0]! - b.cpus[0]!)
    .map(({ cpus }) => cpus);
  const parts = count <= whole.length ? whole : whole.flat().map((cpu) => [cpu]);
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * parts.length) / count);
    return ascending(parts.slice(from, Math.floor(((i + 1) * parts.length) / count)).flat());
  });
}

function ascending(cpus: readonly number[]): readonly number[] {
  return [...cpus].sort((a, b) => a - b);
}
