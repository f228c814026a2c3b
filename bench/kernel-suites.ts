// The suites of bench/kernels.ts: one for each kernel and format, a task for each shape. What a task runs, its random input, and its
// distance from float64 are the lab's (`cria/lab`); timing is tinybench's, on this thread alone.

import type { KernelLab } from "cria/kernels";
import { type KernelCase, type KernelName, kernelRows, type Residence } from "cria/lab";
import { Bench } from "tinybench";

export interface SuiteRow extends KernelCase {
  /** Where what it touches lies: in the caches of the core, or in memory. */
  readonly from: "caches" | "memory";
  readonly samples: number;
  /** Of one run. */
  readonly medianSeconds: number;
  readonly p99Seconds: number;
  readonly bytesPerSecond: number;
  /** 0 for kernels that are not about arithmetic. */
  readonly operationsPerSecond: number;
  /** |ours - exact| / |exact|, the exact result in float64; undefined where the kernel's row has none. */
  readonly error: number | undefined;
}

export interface SuiteOptions {
  /** Time that each shape is run for. */
  readonly milliseconds: number;
}

/** The shapes of a suite: the lab's, and, where those stay in the caches, one more that does not. */
export function suiteShapes(lab: KernelLab, kernel: KernelName, format: string, sizes: Residence): readonly number[][] {
  const row = kernelRows[kernel];
  const shapes = row.shapes(lab, format, sizes).map((shape) => [...shape]);
  const touched = shapes.map((shape) => row.prepare(lab, format, shape).bytes);
  if (kernel === "peak" || touched.some((bytes) => bytes >= sizes.streamedBytes)) return shapes;
  // Where there are positions they are doubled, of the others rows and columns (or heads) in turn: what they touch doubles with each.
  const byPosition = kernel === "attention" || kernel === "ropeTable";
  const large = [...shapes[0]!];
  for (let i = 0, bytes = touched[0]!; bytes < sizes.streamedBytes; bytes *= 2, i = 1 - i)
    large[byPosition ? 0 : i]! *= 2;
  return [...shapes, large];
}

/** Measures one kernel in one format, shape after shape: a matrix larger than the caches is gone before the next one is made. */
export async function runSuite(
  lab: KernelLab,
  kernel: KernelName,
  format: string,
  shapes: readonly (readonly number[])[],
  sizes: Residence,
  { milliseconds }: SuiteOptions,
): Promise<readonly SuiteRow[]> {
  const rows: SuiteRow[] = [];
  for (const shape of shapes) {
    const { run, bytes, operations, error } = kernelRows[kernel].prepare(lab, format, shape);
    run();
    const distance = error?.();
    const bench = new Bench({ time: milliseconds, iterations: 5, warmupTime: milliseconds / 5, warmupIterations: 2 });
    bench.add(`${kernel} ${format} ${shape.join("x")}`, run);
    await bench.warmup();
    await bench.run();
    const [task] = bench.tasks;
    if (task?.result?.error !== undefined) throw task.result.error;
    const samples = [...task!.result!.samples].sort((a, b) => a - b);
    const seconds = (share: number) => samples[Math.floor(share * (samples.length - 1))]! / 1000;
    const medianSeconds = seconds(0.5);
    rows.push({
      kernel,
      format,
      shape,
      from: bytes > sizes.cacheBytes ? "memory" : "caches",
      samples: samples.length,
      medianSeconds,
      p99Seconds: seconds(0.99),
      bytesPerSecond: bytes / medianSeconds,
      operationsPerSecond: operations / medianSeconds,
      error: distance,
    });
  }
  return rows;
}
