// Every kernel in every format, from the caches and from memory, on one thread: speed, and beside it the error against float64.
//
//   npm run build && npm run build:bench && node build/bench/kernels.js [--kernel matmul] [--format Q4_K] [--build simd] [--time 500] [--json]

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { type KernelBuild, openKernels } from "cria/kernels";
import { kernelNames, kernelRows, residence } from "cria/lab";
import { runSuite, type SuiteRow, suiteShapes } from "./kernel-suites.js";

const { values } = parseArgs({
  options: {
    kernel: { type: "string", multiple: true },
    format: { type: "string", multiple: true },
    build: { type: "string" },
    time: { type: "string", default: "300" }, // milliseconds for each shape
    json: { type: "boolean" },
  },
});
const lab = await openKernels(values.build === undefined ? {} : { build: values.build as KernelBuild });
const sizes = await residence();
const names = kernelNames.filter((name) => values.kernel?.includes(name) ?? true);
const suites = names.flatMap((kernel) =>
  kernelRows[kernel]
    .formats(lab)
    .filter((format) => values.format?.includes(format) ?? true)
    .map((format) => ({ kernel, format })),
);
if (suites.length === 0) throw new Error("no such kernel in such a format; `cria kernels --help` lists them");

const columns = ["kernel", "format", "shape", "from", "median", "p99", "samples", "GB/s", "GOP/s", "error"];
if (values.json !== true) {
  console.log(`${cpus()[0]?.model}, ${lab.build} kernels, one thread, Node ${process.version}\n`);
  console.log(`| ${columns.join(" | ")} |\n|${"---|".repeat(4)}${"---:|".repeat(columns.length - 4)}`);
}
for (const { kernel, format } of suites) {
  const shapes = suiteShapes(lab, kernel, format, sizes);
  for (const row of await runSuite(lab, kernel, format, shapes, sizes, { milliseconds: Number(values.time) })) {
    console.log(values.json === true ? JSON.stringify(row) : line(row));
  }
}

function line(row: SuiteRow): string {
  const rate = (perSecond: number) => (perSecond === 0 ? "" : (perSecond / 1e9).toFixed(1));
  const time = (seconds: number) => `${(seconds * 1e6).toFixed(1)} us`;
  const cells = [
    row.kernel,
    row.format,
    row.shape.join("x"),
    row.from,
    time(row.medianSeconds),
    time(row.p99Seconds),
    String(row.samples),
    rate(row.bytesPerSecond),
    rate(row.operationsPerSecond),
    row.error === undefined ? "" : row.error.toExponential(1),
  ];
  return `| ${cells.join(" | ")} |`;
}
