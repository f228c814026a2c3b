// POST /v1/embeddings

import type { CreateEmbeddingResponse, Embedding } from "openai/resources/embeddings";
import { jsonAnswer, type Service } from "./answers.js";
import type { Fields } from "./fields.js";
import { promptsOf } from "./prompts.js";

/** @throws RequestError, and what `model.embed` throws */
export async function embeddings(
  { model, name }: Service,
  fields: Fields,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const inputs = promptsOf(fields, "input");
  const dimensions = fields.take("dimensions", "number");
  fields.notes.fieldOf.set("dimensions", "dimensions");
  const format = fields.take("encoding_format", "string") ?? "float";
  if (format !== "float" && format !== "base64") {
    throw fields.invalid("encoding_format", `must be float or base64; it is "${format}"`);
  }
  fields.drop("user");
  fields.end();

  let tokens = 0;
  const vectors = await model.embed(inputs, {
    dimensions,
    signal,
    onUsage: ({ promptTokens }) => {
      tokens = promptTokens;
    },
  });
  return jsonAnswer<CreateEmbeddingResponse>({
    object: "list",
    model: name,
    data: vectors.map((vector, index) => {
      // The type knows no base64, the interface does.
      const embedding = (format === "base64" ? base64(vector) : Array.from(vector)) as Embedding["embedding"];
      return { object: "embedding", index, embedding };
    }),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

/** The elements' bytes, little-endian. */
function base64(vector: Float32Array): string {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
