// cria bench and cria kernels: the ranges, the order of the tests, the formats, and the commands on the demo model. No figure is held to a
// time.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { benchFormats } from "../../dist/cli/bench-output.js";
import { parseRanges } from "../../dist/cli/ranges.js";
import type { BenchResult } from "../../dist/lab/bench.js";
import { type BenchOptions, benchTests, testName } from "../../dist/lab/bench-tests.js";
import { limitFlags, noiseFlags, sampleFlags } from "../../dist/lab/noise-flags.js";

const main = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));

function cria(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
}

describe("ranges", () => {
  it.each([
    ["512", [512]],
    ["1,2,4", [1, 2, 4]],
    ["1-4", [1, 2, 3, 4]],
    ["1-8+3", [1, 4, 7]],
    ["0-1024+512", [0, 512, 1024]],
    ["1-32*2", [1, 2, 4, 8, 16, 32]],
    ["5-5", [5]],
    ["16,1-3,64-256*4", [16, 1, 2, 3, 64, 256]],
  ])("%s", (text, numbers) => {
    expect(parseRanges("-p", [text])).toEqual(numbers);
  });

  it("add up when the option is given several times", () => {
    expect(parseRanges("-p", ["1", "2-3"])).toEqual([1, 2, 3]);
  });

  it.each(["", "x", "1,", "-1", "1-", "1-8/2", "1-8+", "1.5", "8-1", "1-8*1", "0-8*2", "1-8+0", "0-100000"])(
    "%s is refused",
    (text) => {
      expect(() => parseRanges("-p", [text])).toThrow(/-p/);
    },
  );
});

const options: BenchOptions = {
  models: ["a", "b"],
  prompts: [512],
  generations: [128],
  depths: [0, 64],
  batches: [2048],
  threads: [1, 2],
  kvCaches: ["f16"],
  parallel: [1, 4],
  repetitions: 1,
};

describe("the tests", () => {
  it("come in llama-bench's order", () => {
    const names = benchTests(options).map((test) => `${test.model} t${test.threads} ${testName(test)}`);
    const each = ["pp512", "tg128", "tg128 np4", "pp512 @ d64", "tg128 @ d64", "tg128 np4 @ d64"];
    expect(names).toEqual(["a t1", "a t2", "b t1", "b t2"].flatMap((where) => each.map((name) => `${where} ${name}`)));
  });

  it("leave out what has no tokens, and are refused where nothing is left", () => {
    expect(benchTests({ ...options, prompts: [0] }).every(({ generate }) => generate === 128)).toBe(true);
    expect(() => benchTests({ ...options, prompts: [0], generations: [0] })).toThrow(/nothing to measure/);
  });
});

const result: BenchResult = {
  model: 'a "quoted", name.gguf',
  batch: 2048,
  kvCache: "q8_0",
  threads: 2,
  threadsBatch: 2,
  depth: 512,
  prompt: 0,
  generate: 128,
  parallel: 4,
  name: "tg128 np4 @ d512",
  architecture: "llama",
  format: "Q4_K",
  modelBytes: 1.5 * 2 ** 30,
  parameters: 1.24e9,
  build: "simd",
  kernels: undefined,
  buildProblem: undefined,
  time: new Date("2026-01-02T03:04:05.678Z"),
  nanoseconds: [2e9, 4e9, 4e9],
  tokensPerSecond: [256, 128, 128],
  roofline: { bandwidth: 40e9, peaks: { int8: 400e9, int16: 200e9, f32: 100e9 } },
  weightBytes: 1.4e9,
  work: { bytes: 2e9, operations: { int8: 4e9, f32: 1e9 } },
  generates: true,
  memory: {
    weights: 1.4e9,
    kvCache: 1e8,
    recurrentState: 0,
    activations: 0,
    scratch: 0,
    control: 0,
    total: 1.5e9,
    inFile: 0,
    shards: [],
  },
  tableMicroseconds: 2.25,
  limit: { seconds: 1, boundBy: "memory", tokensPerSecond: 512, share: 0.25 },
  disturbances: [],
  noise: ["spread 43 %"],
};

const write = (name: keyof typeof benchFormats, ...results: BenchResult[]) => {
  const format = benchFormats[name]({ batch: false, kvCache: true });
  return format.header() + results.map((one) => format.result(one)).join("") + format.footer();
};

