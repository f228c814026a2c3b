// The embedding model: embed and embedMany.

import type { EmbeddingModelV3 } from "@ai-sdk/provider";
import type { Model } from "../../index.js";

/**
 * A model as an embedding model of the AI SDK. Options of `model.embed` go into `providerOptions: { cria: { purpose: "query" } }`.
 *
 * Calls reject with what `model.embed` throws.
 */
export function criaEmbeddingModel(model: Model): EmbeddingModelV3 {
  return {
    specificationVersion: "v3",
    provider: "cria",
    modelId: model.info.name ?? model.info.architecture,
    maxEmbeddingsPerCall: Number.POSITIVE_INFINITY,
    supportsParallelCalls: true,

    async doEmbed({ values, abortSignal, providerOptions }) {
      let tokens = 0;
      const vectors = await model.embed(values, {
        ...providerOptions?.["cria"],
        signal: abortSignal,
        onUsage: ({ promptTokens }) => {
          tokens = promptTokens;
        },
      });
      return { embeddings: vectors.map((vector) => Array.from(vector)), usage: { tokens }, warnings: [] };
    },
  };
}
