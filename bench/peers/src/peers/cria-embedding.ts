// cria's vectors of texts, by its public API.

import { type KernelChoice, loadModel } from "../../../../dist/index.js";
import { detailsOf } from "../cria-kernels.js";
import { type EmbeddingSubject, type Peer, type Prepared, preparedEmbedding } from "../peer.js";
import { peer as generating } from "./cria.js";

export const peer: Peer<EmbeddingSubject> = {
  name: generating.name,
  version: generating.version,
  prepare: (subject) => prepareEncoder(subject),
};

/** @param kernels by default what cria chooses */
export async function prepareEncoder(
  { file, threads, contextSize }: EmbeddingSubject,
  kernels?: KernelChoice,
): Promise<Prepared> {
  const model = await loadModel(file, { threads, contextSize, kernels });
  return preparedEmbedding(detailsOf(model.info, kernels), (texts) => model.embed(texts));
}
