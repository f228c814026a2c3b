// All that figures measured on a machine depend on, as text: two processes for which it is the same may share what one of them measured.

import { version } from "../../version.js";
import type { CpuTopology } from "./topology.js";

/** The machine, what this process may use of it, and the software that was measured. */
export function machineIdentity(topology: CpuTopology): string {
  const { source, model, cpus, allowed, quota, cores, nodes, l3Groups, virtual } = topology;
  const groups = (some: readonly { readonly cpus: readonly number[] }[] | undefined) => some?.map((one) => one.cpus);
  const { platform, arch, versions } = process;
  return JSON.stringify({
    ...{ cria: version, v8: versions.v8, platform, arch },
    ...{ source, model, virtual, cpus, allowed, quota: quota?.cpus },
    ...{ cores: groups(cores), nodes: groups(nodes), l3Groups: groups(l3Groups) },
  });
}
