// The bodies of requests: objects of JSON.

import type { Context } from "hono";
import { RequestError } from "../adapters/openai/errors.js";
import { Fields } from "../adapters/openai/fields.js";
import { Notes } from "../adapters/openai/notes.js";

/** What middleware leaves for the routes. */
export interface Variables {
  Variables: { id: string };
}

/** @throws RequestError when the body is not an object of JSON */
export async function bodyOf(context: Context<Variables>): Promise<Readonly<Record<string, unknown>>> {
  const text = await context.req.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new RequestError(400, "invalid_json", `the body must be JSON: ${(error as Error).message}`);
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new RequestError(400, "invalid_type", "the body must be an object");
}

/** The body's fields. Those that are not known are ignored. @throws RequestError as `bodyOf` does */
export async function fieldsOf(context: Context<Variables>): Promise<Fields> {
  return new Fields(await bodyOf(context), new Notes(false));
}
