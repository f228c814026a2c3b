// What turns pooled hidden states into vectors after a model's layers: the dense layers of embedding models (dense_2, dense_3) and the
// classifier of rerankers (cls). Any architecture may have them; the file's tensors say which ones it has.

import type { Gguf } from "../gguf/index.js";
import { ANSWERING_ARCHITECTURE, answerRows } from "./answers.js";
import { matrix, optional, vector, type WeightSpec } from "./plan/weight-specs.js";

/** The layers in the order in which they are applied. */
const embeddingLayers = ["dense_2", "dense_3"];
const rankingLayers = ["cls", "cls.output"];

/** The layers of a head by their names without `.weight`, and how many elements go in and come out. */
export interface HeadShape {
  readonly embedding: readonly string[];
  readonly ranking: readonly string[];
  /** How many elements an embedding has, and how many scores a text gets. */
  readonly dimensions: number;
  readonly scores: number;
  /** Elements of the widest vector that goes into a layer or comes out of one; 0 if there is no layer. */
  readonly widest: number;
  /** Whether the scores are the probabilities of a decoder's answers, yes and no. Otherwise they are any numbers. */
  readonly answers: boolean;
  /** From which hidden states the scores are read: the first token's, the last one's, or the mean of all. */
  readonly scored: "cls" | "last" | "mean";
  /** What follows the pooler, cls. */
  readonly pooler: "tanh" | "gelu";
  /** Whether the file lacks the classifier of these answers, and it is made of the output matrix. */
  readonly gathered: boolean;
}

/**
 * The head of a model with hidden states of `dim` elements, and its weights. Their shapes are checked when the weights are found.
 *
 * @param reranks whether a model without a classifier ranks by its answers
 */
export function headOf(
  gguf: Gguf,
  architecture: string,
  dim: number,
  reranks: boolean,
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
  const isModernBert = architecture === "modern-bert";
  if (isModernBert && ranking.layers.includes("cls")) weights.push(optional(vector("cls.norm.weight", dim)));
  const gathered = reranks && ranking.layers.length === 0 ? answerRows(gguf, dim) : undefined;
  if (gathered !== undefined) {
    weights.push(gathered);
    widest = Math.max(widest, dim);
  }
  return {
    shape: {
      embedding: embedding.layers,
      ranking: gathered === undefined ? ranking.layers : ["cls.output"],
      dimensions: embedding.size,
      scores: gathered?.rows ?? (ranking.layers.length === 0 ? 0 : ranking.size),
      widest,
      answers: architecture === ANSWERING_ARCHITECTURE,
      scored: architecture === ANSWERING_ARCHITECTURE ? "last" : isModernBert ? "mean" : "cls",
      pooler: isModernBert ? "gelu" : "tanh",
      gathered: gathered !== undefined,
    },
    weights,
  };
}
