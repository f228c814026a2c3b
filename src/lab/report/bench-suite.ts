// The tests of a report that nobody has chosen tests for: speed by threads, by sequences, by depth.

import { planModel } from "../../api/load/plan-model.js";
import { openGguf } from "../../gguf/index.js";
import { MOST_THREADS } from "../../machine/cpu/threads.js";
import { compileKernels } from "../../machine/kernels.js";
import type { BenchOptions } from "../bench-tests.js";

const GENERATED = 32;
/** Positions in the cache. */
const DEPTHS = [512, 2048, 8192];
const SEQUENCES = [2, 4, 8, 16, 32];
const TEXTS = [1, 4, 16, 32];
/** A prompt of a model whose step takes long is shorter. */
const LARGE_BYTES = 2 ** 28;

type Chosen = Pick<BenchOptions, "kernels" | "repetitions" | "warmUp" | "kvCaches" | "signal">;

/**
 * Groups of tests of one model, each to be run by itself, with no test twice.
 *
 * @param model a path
 * @param most workers of the widest team: 1, 2, 4, ... up to it
 * @throws as planModel does
 */
export async function reportSuite(model: string, most: number, chosen: Chosen): Promise<readonly BenchOptions[]> {
  const { contextLength, encoder, bytes, usual } = await sizesOf(model);
  const base = { ...chosen, models: [model], batches: [2048], depths: [0], parallel: [1] };
  const fits = (length: number) => Math.min(length, contextLength);
  const threads = threadsUpTo(most, usual);
  if (encoder) {
    const prompts = [...new Set([32, 128, 512].map((length) => fits(length - 8)))];
    return [
      { ...base, threads, prompts: [fits(120)], generations: [0] },
      { ...base, threads: [undefined], prompts, generations: [0], parallel: TEXTS },
    ];
  }
  const prompt = fits(bytes > LARGE_BYTES ? 128 : 256);
  const generate = Math.min(GENERATED, contextLength >> 1);
  const depths = DEPTHS.filter((depth) => depth + generate <= contextLength);
  return [
    { ...base, threads, prompts: [prompt], generations: [generate] },
    { ...base, threads: [undefined], prompts: [0], generations: [generate], parallel: SEQUENCES },
    ...(depths.length === 0 ? [] : [{ ...base, threads: [undefined], prompts: [0], generations: [generate], depths }]),
  ];
}

/** 1, 2, 4, ... and the most; and the usual number, which the other tests have. */
function threadsUpTo(most: number, usual: number): number[] {
  const counts = new Set([most, usual]);
  for (let count = 1; count < most && count < MOST_THREADS; count *= 2) counts.add(count);
  return [...counts].sort((a, b) => a - b);
}

/** What of a model decides which tests there are. */
async function sizesOf(model: string) {
  const gguf = await openGguf(model);
  try {
    const { hyperparameters, workers } = await planModel(gguf, { contextSize: 64 }, await compileKernels());
    return {
      contextLength: hyperparameters.context,
      encoder: !hyperparameters.causal,
      bytes: gguf.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
      usual: workers.threads,
    };
  } finally {
    await gguf.close();
  }
}