describe("formats", () => {
  // Keys that readers of llama-bench's files look for.
  const keys =
    "build_commit cpu_info backends model_filename model_type model_size model_n_params n_batch n_ubatch n_threads type_k type_v " +
    "n_prompt n_gen n_depth test_time avg_ns stddev_ns avg_ts stddev_ts";
  const expected = {
    model_filename: result.model,
    model_type: "llama 1.24B Q4_K",
    model_size: 1610612736,
    model_n_params: 1240000000,
    type_k: "q8_0",
    n_gen: 128,
    n_depth: 512,
    test_time: "2026-01-02T03:04:05Z",
    avg_ns: 3333333333,
    bound_by: "memory",
    limit_share: 0.25,
    median_ts: 128,
    table_us: 2.25,
    noise: "spread 43 %",
  };

  it("json parses back", () => {
    const rows = JSON.parse(write("json", result, result));
    expect(rows).toHaveLength(2);
    expect(rows[1]).toMatchObject({ ...expected, samples_ns: result.nanoseconds, samples_ts: [256, 128, 128] });
    for (const key of keys.split(" ")) expect(rows[0]).toHaveProperty(key);
    expect(rows[0].avg_ts).toBeCloseTo(170.667, 3);
    expect(rows[0].stddev_ts).toBeCloseTo(73.901, 3);
  });

  it("json of nothing is an empty array", () => {
    expect(JSON.parse(write("json"))).toEqual([]);
  });

  it("jsonl parses back, line by line", () => {
    const lines = write("jsonl", result, result).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining(expected),
      expect.objectContaining(expected),
    ]);
  });

  it("csv parses back", () => {
    const [names, ...rows] = write("csv", result, result).trimEnd().split("\n");
    expect(rows).toHaveLength(2);
    const values = [...rows[0]!.matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map((match) => match[1]!.replaceAll('""', '"'));
    const row = Object.fromEntries(names!.split(",").map((name, i) => [name, values[i]]));
    for (const [key, value] of Object.entries(expected)) expect(row[key]).toBe(String(value));
    expect(names!.startsWith(keys.replaceAll(" ", ","))).toBe(true);
  });

  it("md has llama-bench's columns, and ours behind them", () => {
    const [header, rule, row, , limits, table] = write("md", result).split("\n");
    const cells = (line: string) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim());
    expect(cells(header!)).toEqual([
      "model",
      "size",
      "params",
      "backend",
      "threads",
      "type_k",
      "test",
      "t/s",
      "of limit",
      "bound by",
      "noise",
    ]);
    expect(cells(row!)).toEqual([
      "llama 1.24B Q4_K",
      "1.50 GiB",
      "1.24 B",
      "WASM simd",
      "2",
      "q8_0",
      "tg128 np4 @ d512",
      "170.67 ± 73.90",
      "25 %",
      "memory",
      "spread 43 %",
    ]);
    expect(rule).toMatch(/^\| -+ \| -+: \|/);
    expect(limits).toMatch(/2 threads: 40.0 GB\/s read; 400.0 int8, 200.0 int16, 100.0 f32 GOP\/s$/);
    expect(table).toBe("embeddings that stay in the file: 2.3 us a token");
    expect(write("md", { ...result, tableMicroseconds: 0 })).not.toContain("stay in the file");
  });

  it("md fits a terminal of 80 columns: what is the same stands above, noise below", () => {
    const format = benchFormats.md({ batch: true, kvCache: true, most: 80 });
    const quiet = { ...result, build: "wide-relaxed", noise: [] } as const;
    const loud = { ...quiet, noise: ["spread 43 %", "throttled in 3 of 50 periods"] };
    const text =
      format.header() +
      [quiet, loud, loud, { ...quiet, format: "Q8_0" }].map((one) => format.result(one)).join("") +
      format.footer();
    const lines = text.split("\n");
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines[0]).toBe("llama 1.24B Q4_K, 1.50 GiB, WASM wide-relaxed, n_batch 2048, type_k q8_0");
    expect(lines.filter((line) => line.startsWith("llama 1.24B"))).toHaveLength(2);
    expect(lines.filter((line) => /\| a +\|$/.test(line))).toHaveLength(2);
    expect(text).toContain("\nnoise a: spread 43 %; throttled in 3 of 50 periods\n");
    const table = lines.filter((line) => line.startsWith("|"));
    expect(new Set(table.map((line) => line.length)).size).toBe(1);
    const fast = format.result({ ...quiet, tokensPerSecond: [12000, 13500] });
    expect(fast).toContain("|  12750.0 ± 1060.7 |");
    expect(fast.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });
});

describe("noise", () => {
  const none = {
    periods: undefined,
    throttledPeriods: undefined,
    throttledMicroseconds: undefined,
    ticks: undefined,
    stolenTicks: undefined,
    idleTicks: undefined,
    pressureMicroseconds: undefined,
  };

  it("is told of throttling, stolen time and spread", () => {
    expect(noiseFlags(none, [100, 101, 99])).toEqual([]);
    expect(noiseFlags({ ...none, periods: 50, throttledPeriods: 3 }, [100])).toEqual(["throttled in 3 of 50 periods"]);
    expect(noiseFlags({ ...none, ticks: 1000, stolenTicks: 20 }, [100])).toEqual(["2 % stolen"]);
    expect(noiseFlags({ ...none, ticks: 1000, stolenTicks: 5 }, [100, 100])).toEqual([]);
    expect(noiseFlags(none, [100, 120])).toEqual(["spread 13 %"]);
  });

  it("is told of tasks that waited for a processor", () => {
    const waited = (pressureMicroseconds: number) => noiseFlags({ ...none, pressureMicroseconds }, [100, 100], 1000);
    expect(waited(150_000)).toEqual([]);
    expect(waited(980_000)).toEqual(["CPU pressure 98 %"]);
    expect(waited(1_010_000)).toEqual(["CPU pressure 100 %"]);
  });

  it("is told of a single repetition, which has no spread", () => {
    expect(sampleFlags([100])).toEqual(["one repetition: no spread"]);
    expect(sampleFlags([100, 100])).toEqual([]);
    expect(write("md", { ...result, tokensPerSecond: [128] })).toContain("  128.00 ± ? |");
  });

  it("is told of a limit that was passed", () => {
    expect(limitFlags({ rounds: undefined, share: 1 })).toEqual([]);
    expect(limitFlags({ rounds: 15, share: 0.9 })).toEqual(["limit disturbed: the best of 15 rounds counts"]);
    expect(limitFlags({ rounds: 15, share: 1.2 })).toEqual(["over the limit: that, or the time, was disturbed"]);
  });
});

