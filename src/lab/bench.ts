// `cria bench` as a function: llama-bench's tests of whole models, each compared with the most that this machine can do.
//
//   pp512          a prompt of 512 tokens
//   tg128          128 tokens, one step each; they are random: sampling is not part of it
//   tg128 np8      the same for 8 sequences at once, one row of each in every step; tokens per second are those of all together
//   pp512 @ d4096  behind 4096 tokens that are in the cache already
//   pp128 np16     of an encoder: 16 texts of 128 tokens, embedded in one call
//
// Every repetition begins with a round of the machine's limits, so that both see the same machine.

import type { MemoryPlan } from "../index.js";
import { cpuNoise, noiseBetween } from "../machine/cpu/noise.js";
import type { Disturbance } from "../machine/disturbance/disturbance.js";
import type { KernelName } from "../machine/kernels.js";
import { BenchModel } from "./bench-model.js";
import { type BenchOptions, type BenchTest, benchTests, testName } from "./bench-tests.js";
import { disturbanceFlags, limitFlags, noiseFlags, sampleFlags } from "./noise-flags.js";
import { residence } from "./residence.js";
import type { Limit, Roofline, Work } from "./roofline.js";
import { median } from "./statistics.js";

// V8 compiles kernels well only once they have run for a while.
const WARM_UP_MILLISECONDS = 500;
const WARM_UP_TOKENS = 32;

/** What was measured in one test. */
export interface BenchResult extends BenchTest {
  /** llama-bench's name: "pp512", "tg128 @ d512". */
  readonly name: string;
  readonly threads: number;
  /** Workers of steps of many rows: prompts, and many sequences at once. */
  readonly threadsBatch: number;
  readonly architecture: string;
  /** Of most weights, such as "Q4_K". */
  readonly format: string;
  /** Bytes of all tensors in the file. */
  readonly modelBytes: number;
  readonly parameters: number;
  readonly build: KernelName;
  /** What is in the way of wide kernels that were asked for. */
  readonly buildProblem: string | undefined;
  /** When the test began. */
  readonly time: Date;
  /** One for each repetition. */
  readonly nanoseconds: readonly number[];
  readonly tokensPerSecond: readonly number[];
  /** What the machine could do, measured in turns with the repetitions. */
  readonly roofline: Roofline;
  /** The bytes of the matrices, which every step reads once. */
  readonly weightBytes: number;
  /** What a repetition must read and multiply at least, wherever it lies. */
  readonly work: Work;
  /** Whether the model generates. Encoders embed: their prompts are documents. */
  readonly generates: boolean;
  /** The shared memory that the model was loaded with. */
  readonly memory: MemoryPlan;
  /** Microseconds of a token in which rows of embeddings that stay in the file were read; 0: there are none. */
  readonly tableMicroseconds: number;
  /** The least time and the most tokens per second that the machine allows, what binds them, and the share that the median reaches. */
  readonly limit: Limit & { readonly tokensPerSecond: number; readonly share: number };
  /** What took time from the workers in the repetitions, and what it cost, as they were observed: about one a second. */
  readonly disturbances: readonly Disturbance[];
  /** Disturbances: "throttled in 3 of 50 periods", "2 % stolen", "CPU pressure 40 %", "spread 7 %". Empty: the figures count. */
  readonly noise: readonly string[];
}

/**
 * Runs the tests one by one.
 *
 * @throws CriaError INVALID_OPTION, and what loadModel and evaluate throw; the signal's reason
 */
export async function* bench(options: BenchOptions): AsyncGenerator<BenchResult, void, undefined> {
  const tests = withTexts(benchTests(options), options.parallel);
  let open: { readonly loading: string; readonly model: BenchModel } | undefined;
  try {
    for (const [index, test] of tests.entries()) {
      const report = (repetition: number) => {
        options.onProgress?.({ test: index + 1, tests: tests.length, name: testName(test), repetition });
      };
      report(0);
      const loading = loadingOf(test);
      if (open?.loading !== loading) {
        await open?.model.close();
        open = undefined;
        const alike = tests.filter((other) => loadingOf(other) === loading);
        open = { loading, model: await BenchModel.open(alike, options) };
      }
      if (!isOf(test, open.model.model.info.generates, options.parallel)) continue;
      yield await measure(open.model, test, options, report);
    }
  } finally {
    await open?.model.close();
  }
}

