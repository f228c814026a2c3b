// Reranking in the shape that Jina, Cohere and llama.cpp's server share: { model, query, documents, top_n } to
// { results: [{ index, relevance_score }] }, the best first. Fields that only one of them has are there for all.

import type { Hono } from "hono";
import { jsonAnswer } from "../../adapters/openai/answers.js";
import type { Fields } from "../../adapters/openai/fields.js";
import { fieldsOf, type Variables } from "../bodies.js";
import type { Service } from "../service.js";

export function rerankRoutes(app: Hono<Variables>, service: Service): void {
  for (const path of ["/v1/rerank", "/v2/rerank", "/rerank", "/reranking", "/v1/reranking"]) {
    app.post(path, async (context) => {
      const fields = await fieldsOf(context);
      const name = fields.take("model", "string");
      const query = fields.need("query", "string");
      const documents = fields.need("documents", "array").map((document, i) => textOf(document, i, fields));
      const topN = fields.take("top_n", "number") ?? fields.take("topN", "number");
      const withDocuments = fields.take("return_documents", "boolean") ?? false;
      const wanted = {
        id: context.get("id"),
        route: "/v1/rerank",
        name,
        signal: context.req.raw.signal,
        events: false,
      };
      return service.ask(wanted, async (model, served, signal) => {
        let tokens = 0;
        const ranked = await model.rerank(query, documents, {
          ...{ topN: topN === undefined ? undefined : Math.min(topN, documents.length), signal, overlong: "truncate" },
          onUsage: ({ promptTokens }) => {
            tokens = promptTokens;
          },
        });
        return jsonAnswer({
          id: context.get("id"),
          object: "list",
          model: served,
          results: ranked.map(({ index, score }) => ({
            index,
            relevance_score: score,
            ...(withDocuments && { document: { text: documents[index] } }),
          })),
          usage: { prompt_tokens: tokens, total_tokens: tokens },
          meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } },
        });
      });
    });
  }
}

/** Documents are texts, or objects with a text. */
function textOf(document: unknown, index: number, fields: Fields): string {
  if (typeof document === "string") return document;
  const { text } = (document ?? {}) as { text?: unknown };
  if (typeof text === "string") return text;
  throw fields.invalid(`documents[${index}]`, "must be a string, or an object with a text");
}
