// cria's vectors of texts, by its public API.

import { loadModel } from "../../../../dist/index.js";
import { type EmbeddingSubject, embeddingTexts, type Peer, ratePerSecond, unsupported } from "../peer.js";
import { peer as generating } from "./cria.js";

export const peer: Peer<EmbeddingSubject> = {
  name: generating.name,
  version: generating.version,

  async prepare({ file, threads, contextSize }) {
    const model = await loadModel(file, { threads, contextSize });
    return {
      details: `kernels: ${model.info.kernels}`,
      async embed(texts) {
        return (await model.embed(texts)).map((vector) => [...vector]);
      },
      run({ kind, count }) {
        const texts = embeddingTexts(count);
        if (kind === "embed-all") return ratePerSecond(count, () => model.embed(texts));
        if (kind !== "embed-each") return unsupported({ kind, count });
        return ratePerSecond(count, async () => {
          for (const text of texts) await model.embed([text]);
        });
      },
    };
  },
};
