// The bodies of requests: objects of JSON. How large they may be, all together, and how deep.

import type { ServerResponse } from "node:http";
import type { Context } from "hono";
import { RequestError } from "../adapters/openai/errors.js";
import { Fields } from "../adapters/openai/fields.js";
import { Notes } from "../adapters/openai/notes.js";

/** nginx's status for a request whose client did not wait for its answer: nobody reads it, and logs do not blame the server. */
export const CLIENT_GONE = 499;

/** What middleware leaves for the routes, and, where Node's server listens, the response. */
export interface Variables {
  Bindings: { readonly outgoing?: ServerResponse };
  Variables: { id: string; giveBack: () => void; largestBody: number };
}

/** Levels of the deepest body. What goes through values level by level, such as JSON.stringify, has a stack that ends. */
const DEEPEST = 500;

/** Whether the brackets of a JSON text, which comes in pieces, are nested too deeply. Parsing millions of them would take seconds. */
class Brackets {
  #depth = 0;
  #inString = false;
  #escapes = false;

  /** Reads on. Returns whether it is too deep. */
  areDeepIn(piece: string): boolean {
    for (let i = 0; i < piece.length; i++) {
      const unit = piece.charCodeAt(i);
      if (this.#escapes) this.#escapes = false;
      else if (this.#inString) {
        if (unit === 0x5c) this.#escapes = true;
        else if (unit === 0x22) this.#inString = false;
      } else if (unit === 0x22) this.#inString = true;
      else if (unit === 0x5b || unit === 0x7b) this.#depth++;
      else if (unit === 0x5d || unit === 0x7d) this.#depth--;
      if (this.#depth > DEEPEST) return true;
    }
    return false;
  }
}

/** Bodies up to this size are not counted. */
const SMALL_BODY = 2 ** 16;
/** The bodies that are held at once may have so many times the size of the largest one. */
const BODIES = 8;

/** The memory of bodies: each is held until its request has been answered. */
export class BodyBudget {
  readonly #largest: number;
  #held = 0;

  /** @param largest bytes of the largest body that is taken */
  constructor(largest: number) {
    this.#largest = largest;
  }

  /** Room for a request's body; undefined: there is none now. The function gives it back. */
  take(headers: Headers): (() => void) | undefined {
    // A body whose size is not told may have any.
    const told = headers.get("content-length");
    const bytes = told === null ? (headers.has("transfer-encoding") ? this.#largest : 0) : Number(told);
    if (bytes <= SMALL_BODY) return () => undefined;
    if (this.#held > 0 && this.#held + bytes > BODIES * this.#largest) return undefined;
    this.#held += bytes;
    let given = false;
    return () => {
      if (!given) this.#held -= bytes;
      given = true;
    };
  }
}

/** When the last large body will have been parsed, and others have had their time. */
let parsed: Promise<void> = Promise.resolve();

/** Large bodies are parsed one at a time, and then nobody's for as long as that took: streams go on meanwhile. */
async function parseInTurn(text: string): Promise<unknown> {
  const before = parsed;
  let done: () => void = () => undefined;
  parsed = new Promise((resolve) => {
    done = resolve;
  });
  await before;
  const begin = performance.now();
  try {
    return JSON.parse(text);
  } finally {
    setTimeout(done, performance.now() - begin);
  }
}

/** @throws RequestError when the body is not an object of JSON, or its client has gone before the end of it */
export async function bodyOf(context: Context<Variables>): Promise<Readonly<Record<string, unknown>>> {
  const text = await textOf(context);
  let body: unknown;
  try {
    body = text.length <= SMALL_BODY ? JSON.parse(text) : await parseInTurn(text);
  } catch (error) {
    throw new RequestError(400, "invalid_json", `the body must be JSON: ${(error as Error).message}`);
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new RequestError(400, "invalid_type", "the body must be an object");
}

/** The body, piece by piece as it comes, so that no large one is looked through in one go. */
async function textOf(context: Context<Variables>): Promise<string> {
  const { req } = context;
  const largest = context.get("largestBody");
  const tooLarge = () => new RequestError(413, "body_too_large", `the body must have at most ${largest} bytes`);
  const tooDeep = () => new RequestError(400, "invalid_json", `the body must be nested at most ${DEEPEST} levels deep`);
  const told = Number(req.header("content-length") ?? 0);
  if (told > largest) throw tooLarge();
  const brackets = new Brackets();
  try {
    if (req.header("transfer-encoding") === undefined && told <= SMALL_BODY) {
      const text = await req.text();
      if (brackets.areDeepIn(text)) throw tooDeep();
      return text;
    }
    const decoder = new TextDecoder();
    let [text, bytes] = ["", 0];
    // What is read after the end is not waited for: the connection is closed.
    for await (const piece of req.raw.body ?? []) {
      bytes += piece.length;
      if (bytes > largest) throw tooLarge();
      const more = decoder.decode(piece, { stream: true });
      if (brackets.areDeepIn(more)) throw tooDeep();
      text += more;
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(CLIENT_GONE, "client_gone", "the client has gone before the end of its body");
  }
}

/** The body's fields. Those that are not known are ignored. @throws RequestError as `bodyOf` does */
export async function fieldsOf(context: Context<Variables>): Promise<Fields> {
  return new Fields(await bodyOf(context), new Notes(false));
}
