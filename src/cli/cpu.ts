// cria cpu: the machine as cria sees it, and what follows: how many threads, which kernels, where pins would go.

import {
  candidateBuilds,
  kernelChoiceFromEnvironment,
  kernelChoices,
  kernelNameOf,
  lackingFor,
} from "../machine/kernels.js";
import { loadKernels } from "../machine/load-kernels.js";
import { checkChoice } from "../options.js";
import { command } from "./command.js";
import { cpuLines } from "./cpu-output.js";
import { cpuReport, type KernelReport } from "./cpu-report.js";
import { watchCpu } from "./cpu-watch.js";
import { UsageError } from "./failure.js";
import { kernelsOption, planOptions } from "./model-options.js";

export const cpu = command({
  usage: "[options]",
  about: `Prints what cria knows of this machine: processors, cores, caches, NUMA nodes, what affinity and control groups leave of
them, huge pages; and what follows: threads, where --pin would put them, which kernels run.`,
  options: {
    threads: planOptions.threads,
    threadsBatch: planOptions.threadsBatch,
    kernels: kernelsOption,
    root: {
      flags: ["--simulate", "--root"],
      type: "string",
      value: "FOLDER",
      help: "read another machine: a folder with a copy of its proc/ and sys/ (the kernels are this machine's)",
    },
    json: {
      flags: ["--json"],
      type: "boolean",
      help: "everything as one JSON object; what the machine does not report is absent",
    },
    watch: {
      flags: ["--watch"],
      type: "boolean",
      help: "what disturbs programs on this machine, every second until Ctrl-C; with --json a line of JSON each",
    },
  },
  async run({ threads, threadsBatch, kernels, root, json, watch }, positionals) {
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}": cpu takes options only`);
    if (watch === true) {
      await watchCpu({ root, json: json === true });
      return;
    }
    const report = await cpuReport({ threads, threadsBatch, root }, await kernelReport(kernels));
    process.stdout.write(json === true ? `${JSON.stringify(report)}\n` : `${cpuLines(report).join("\n")}\n`);
  },
});

export async function kernelReport(option: string | undefined): Promise<KernelReport> {
  const choice = option === undefined ? undefined : checkChoice("--kernels", option, kernelChoices);
  const kernels = await loadKernels(undefined, choice);
  const { build, problem } = kernels;
  const builds = candidateBuilds();
  const faster = builds.slice(0, builds.indexOf(build)).map((one) => `${one}: ${lackingFor[one]} here`);
  const asked = choice === undefined ? kernelChoiceFromEnvironment() && "CRIA_KERNELS" : "--kernels";
  const reason = asked ?? ["the fastest build that this host runs", ...faster].join("; ");
  return { build: kernelNameOf(kernels), reason, problem, node: process.versions.node };
}
