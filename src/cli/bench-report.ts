// What `cria bench` writes beside its rows: the report (--html) and one token's timeline (--trace).

import { writeFile } from "node:fs/promises";
import { type KeptTuning, recallTuning } from "../api/load/tunings.js";
import { openGguf } from "../gguf/index.js";
import type { BenchResult } from "../lab/bench.js";
import type { BenchOptions } from "../lab/bench-tests.js";
import { predictBench } from "../lab/plan/predict-bench.js";
import type { Price } from "../lab/price.js";
import { benchReport } from "../lab/report/bench-report.js";
import { reportSuite } from "../lab/report/bench-suite.js";
import { reportPage } from "../lab/report/html.js";
import type { Tunings } from "../lab/report/tuning-section.js";
import { reportScript } from "../lab/report-script.js";
import { chromeTrace, type TokenTrace, traceToken } from "../lab/trace.js";
import { usableCpus } from "../machine/cpu/threads.js";
import { cpuTopology } from "../machine/cpu/topology.js";
import { kernelReport } from "./cpu.js";
import { cpuLines } from "./cpu-output.js";
import { cpuReport } from "./cpu-report.js";
import { progressBar } from "./progress-bar.js";
import { version } from "./version.js";

/** The tests of a report that nobody has chosen tests for, those of each model by themselves. */
export async function reportSuites(
  models: readonly string[],
  options: Omit<BenchOptions, "models">,
): Promise<readonly BenchOptions[]> {
  const most = usableCpus(await cpuTopology());
  const suites: BenchOptions[] = [];
  for (const model of models) suites.push(...(await reportSuite(model, most, options)));
  return suites;
}

interface ReportFiles {
  readonly results: readonly BenchResult[];
  readonly price: Price | undefined;
  /** Paths; undefined: not asked for. */
  readonly html: string | undefined;
  readonly trace: string | undefined;
  readonly tracing: Pick<BenchOptions, "threads" | "kvCaches" | "kernels" | "tune" | "signal"> & {
    readonly model: string;
  };
}

export async function writeBenchReport({ results, price, html, trace, tracing }: ReportFiles): Promise<void> {
  const { model, threads, kvCaches, kernels, tune, signal } = tracing;
  const generates = results.some((result) => result.model === model && result.generates);
  let token: TokenTrace | undefined;
  if (generates || trace !== undefined) {
    token = await traceToken(model, { threads: threads.at(-1), kvCache: kvCaches[0], kernels, signal });
  }
  if (trace !== undefined && token !== undefined) await save(trace, chromeTrace(token));
  if (html === undefined) return;
  const report = benchReport({
    results,
    tunings: await tuningsOf(results),
    tuned: tune,
    predictions: await predictions(results, { kernels, tune, signal }),
    machine: cpuLines(await cpuReport({}, await kernelReport(kernels))),
    price,
    trace: token,
    versions: `cria ${version()}, Node ${process.versions.node}`,
    time: new Date(),
  });
  await save(html, reportPage(report, await reportScript()));
}

async function tuningsOf(results: readonly BenchResult[]): Promise<Tunings> {
  const tunings = new Map<string, KeptTuning | undefined>();
  for (const { model } of results) {
    if (tunings.has(model)) continue;
    const gguf = await openGguf(model);
    try {
      tunings.set(model, await recallTuning(gguf));
    } finally {
      await gguf.close();
    }
  }
  return tunings;
}

/** Of each result. Measures the machine first where nobody has done it before, which takes some 20 s. */
async function predictions(
  results: readonly BenchResult[],
  options: Pick<BenchOptions, "kernels" | "tune" | "signal">,
): Promise<readonly number[]> {
  const bar = progressBar("this machine", "measuring");
  try {
    return await predictBench(results, { ...options, onProgress: bar.show });
  } finally {
    bar.clear();
  }
}

async function save(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  process.stderr.write(`written: ${path}\n`);
}
