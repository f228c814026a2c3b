// Results of cria bench that nobody measured: one row, and those of a machine with many cores.

import type { KeptTuning } from "../../dist/api/load/tunings.js";
import type { BenchResult } from "../../dist/lab/bench.js";
import type { TokenTrace } from "../../dist/lab/trace.js";

/** A decode of 32 tokens in a second, with changes. */
export const benchRow = (changes: Partial<BenchResult> = {}): BenchResult => ({
  model: "/models/a.gguf",
  batch: 2048,
  kvCache: "f16",
  kernels: undefined,
  threads: 2,
  threadsBatch: 2,
  depth: 0,
  prompt: 0,
  generate: 32,
  parallel: 1,
  name: "tg32",
  architecture: "llama",
  format: "Q4_0",
  modelBytes: 1e9,
  parameters: 1e9,
  build: "relaxed",
  buildProblem: undefined,
  time: new Date("2026-01-02T03:04:05Z"),
  nanoseconds: [1e9, 1e9, 1e9],
  tokensPerSecond: [32, 33, 31],
  roofline: { bandwidth: 40e9, peaks: { int8: 400e9, int16: 200e9, f32: 100e9 } },
  weightBytes: 1e9,
  work: { bytes: 32e9, operations: { int8: 60e9, f32: 4e9 } },
  generates: true,
  memory: {
    weights: 1e9,
    kvCache: 1e8,
    recurrentState: 0,
    activations: 1e6,
    scratch: 1e6,
    control: 1e4,
    total: 1.2e9,
    inFile: 0,
    shards: [],
  },
  tableMicroseconds: 0,
  limit: { seconds: 0.8, boundBy: "memory", tokensPerSecond: 40, share: 0.8 },
  disturbances: [],
  noise: [],
  ...changes,
});

const COUNTS = [1, 2, 4, 8, 16, 32, 48];

/** Two models on 48 cores: by threads, by sequences, by depth. */
export function manyRows(): BenchResult[] {
  return [
    ["/models/Llama-3.2-1B-Instruct-Q4_K_M.gguf", 0.8e9],
    ["/models/Qwen3-8B-Q4_K_M.gguf", 5e9],
  ].flatMap(([model, weights]) => {
    const of = (threads: number, changes: Partial<BenchResult>): BenchResult => {
      const { prompt = 0, generate = 0, parallel = 1, depth = 0 } = changes;
      const bandwidth = 460e9 * (1 - Math.exp(-threads / 10));
      const peak = 200e9 * threads;
      const tokens = prompt + generate * parallel;
      const bytes = prompt > 0 ? +weights! : +weights! * generate + tokens * depth * 32_768;
      const operations = tokens * +weights! * 3.2;
      const seconds = Math.max(bytes / bandwidth, operations / peak) / 0.7;
      const rate = tokens / seconds;
      const limit = { seconds: 0.7 * seconds, boundBy: "memory", tokensPerSecond: rate / 0.7, share: 0.7 } as const;
      return benchRow({
        ...changes,
        model: `${model}`,
        threads,
        threadsBatch: threads,
        prompt,
        generate,
        name: `${prompt > 0 ? `pp${prompt}` : `tg${generate}`}${parallel > 1 ? ` np${parallel}` : ""}${depth > 0 ? ` @ d${depth}` : ""}`,
        nanoseconds: [1e9 * seconds],
        tokensPerSecond: [0.98 * rate, rate, 1.01 * rate],
        roofline: { bandwidth, peaks: { int8: peak, int16: peak / 2, f32: peak / 4 } },
        work: { bytes, operations: { int8: operations } },
        limit,
      });
    };
    return [
      ...COUNTS.flatMap((threads) => [of(threads, { prompt: 512 }), of(threads, { generate: 32 })]),
      ...[2, 4, 8, 16, 32].map((parallel) => of(48, { generate: 32, parallel })),
      ...[512, 2048, 8192].map((depth) => of(48, { generate: 32, depth })),
    ];
  });
}

/** The tuning of a model that generates, as it is kept. */
export const keptTuning: KeptTuning = {
  settings: { threads: 40, threadsBatch: 48, kernels: "wide", pin: "physical" },
  instances: 2,
  threadsOfInstance: 24,
  time: Date.UTC(2026, 0, 2, 3, 4),
  findings: {
    recommendations: [
      { axis: "threads", value: "40 for decode", reason: "1.08 times (+- 1.1 %) as fast as the default, 48" },
      { axis: "batch", value: "16", reason: "9.10 times the tokens of one text, and a text's next token every 44 ms" },
    ],
    gain: { decode: 1.08, prefill: 1.31 },
    batch: [1, 2, 4, 8, 16, 32].map((texts) => {
      const tokensPerSecond = 400 * (1 - Math.exp(-texts / 8));
      return { texts, tokensPerSecond, milliseconds: (1000 * texts) / tokensPerSecond };
    }),
  },
};

/** A token of 48 workers, each with 60 kernels and as many barriers. */
export function manyWorkers(): TokenTrace {
  const workers = Array.from({ length: 48 }, (_, worker) => worker);
  const spans = workers.flatMap((worker) =>
    Array.from({ length: 60 }, (_, i) => {
      const [begin, end] = [0.1 * i, 0.1 * i + 0.04 + 0.001 * ((7 * worker + i) % 40)];
      const name = ["matmul of 4096 columns", "attention", "rmsNorm", "encodeActivations"][i % 4]!;
      return [
        { worker, name, begin, end, calls: 3 },
        { worker, name: "waiting at a barrier", begin: end, end: 0.1 * (i + 1), calls: 1 },
      ];
    }).flat(),
  );
  return { model: "/m/a.gguf", kernels: "vnni", threads: 48, layers: 16, depth: 176, milliseconds: 6, spans, lost: 0 };
}
