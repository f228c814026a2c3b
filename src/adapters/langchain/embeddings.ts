// Embeddings: what LangChain's vector stores and retrievers call.

import { Embeddings, type EmbeddingsParams } from "@langchain/core/embeddings";
import type { EmbedOptions, Model } from "../../index.js";

/** What `CriaEmbeddings` is made of. */
export interface CriaEmbeddingsFields extends EmbeddingsParams {
  /** From `loadModel`. */
  readonly model: Model;
  /** How to embed, documents and queries alike. */
  readonly options?: EmbedOptions;
}

/** A model as LangChain's embeddings. Calls reject with what `model.embed` throws. */
export class CriaEmbeddings extends Embeddings {
  readonly #model: Model;
  readonly #options: EmbedOptions;

  constructor({ model, options = {}, ...params }: CriaEmbeddingsFields) {
    super(params);
    this.#model = model;
    this.#options = options;
  }

  /** Texts to vectors, all of them in one call of `model.embed`. */
  async embedDocuments(texts: string[]): Promise<number[][]> {
    const vectors = await this.#model.embed(texts, this.#options);
    return vectors.map((vector) => Array.from(vector));
  }

  /** A text to a vector. */
  async embedQuery(text: string): Promise<number[]> {
    return (await this.embedDocuments([text]))[0];
  }
}
