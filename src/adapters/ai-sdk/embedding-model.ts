// The embedding model: embed and embedMany.

import type { EmbeddingModelV3 } from "@ai-sdk/provider";
import type { Model } from "../../index.js";

/**
 * A model as an embedding model of the AI SDK. Options of `model.embed` go into `providerOptions: { cria: { pooling: "last" } }`.
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
      const options = { ...providerOptions?.["cria"], ...(abortSignal && { signal: abortSignal }) };
      const vectors = await model.embed(values, options);
      return {
        embeddings: vectors.map((vector) => Array.from(vector)),
        usage: { tokens: values.reduce((sum, text) => sum + model.tokenizer.encode(text).length, 0) },
        warnings: [],
      };
    },
  };
}
