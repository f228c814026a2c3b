// Embeddings: what LangChain's vector stores and retrievers call.

import { Embeddings, type EmbeddingsParams } from "@langchain/core/embeddings";
import type { EmbedOptions, Model, Purpose } from "../../index.js";

/** What `CriaEmbeddings` is made of. */
export interface CriaEmbeddingsFields extends EmbeddingsParams {
  /** From `loadModel`. */
  readonly model: Model;
  /** How to embed, documents and queries alike. */
  readonly options?: EmbedOptions;
  /** Whether documents are embedded with the purpose "document", and queries with "query". Default false. */
  readonly purposes?: boolean;
}

/** A model as LangChain's embeddings. Calls reject with what `model.embed` throws. */
export class CriaEmbeddings extends Embeddings {
  readonly #model: Model;
  readonly #options: EmbedOptions;
  readonly #purposes: boolean;

  /** Makes no call of the model yet. */
  constructor({ model, options = {}, purposes = false, ...params }: CriaEmbeddingsFields) {
    super(params);
    this.#model = model;
    this.#options = options;
    this.#purposes = purposes;
  }

  /** Texts to vectors, all of them in one call of `model.embed`. */
  async embedDocuments(texts: string[]): Promise<number[][]> {
    return this.#embed(texts, "document");
  }

  /** A text to a vector. */
  async embedQuery(text: string): Promise<number[]> {
    return (await this.#embed([text], "query"))[0]!;
  }

  async #embed(texts: readonly string[], purpose: Purpose): Promise<number[][]> {
    const vectors = await this.#model.embed(texts, { ...this.#options, ...(this.#purposes && { purpose }) });
    return vectors.map((vector) => Array.from(vector));
  }
}
