// node-llama-cpp's vectors of texts. An embedding context has one sequence: texts that are asked for at once wait for one another.

import { getLlama } from "node-llama-cpp";
import { type EmbeddingSubject, embeddingTexts, type Peer, ratePerSecond, unsupported } from "../peer.js";
import { peer as generating } from "./node-llama-cpp.js";

export const peer: Peer<EmbeddingSubject> = {
  name: generating.name,
  version: generating.version,

  async prepare({ file, threads, contextSize }) {
    const llama = await getLlama({ gpu: false, build: "never", skipDownload: true });
    const model = await llama.loadModel({ modelPath: file });
    const context = await model.createEmbeddingContext({ contextSize, batchSize: contextSize, threads });
    const embed = async (text: string) => [...(await context.getEmbeddingFor(text)).vector];
    const each = async (texts: readonly string[]) => {
      const vectors: number[][] = [];
      for (const text of texts) vectors.push(await embed(text));
      return vectors;
    };
    return {
      details: llama.systemInfo.trim(),
      embed: each,
      run({ kind, count }) {
        const texts = embeddingTexts(count);
        if (kind === "embed-each") return ratePerSecond(count, () => each(texts));
        if (kind === "embed-all") return ratePerSecond(count, () => Promise.all(texts.map(embed)));
        return unsupported({ kind, count });
      },
    };
  },
};
