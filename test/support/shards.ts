// Models in several shards: CRIA_SHARD_BYTES makes each memory just small enough.

import { type LoadOptions, type LoadSource, loadModel, type Model } from "cria";
import { openGguf } from "cria/gguf";
import { checkLora, closeLoras, openLoras } from "../../dist/api/load/lora-files.js";
import { planModel } from "../../dist/api/load/plan-model.js";
import { compileKernels } from "../../dist/machine/kernels.js";

const PAGE = 65536;

/** What `run` returns with CRIA_SHARD_BYTES set. */
async function withShardBytes<Result>(bytes: number, run: () => Promise<Result>): Promise<Result> {
  process.env["CRIA_SHARD_BYTES"] = String(bytes);
  try {
    return await run();
  } finally {
    delete process.env["CRIA_SHARD_BYTES"];
  }
}

/** The least CRIA_SHARD_BYTES with which a model has at most `count` shards. */
export async function shardBytesFor(source: LoadSource, options: LoadOptions, count: number): Promise<number> {
  const gguf = await openGguf(source as string | Uint8Array);
  const loras = await openLoras(checkLora(options.lora), options);
  const kernels = await compileKernels();
  try {
    const shardsWith = (pages: number) =>
      withShardBytes(pages * PAGE, () => planModel(gguf, options, kernels, loras)).then(
        ({ plan }) => plan.shards.length,
        () => Number.POSITIVE_INFINITY, // a layer does not fit
      );
    let [tooFew, enough] = [0, 65535];
    while (enough - tooFew > 1) {
      const pages = Math.floor((tooFew + enough) / 2);
      if ((await shardsWith(pages)) <= count) enough = pages;
      else tooFew = pages;
    }
    return enough * PAGE;
  } finally {
    await Promise.all([gguf.close(), closeLoras(loras)]);
  }
}

/** Loads a model in `count` shards, or in as many as it can be divided into. */
export async function loadInShards(count: number, source: LoadSource, options: LoadOptions = {}): Promise<Model> {
  if (count === 1) return loadModel(source, options);
  const bytes = await shardBytesFor(source, options, count);
  return withShardBytes(bytes, () => loadModel(source, options));
}