describe("cria bench", () => {
  it("measures the demo model", () => {
    const { status, stdout, stderr } = cria(
      ...[
        "bench",
        "-p",
        "8",
        "-n",
        "4",
        "-d",
        "0,70",
        "-np",
        "1,3",
        "-b",
        "5",
        "-ctk",
        "q8_0",
        "-t",
        "2",
        "-r",
        "2",
        "-o",
        "json",
      ],
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const rows = JSON.parse(stdout) as Record<string, number | string | number[]>[];
    expect(rows.map((row) => row["test"])).toEqual([
      "pp8",
      "tg4",
      "tg4 np3",
      "pp8 @ d70",
      "tg4 @ d70",
      "tg4 np3 @ d70",
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({ n_threads: 2, n_batch: 5, type_k: "q8_0", model_n_params: 2885888 });
      expect(row["samples_ts"]).toHaveLength(2);
      for (const key of ["avg_ts", "limit_ts", "limit_share", "read_bytes_per_second", "int8_operations_per_second"]) {
        expect(row[key]).toBeGreaterThan(0);
      }
      expect(["memory", "int8", "int16", "f32"]).toContain(row["bound_by"]);
    }
  });

  it.each([
    [["-p", "x"], /-p must be numbers and ranges such as .*; it is "x"/],
    [["-p", "0", "-n", "0"], /nothing to measure/],
    [["-o", "sql"], /-o must be one of md, csv, json, jsonl; it is "sql"/],
    [["-ctk", "q4_0"], /-ctk must be one of f16, f32, q8_0; it is "q4_0"/],
    [["-np", "0"], /-np must be at least 1; it is 0/],
    [["-r", "0"], /-r must be an integer of at least 1; it is 0/],
    [["model.gguf"], /a model is named with -m/],
  ])("%j is refused", (args, message) => {
    const { status, stderr } = cria("bench", ...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe("cria kernels", () => {
  it("--json has an error below its bound beside each speed", () => {
    const { status, stdout } = cria(
      ...["kernels", "--kernel", "matmul", "--shape", "64x512x2", "--json", "-t", "2", "--build", "simd"],
      ...["Q4_0", "Q4_K", "Q8_0", "F32"].flatMap((format) => ["--format", format]),
    );
    expect(status).toBe(0);
    const rows = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows.map((row) => row.format)).toEqual(["F32", "Q4_0", "Q8_0", "Q4_K"]);
    const bounds = [1e-6, 0.01, 1e-4, 0.015];
    for (const [i, row] of rows.entries()) {
      expect(row).toMatchObject({
        kernel: "matmul",
        shape: [64, 512, 2],
        build: "simd",
        threads: 2,
        fromMemory: false,
      });
      expect(row.error).toBeLessThan(bounds[i]!);
      expect(row.operationsPerSecond).toBeGreaterThan(0);
    }
  });

  it("prints a table", () => {
    const { status, stdout } = cria("kernels", "--kernel", "rope", "--kernel", "rmsNorm", "--shape", "4x64", "-t", "1");
    // rope takes three numbers: the rows before it are there already.
    expect(status).toBe(2);
    expect(stdout).toBe("");
    const { stdout: table } = cria("kernels", "--kernel", "rmsNorm", "--shape", "4x64", "-t", "1");
    expect(table).toMatch(/kernels, 1 thread, Node/);
    expect(table).toMatch(/^rmsNorm +f32 +4x64 +caches +[\d.]+ us +[\d.]+ .*e-\d+$/m);
  });

  it.each([
    [["--kernel", "gemm"], /kernel must be one of .*matmul.*; it is "gemm"/],
    [["--kernel", "matmul", "--format", "Q9"], /format must be one that matmul comes in; it is "Q9"/],
    [["--shape", "8x"], /--shape must be numbers such as 8192x2048x1; it is "8x"/],
    [["--build", "avx"], /--build must be one of .*; it is "avx"/],
  ])("%j is refused", (args, message) => {
    const { status, stderr } = cria("kernels", ...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});
