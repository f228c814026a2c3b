// cria by its public API.

import { readFileSync } from "node:fs";
import { type KernelChoice, loadModel } from "../../../../dist/index.js";
import { detailsOf } from "../cria-kernels.js";
import { type ModelSubject, type Peer, type Prepared, promptIds, ratePerSecond, unsupported } from "../peer.js";

const manifest = JSON.parse(readFileSync(new URL("../../../../package.json", import.meta.url), "utf8"));

export const peer: Peer<ModelSubject> = {
  name: "cria",
  version: manifest.version,
  prepare: (subject) => prepareModel(subject),
};

/** @param kernels by default what cria chooses */
export async function prepareModel(
  { file, threads, contextSize, sequences }: ModelSubject,
  kernels?: KernelChoice,
): Promise<Prepared> {
  const model = await loadModel(file, { threads, contextSize, sequences, kernels });

  async function prefill(count: number) {
    const ids = promptIds(count);
    using sequence = model.createSequence();
    return await ratePerSecond(count, () => sequence.evaluate(ids));
  }

  async function generate(id: number, count: number) {
    let tokens = 0;
    for await (const part of model.generate([id], { temperature: 0, maxTokens: count })) tokens += part.tokens.length;
    if (tokens !== count) throw new Error(`${tokens} tokens instead of ${count}`);
  }

  /** From the first token on. The prompt stays in the cache from run to run. */
  async function generateAtDepth(depth: number, count: number) {
    let [tokens, first, begin] = [0, 0, 0];
    for await (const part of model.generate(promptIds(depth), { temperature: 0, maxTokens: count + 1 })) {
      tokens += part.tokens.length;
      if (begin === 0) [first, begin] = [tokens, performance.now()];
    }
    if (tokens !== count + 1) throw new Error(`${tokens} tokens instead of ${count + 1}`);
    return (1000 * (tokens - first)) / (performance.now() - begin);
  }

  return {
    details: detailsOf(model.info, kernels),
    run(test) {
      if (test.kind === "prefill") return prefill(test.count);
      if (test.kind !== "decode") return unsupported(test);
      const { count, depth } = test;
      if (depth !== undefined) return generateAtDepth(depth, count);
      return ratePerSecond(count * sequences, () => Promise.all(promptIds(sequences).map((id) => generate(id, count))));
    },
  };
}
