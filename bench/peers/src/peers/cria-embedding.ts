// cria's vectors of texts, by its public API.

import { loadModel } from "../../../../dist/index.js";
import { type EmbeddingSubject, type Peer, preparedEmbedding } from "../peer.js";
import { peer as generating } from "./cria.js";

export const peer: Peer<EmbeddingSubject> = {
  name: generating.name,
  version: generating.version,

  async prepare({ file, threads, contextSize }) {
    const model = await loadModel(file, { threads, contextSize });
    return preparedEmbedding(`kernels: ${model.info.kernels}`, (texts) => model.embed(texts));
  },
};
