// JSON Schemas of OpenAI's answers, made from the types of its client, which are made from its specification: `node schemas.mjs`

import { fileURLToPath } from "node:url";
import { createGenerator } from "ts-json-schema-generator";

const types = {
  ResponseStreamEvent: "responses/responses",
  ChatCompletion: "chat/completions/completions",
  ChatCompletionChunk: "chat/completions/completions",
  Completion: "completions",
  CreateEmbeddingResponse: "embeddings",
  Model: "models",
};

const schemas = Object.entries(types).map(([type, file]) => {
  const path = fileURLToPath(new URL(`node_modules/openai/resources/${file}.d.ts`, import.meta.url));
  const options = { path, type, skipTypeCheck: true, additionalProperties: true };
  return [type, createGenerator(options).createSchema(type)];
});
const all = Object.fromEntries(schemas);
// By its name alone it would be the Response of the web.
all.Response = { ...all.ResponseStreamEvent, $ref: "#/definitions/Response" };
console.log(JSON.stringify(all));
