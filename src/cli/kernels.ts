// cria kernels: every kernel by itself, against the limits of the machine and the exact result.

import { writeFile } from "node:fs/promises";
import { kernelRows } from "../lab/kernels/table.js";
import { LabTeam } from "../lab/lab-team.js";
import { type KernelMeasurement, kernelCases, measureKernels } from "../lab/measure-kernels.js";
import { reportPage } from "../lab/report/html.js";
import { kernelReport as kernelPage } from "../lab/report/kernel-report.js";
import { type KernelSuiteOptions, measureKernelSuite } from "../lab/report/kernel-suite.js";
import { reportScript } from "../lab/report-script.js";
import { kernelChoices } from "../machine/kernels.js";
import { checkChoice, invalidOption } from "../options.js";
import { command } from "./command.js";
import { kernelReport } from "./cpu.js";
import { cpuLines } from "./cpu-output.js";
import { cpuReport } from "./cpu-report.js";
import { UsageError } from "./failure.js";
import { version } from "./version.js";

const shapes = Object.entries(kernelRows).map(
  ([name, { dimensions }]) => `  ${name.padEnd(12)}${dimensions.join("x")}`,
);

export const kernels = command({
  usage: "[options]",
  about: `Times every kernel by itself, on random input, and prints GB/s of the memory that it must touch,
GOP/s, the share of the limit that this machine has for it (measured in turns with it), and the
error against float64. Shapes that are larger than the caches are read from memory.

The kernels, and what the numbers of a shape mean:
${shapes.join("\n")}`,
  options: {
    kernel: {
      flags: ["--kernel"],
      type: "list",
      value: "NAME",
      help: "one of those above; may be given several times (default: all)",
    },
    format: {
      flags: ["--format"],
      type: "list",
      value: "NAME",
      help: "a weight format such as Q4_K, a KV cache type, an encoding; several times (default: all)",
    },
    shape: {
      flags: ["--shape"],
      type: "list",
      value: "NxN",
      help: "such as 8192x2048x1; several times (default: some for each kernel)",
    },
    threads: {
      flags: ["-t", "--threads"],
      type: "number",
      value: "N",
      help: "workers (default: as many as a model has)",
    },
    build: {
      flags: ["--build"],
      type: "list",
      value: "NAME",
      choices: kernelChoices,
      help: `${kernelChoices.join(", ")}; several times (default: CRIA_KERNELS, else the fastest that runs; --html: all that run)`,
    },
    html: {
      flags: ["--html"],
      type: "string",
      value: "FILE",
      help: "write a page with figures: speed by working set, of limit, error; builds side by side",
    },
    json: { flags: ["--json"], type: "boolean", help: "one line of JSON for each row" },
  },
  async run(values, positionals) {
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}": kernels takes options only`);
    const { kernel, format, shape, threads, json, html } = values;
    const builds = values.build?.map((build) => checkChoice("--build", build, kernelChoices));
    const shapes = shape?.map(parseShape);
    if (html !== undefined) {
      if (shapes !== undefined) throw new UsageError("--html measures shapes of its own: it cannot have --shape");
      await writeKernelReport(html, { kernels: kernel, formats: format, threads, builds });
      return;
    }
    for (const build of builds ?? [undefined]) {
      const team = await LabTeam.open({ threads, build });
      try {
        const cases = await kernelCases(team, { kernels: kernel, formats: format, shapes });
        if (json !== true) process.stdout.write(header(team));
        for await (const one of measureKernels(team, cases)) {
          const about = { build: team.lab.build, threads: team.threads };
          process.stdout.write(json === true ? `${JSON.stringify({ ...one, ...about })}\n` : row(one));
        }
      } finally {
        await team.close();
      }
    }
  },
});

/** Measures, and says on the way what; then writes the page. */
async function writeKernelReport(file: string, options: KernelSuiteOptions): Promise<void> {
  const suite = await measureKernelSuite({
    ...options,
    onMeasured: (one) => process.stdout.write(`${one.build.padEnd(12)}${row(one)}`),
  });
  const [machine] = cpuLines(await cpuReport({}, await kernelReport(undefined)));
  const report = kernelPage({
    ...suite,
    machine: machine!.replace(/^model\s+/, ""),
    versions: `cria ${version()}, Node ${process.versions.node}`,
    time: new Date(),
  });
  await writeFile(file, reportPage(report, await reportScript()));
  process.stderr.write(`written: ${file}\n`);
}

function parseShape(text: string): readonly number[] {
  if (!/^[1-9]\d*(x[1-9]\d*)*$/.test(text)) throw invalidOption("--shape", "numbers such as 8192x2048x1", text);
  return text.split("x").map(Number);
}

function header({ lab, threads }: LabTeam): string {
  const title = `${lab.build} kernels, ${threads} thread${threads === 1 ? "" : "s"}, Node ${process.versions.node}`;
  const columns = [
    "kernel",
    "format",
    "shape",
    "from",
    "time",
    "GB/s",
    "GOP/s",
    "of limit",
    "bound by",
    "error",
    "noise",
  ];
  return `${title}\n\n${line(columns)}${line(columns.map((_, i) => "-".repeat(widths[i]!)))}`;
}

const widths = [10, 13, 20, 6, 10, 7, 7, 8, 8, 8, 5] as const;

function line(cells: readonly string[]): string {
  const padded = cells.map((cell, i) =>
    i < 4 || i === 8 || i === 10 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!),
  );
  return `${padded.join("  ").trimEnd()}\n`;
}

function row(one: KernelMeasurement): string {
  return line([
    one.kernel,
    one.format,
    one.shape.join("x"),
    one.fromMemory ? "memory" : "caches",
    duration(one.seconds),
    one.bytesPerSecond === 0 ? "" : (one.bytesPerSecond / 1e9).toFixed(1),
    one.operationsPerSecond === 0 ? "" : (one.operationsPerSecond / 1e9).toFixed(1),
    one.share === undefined ? "" : `${(100 * one.share).toFixed(0)} %`,
    one.boundBy ?? "",
    one.error === undefined ? "" : one.error === 0 ? "0" : one.error.toExponential(1),
    one.noise.join("; "),
  ]);
}

function duration(seconds: number): string {
  return seconds < 1e-3 ? `${(seconds * 1e6).toFixed(1)} us` : `${(seconds * 1e3).toFixed(2)} ms`;
}
