// Which tests `cria bench` runs, and in which order: llama-bench's.

import { CriaError } from "../errors.js";
import type { KernelChoice, KvCacheType } from "../index.js";

/** What to measure, and how often. */
export interface BenchOptions {
  /** Paths. */
  readonly models: readonly string[];
  /** Tokens of the prompts, and tokens to generate; 0: no such test. */
  readonly prompts: readonly number[];
  readonly generations: readonly number[];
  /** Tokens that are in the cache before a test begins. */
  readonly depths: readonly number[];
  /** Tokens of a prompt that the engine is given at once. */
  readonly batches: readonly number[];
  /** Workers; undefined: as many as a model has. */
  readonly threads: readonly (number | undefined)[];
  readonly kvCaches: readonly KvCacheType[];
  /** Which kernels; undefined: those that a model runs on. */
  readonly kernels?: KernelChoice | undefined;
  /** Load with the tuning that is kept for a model, as `loadModel`'s option. Default false. */
  readonly tune?: boolean | undefined;
  /** Sequences that generate at once, one row of each in every step. */
  readonly parallel: readonly number[];
  readonly repetitions: number;
  /** Run everything once before it counts. Default true. */
  readonly warmUp?: boolean;
  /** Called before each repetition, and before what goes before them. */
  readonly onProgress?: ((progress: BenchProgress) => void) | undefined;
  readonly signal?: AbortSignal;
}

/** Where a run of tests is. */
export interface BenchProgress {
  /** Of all tests, this is the one at work, from 1. */
  readonly test: number;
  readonly tests: number;
  /** llama-bench's name of it. */
  readonly name: string;
  /** From 1; 0 while the model is loaded and warmed up. */
  readonly repetition: number;
}

/** One test: a prompt, or a generation. */
export interface BenchTest {
  readonly model: string;
  readonly batch: number;
  readonly kvCache: KvCacheType;
  readonly kernels: KernelChoice | undefined;
  readonly threads: number | undefined;
  readonly depth: number;
  readonly prompt: number;
  readonly generate: number;
  readonly parallel: number;
}

/** The tests, those of one model and one way of loading it after each other. @throws CriaError INVALID_OPTION when there are none */
export function benchTests(options: BenchOptions): readonly BenchTest[] {
  const tests: BenchTest[] = [];
  for (const model of options.models) {
    for (const batch of options.batches) {
      for (const kvCache of options.kvCaches) {
        for (const threads of options.threads) {
          for (const depth of options.depths) {
            const common = { model, batch, kvCache, kernels: options.kernels, threads, depth };
            for (const prompt of options.prompts) {
              if (prompt > 0) tests.push({ ...common, prompt, generate: 0, parallel: 1 });
            }
            for (const generate of options.generations) {
              for (const parallel of options.parallel) {
                if (generate > 0) tests.push({ ...common, prompt: 0, generate, parallel });
              }
            }
          }
        }
      }
    }
  }
  if (tests.length > 0) return tests;
  throw new CriaError(
    "INVALID_OPTION",
    "nothing to measure: no model, or no prompt and no generation of at least a token",
  );
}

/** llama-bench's name of a test. */
export function testName({ prompt, generate, parallel, depth }: Omit<BenchTest, "threads">): string {
  const what = prompt > 0 ? `pp${prompt}` : `tg${generate}`;
  return `${what}${parallel > 1 ? ` np${parallel}` : ""}${depth > 0 ? ` @ d${depth}` : ""}`;
}
