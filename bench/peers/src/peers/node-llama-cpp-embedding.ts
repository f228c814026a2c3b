// node-llama-cpp's vectors of texts. An embedding context has one sequence: texts that are asked for at once wait for one another.

import { getLlama } from "node-llama-cpp";
import { type EmbeddingSubject, type Peer, preparedEmbedding } from "../peer.js";
import { peer as generating } from "./node-llama-cpp.js";

export const peer: Peer<EmbeddingSubject> = {
  name: generating.name,
  version: generating.version,

  async prepare({ file, threads, contextSize }) {
    const llama = await getLlama({ gpu: false, build: "never", skipDownload: true });
    const model = await llama.loadModel({ modelPath: file });
    const context = await model.createEmbeddingContext({ contextSize, batchSize: contextSize, threads });
    return preparedEmbedding(llama.systemInfo.trim(), (texts) =>
      Promise.all(texts.map(async (text) => (await context.getEmbeddingFor(text)).vector)),
    );
  },
};
