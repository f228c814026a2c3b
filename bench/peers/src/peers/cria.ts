// cria by its public API.

import { readFileSync } from "node:fs";
import { loadModel } from "../../../../dist/index.js";
import { type ModelSubject, type Peer, promptIds, ratePerSecond, unsupported } from "../peer.js";

const manifest = JSON.parse(readFileSync(new URL("../../../../package.json", import.meta.url), "utf8"));

export const peer: Peer<ModelSubject> = {
  name: "cria",
  version: manifest.version,

  async prepare({ file, threads, contextSize, sequences }) {
    const model = await loadModel(file, { threads, contextSize, sequences });

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

    return {
      details: `kernels: ${model.info.kernels}`,
      run({ kind, count }) {
        if (kind === "prefill") return prefill(count);
        if (kind !== "decode") return unsupported({ kind, count });
        return ratePerSecond(count * sequences, () =>
          Promise.all(promptIds(sequences).map((id) => generate(id, count))),
        );
      },
    };
  },
};
