// What models have after their layers that makes vectors of pooled hidden states: dense layers of embedding models (dense_2, dense_3) and
// the classifier of rerankers (cls). Any architecture may have them; which ones, the file's tensors say.

import type { Gguf } from "../gguf/index.js";
import { matrix, optional, vector, type WeightSpec } from "./plan/weight-specs.js";

/** The layers in the order in which they are applied. */
const embeddingLayers = ["dense_2", "dense_3"];
const rankingLayers = ["cls", "cls.output"];

/** The layers of a head by their names without `.weight`, and how many elements go in and come out. */
export interface HeadShape {
  readonly embedding: readonly string[];
  readonly ranking: readonly string[];
  /** Elements of an embedding, and scores of a text. */
  readonly dimensions: number;
  readonly scores: number;
  /** Elements of the widest vector that goes into a layer or comes out of one; 0: there is no layer. */
  readonly widest: number;
  /**
   * The scores are those of a decoder's answers, yes and no: read off the last token, and probabilities. Otherwise they are read off the
   * first token, and any numbers.
   */
  readonly answers: boolean;
}

/** The head of a model with hidden states of `dim` elements, and its weights; their shapes are checked where weights are found. */
export function headOf(
  gguf: Gguf,
  architecture: string,
  dim: number,
): { shape: HeadShape; weights: readonly WeightSpec[] } {
  const weights: WeightSpec[] = [];
  let widest = 0;
  const chain = (names: readonly string[]) => {
    const layers = names.filter((name) => gguf.tensor(`${name}.weight`) !== undefined);
    let columns = dim;
    for (const layer of layers) {
      const rows = gguf.tensor(`${layer}.weight`)!.shape[1] ?? 1;
      weights.push(matrix(`${layer}.weight`, rows, columns), optional(vector(`${layer}.bias`, rows)));
      widest = Math.max(widest, rows, columns);
      columns = rows;
    }
    return { layers, size: columns };
  };
  const embedding = chain(embeddingLayers);
  const ranking = chain(rankingLayers);
  return {
    shape: {
      embedding: embedding.layers,
      ranking: ranking.layers,
      dimensions: embedding.size,
      scores: ranking.layers.length === 0 ? 0 : ranking.size,
      widest,
      answers: architecture === "qwen3", // the one decoder that llama.cpp converts to a reranker
    },
    weights,
  };
}
