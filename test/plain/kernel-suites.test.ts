// bench/kernels.ts's suites: every kernel has shapes in the caches and in memory, and rows that make sense.

import { openKernels } from "cria/kernels";
import { type KernelName, kernelNames, kernelRows } from "cria/lab";
import { describe, expect, it } from "vitest";
import { runSuite, suiteShapes } from "../../bench/kernel-suites.js";

const lab = await openKernels();
/** A machine whose caches are so small that its memory is soon reached. */
const sizes = { cachedBytes: 2 ** 12, cacheBytes: 2 ** 17, streamedBytes: 2 ** 19 };

const cases = kernelNames
  .filter((kernel) => kernel !== "peak")
  .map((kernel): [KernelName, string] => [kernel, kernel === "matmul" ? "Q4_0" : kernelRows[kernel].formats(lab)[0]!]);

describe("suites", () => {
  it.each(cases)("%s %s: the largest shape touches more than any cache holds", (kernel, format) => {
    const shapes = suiteShapes(lab, kernel, format, sizes);
    const touched = shapes.map((shape) => kernelRows[kernel].prepare(lab, format, shape).bytes);
    expect(Math.max(...touched)).toBeGreaterThanOrEqual(sizes.streamedBytes);
  });

  it.each(["swiGlu", "clampedSwiGlu", "geGlu", "gelu", "scale"] as const)(
    "%s works in place, on input that lasts",
    (name) => {
      const { run, error, kernel } = kernelRows[name].prepare(lab, "f32", [2, 512]);
      const input = kernel!.result;
      run();
      expect(error!()).toBeGreaterThan(0);
      for (let i = 0; i < 1000; i++) run();
      expect(kernel!.result).toEqual(input);
    },
  );

  it("a row has times, rates and the error", async () => {
    const shapes = [
      [16, 256, 1],
      [4096, 256, 4],
    ];
    const rows = await runSuite(lab, "matmul", "Q4_K", shapes, sizes, { milliseconds: 1 });
    expect(rows.map(({ shape, from }) => [shape, from])).toEqual([
      [shapes[0], "caches"],
      [shapes[1], "memory"],
    ]);
    for (const row of rows) {
      expect(row.samples).toBeGreaterThanOrEqual(5);
      expect(row.p99Seconds).toBeGreaterThanOrEqual(row.medianSeconds);
      const [weights = 0, columns = 0, tokens = 0] = row.shape;
      expect(row.bytesPerSecond * row.medianSeconds).toBeCloseTo((weights * columns * 144) / 256, 3);
      expect(row.operationsPerSecond * row.medianSeconds).toBeCloseTo(2 * weights * columns * tokens, 3);
      expect(row.error).toBeGreaterThan(0);
      expect(row.error).toBeLessThan(0.015);
    }
  });
});
