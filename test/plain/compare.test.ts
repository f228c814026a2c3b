// cria bench --compare: which tests are the same, and which differences are larger than those of repetitions.

import { describe, expect, it } from "vitest";
import { comparisonText } from "../../dist/cli/bench-compare.js";
import { type BenchRow, compareBenches, parseBench } from "../../dist/lab/compare.js";
import { studentQuantile } from "../../dist/lab/student.js";
import fc from "../support/fast-check.js";

/** A row as llama-bench writes it. */
const row = (samples: readonly number[], more: Readonly<Record<string, unknown>> = {}) => ({
  model_filename: "models/a.gguf",
  n_threads: 2,
  type_k: "f16",
  n_prompt: 0,
  n_gen: 128,
  n_depth: 0,
  samples_ts: samples,
  ...more,
});

const parsed = (...rows: readonly object[]) => parseBench(JSON.stringify(rows), "a.json");

describe("Student's t", () => {
  // Tables of 95 % and 99 %, two-sided.
  it.each([
    [0.95, 1, 12.706],
    [0.95, 2, 4.303],
    [0.95, 4, 2.776],
    [0.95, 10, 2.228],
    [0.95, 30, 2.042],
    [0.99, 5, 4.032],
    [0.95, 1e6, 1.96],
  ])("%d with %d degrees of freedom is %d", (confidence, degrees, expected) => {
    expect(studentQuantile(confidence, degrees)).toBeCloseTo(expected, 3);
  });
});

describe("files", () => {
  it("JSON and lines of JSON say the same; folders do not matter, depth and sequences do", () => {
    const rows = [
      row([1, 2]),
      row([3], { n_depth: 512, n_parallel: 4 }),
      row([4], { n_prompt: 512, n_gen: 0, type_k: "q8_0" }),
    ];
    const lines = rows.map((one) => `${JSON.stringify(one)}\n`).join("");
    expect(parseBench(lines, "a.jsonl")).toEqual(parsed(...rows));
    expect(parsed(...rows).map(({ key }) => key)).toEqual([
      "a.gguf, tg128, 2 threads",
      "a.gguf, tg128 np4 @ d512, 2 threads",
      "a.gguf, pp512, 2 threads, q8_0",
    ]);
  });

  it("the same test twice, as with other kernels, is compared in order", () => {
    const [before, after] = [parsed(row([1, 1]), row([5, 5])), parsed(row([2, 2]), row([5, 5]))];
    expect(compareBenches(before, after).rows.map(({ ratio }) => ratio)).toEqual([
      expect.closeTo(2),
      expect.closeTo(1),
    ]);
  });

  it.each(["", "[]", "{", "[{}]", '[{"samples_ts": []}]', '[{"samples_ts": [0]}]', '[{"samples_ts": ["1"]}]', "null"])(
    "%s is refused",
    (text) => {
      expect(() => parseBench(text, "a.json")).toThrow(expect.objectContaining({ code: "BENCH_FILE" }));
    },
  );

  it("files without a test in common are refused", () => {
    const other = parsed(row([1], { n_gen: 64 }));
    expect(() => compareBenches(parsed(row([1])), other)).toThrow(/no test in common.*tg128.*tg64/);
  });
});

const compare = (a: readonly number[], b: readonly number[]) => compareBenches(parsed(row(a)), parsed(row(b))).rows[0]!;

describe("differences", () => {
  it("a clear one has an interval around its ratio", () => {
    const { verdict, ratio, interval } = compare([100, 101, 99, 100, 100], [110, 111, 109, 110, 110]);
    expect([verdict, ratio]).toEqual(["faster", expect.closeTo(1.1, 3)]);
    // Welch by hand: s = 0.00707 of both, se = 0.00447, 8 degrees: 2.306 * 0.00447 = 0.0103.
    expect(interval![0]).toBeCloseTo(1.1 * Math.exp(-0.0099), 2);
    expect(interval![1]).toBeCloseTo(1.1 * Math.exp(0.0099), 2);
    expect(compare([110, 111, 109], [100, 101, 99]).verdict).toBe("slower");
  });

  it("one that repetitions reach by themselves is below the noise", () => {
    expect(compare([90, 100, 110, 95, 105], [93, 103, 113, 98, 108]).verdict).toBe("below the noise");
  });

  it("one repetition has no interval", () => {
    expect(compare([100], [200, 200])).toMatchObject({ verdict: "unknown", interval: undefined });
  });

  it("of equal machines, one in twenty is called different", () => {
    // A normal variate from 12 uniform ones, by a fixed generator.
    let state = 7;
    const uniform = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const speeds = () =>
      Array.from(
        { length: 5 },
        () => 100 * Math.exp(0.03 * (Array.from({ length: 12 }, uniform).reduce((a, b) => a + b) - 6)),
      );
    const wrong = Array.from({ length: 2000 }, () => compare(speeds(), speeds()).verdict).filter(
      (v) => v !== "below the noise",
    ).length;
    expect(wrong / 2000).toBeGreaterThan(0.03);
    expect(wrong / 2000).toBeLessThan(0.07);
  });

  it("the other way round is the inverse", () => {
    const speeds = fc.array(fc.double({ min: 1, max: 1000, noNaN: true }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(speeds, speeds, (a, b) => {
        const [there, back] = [compare(a, b), compare(b, a)];
        expect(there.ratio * back.ratio).toBeCloseTo(1, 9);
        expect(Math.log(there.interval![0]) + Math.log(back.interval![1])).toBeCloseTo(0, 6);
      }),
    );
  });
});

it("says what stands against a verdict, and what only one file has", () => {
  const limits = (bandwidth: number) => ({ read_bytes_per_second: bandwidth, int8_operations_per_second: 1e11 });
  const before: BenchRow[] = parsed(row([100, 100, 101], limits(40e9)), row([5, 5], { n_gen: 32 }));
  const after: BenchRow[] = parsed(
    row([120, 120, 121], { ...limits(48e9), noise: "3 % stolen" }),
    row([5], { n_gen: 16 }),
  );
  const text = comparisonText(compareBenches(before, after), "a.json", "b.json");
  expect(text).toContain("19.9 % faster | after: 3 % stolen; the machine's read bandwidth was +20 %");
  expect(text).toContain("only in a.json: a.gguf, tg32, 2 threads\nonly in b.json: a.gguf, tg16, 2 threads\n");
});
