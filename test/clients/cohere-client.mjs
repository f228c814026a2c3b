// Cohere's client, which only needs its `environment` changed: the order of documents, in the second version of its interface and the first.

import { CohereClient, CohereClientV2 } from "cohere-ai";

/** @param {string} url */
export function cohere(url) {
  const given = { token: "none", environment: url, maxRetries: 0 };
  const ask = { model: "reranker", query: "who?", documents: ["a fox", "a bear in the woods", "nobody"], topN: 2 };
  const order = ({ results }) => results.map(({ index, relevanceScore }) => [index, relevanceScore]);
  return {
    order: async () => order(await new CohereClientV2(given).rerank(ask)),
    firstVersion: async () => {
      const answer = await new CohereClient(given).rerank({ ...ask, returnDocuments: true });
      const texts = answer.results.map(({ index, document }) => document.text === ask.documents[index]);
      return { order: order(answer), texts };
    },
  };
}
