// What `cria plan` would have predicted for the tests of `cria bench`, to be held against what was measured.

import { planModel } from "../../api/load/plan-model.js";
import { recallTuning } from "../../api/load/tunings.js";
import { type Gguf, openGguf } from "../../gguf/index.js";
import type { LoadOptions } from "../../index.js";
import { cpuTopology } from "../../machine/cpu/topology.js";
import { compileKernels, type KernelChoice } from "../../machine/kernels.js";
import type { BenchResult } from "../bench.js";
import { machineProfile, type ProfileOptions } from "./measure-machine.js";
import { ModelCost } from "./model-cost.js";
import { decodeRate, embedRate, prefillRate } from "./predict.js";

interface PredictOptions extends ProfileOptions {
  /** Whether the models were loaded with the tunings that are kept for them. */
  readonly tune?: boolean | undefined;
}

/**
 * Predicted tokens per second for each result. What this machine can do is measured where it is not known yet.
 *
 * @throws as openGguf and planModel do; the signal's reason
 */
export async function predictBench(
  results: readonly BenchResult[],
  options: PredictOptions,
): Promise<readonly number[]> {
  const predictions = new Map<BenchResult, number>();
  for (const model of new Set(results.map((result) => result.model))) {
    const gguf = await openGguf(model);
    try {
      const { prefillChunk, kernels } = (options.tune === true && (await recallTuning(gguf))?.settings) || {};
      const choice = { ...options, kernels: options.kernels ?? kernels };
      for (const result of results) {
        if (result.model === model) predictions.set(result, await predict(gguf, result, choice, prefillChunk));
      }
    } finally {
      await gguf.close();
    }
  }
  return results.map((result) => predictions.get(result)!);
}

async function predict(
  gguf: Gguf,
  result: BenchResult,
  options: ProfileOptions & { readonly kernels: KernelChoice | undefined },
  prefillChunk: number | undefined,
): Promise<number> {
  const { threads, threadsBatch, kvCache, depth, prompt, generate, parallel } = result;
  const topology = await cpuTopology();
  const loading: LoadOptions = {
    threads,
    threadsBatch,
    kvCache,
    ...(prefillChunk !== undefined && { prefillChunk }),
    contextSize: depth + prompt + generate,
    sequences: result.generates ? parallel : 1,
  };
  const planned = await planModel(gguf, loading, await compileKernels(undefined, options.kernels), [], topology);
  const cost = new ModelCost(planned);
  const profile = await machineProfile(topology, cost.formats, options);
  if (!result.generates) return embedRate(cost, profile, threadsBatch, { texts: parallel, tokens: prompt });
  if (prompt > 0) return prefillRate(cost, profile, { threadsBatch }, { instances: 1, tokens: prompt, depth });
  const instance = { threads, threadsBatch, batchRows: planned.workers.batchRows };
  return decodeRate(cost, profile, instance, { instances: 1, clients: parallel, depth: depth + generate / 2 });
}