/** Encoders embed as many texts in one call as other models have sequences, which take one prompt at a time. */
function withTexts(tests: readonly BenchTest[], parallel: readonly number[]): readonly BenchTest[] {
  const several = parallel.filter((texts) => texts > 1);
  return tests.flatMap((test) =>
    test.prompt === 0 ? [test] : [test, ...several.map((texts) => ({ ...test, parallel: texts }))],
  );
}

/** Whether a test is one of a model that generates, or of an encoder, which generates nothing. */
function isOf({ prompt, parallel }: BenchTest, generates: boolean, asked: readonly number[]): boolean {
  return generates ? prompt === 0 || parallel === 1 : prompt > 0 && asked.includes(parallel);
}

/** Tests with the same value can share a loaded model. */
function loadingOf({ model, kvCache, threads }: BenchTest): string {
  return JSON.stringify([model, kvCache, threads]);
}

async function measure(
  bench: BenchModel,
  test: BenchTest,
  { repetitions, warmUp, signal }: BenchOptions,
  report: (repetition: number) => void,
): Promise<BenchResult> {
  const { model, probe, work } = bench;
  const { info } = model;
  await bench.prepare(test, signal);
  if (warmUp ?? true) {
    const enough = performance.now() + WARM_UP_MILLISECONDS;
    do await bench.run({ ...test, generate: Math.min(test.generate, WARM_UP_TOKENS) }, signal);
    while (performance.now() < enough);
    await probe.round();
  }
  const roundsBefore = probe.rounds;
  const time = new Date();
  const before = await cpuNoise();
  bench.takeDisturbances();
  const tablesBefore = model.tableReads.milliseconds;
  const milliseconds: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    report(repetition + 1);
    await probe.round();
    milliseconds.push(await bench.run(test, signal));
  }
  const noise = noiseBetween(before, await cpuNoise());
  const disturbances = bench.takeDisturbances();
  const tableMilliseconds = model.tableReads.milliseconds - tablesBefore;
  const elapsed = Date.now() - time.getTime();

  const { prompt, generate, parallel, depth, batch } = test;
  const tokens = (prompt + generate) * parallel;
  const tokensPerSecond = milliseconds.map((one) => (1000 * tokens) / one);
  const least = prompt > 0 ? work.prefill(prompt, depth, batch, parallel) : work.decode(generate, depth, parallel);
  const { cacheBytes } = await residence();
  // A model that fits into the caches is not read from memory.
  const bound = work.weightBytes > cacheBytes ? least : { ...least, bytes: 0 };
  const middle = median(tokensPerSecond);
  const { limit, roofline, bestOf } = await probe.limit(bound, tokens / middle, roundsBefore);
  const most = tokens / limit.seconds;
  const share = middle / most;
  return {
    ...test,
    name: testName(test),
    threads: info.threads,
    threadsBatch: info.threadsBatch,
    architecture: info.architecture,
    format: info.format,
    modelBytes: bench.bytes,
    parameters: info.parameters,
    build: info.kernels,
    buildProblem: info.kernelsProblem,
    time,
    nanoseconds: milliseconds.map((one) => Math.round(one * 1e6)),
    tokensPerSecond,
    roofline,
    weightBytes: work.weightBytes,
    work: least,
    generates: info.generates,
    memory: info.memory,
    tableMicroseconds: (1000 * tableMilliseconds) / (tokens * repetitions),
    limit: { ...limit, tokensPerSecond: most, share },
    disturbances,
    noise: [
      ...disturbanceFlags(disturbances),
      ...noiseFlags(noise, tokensPerSecond, elapsed),
      ...sampleFlags(tokensPerSecond),
      ...limitFlags({ rounds: bestOf, share }),
    ],
  };
}
