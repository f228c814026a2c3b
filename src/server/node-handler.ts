// A function like `fetch` as a listener of Node's own HTTP server, for Express, Fastify and what else is built on it.

import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";

/** What frameworks add to a request: the path before a mount's was cut off, and the body where they have parsed it. */
type FrameworkRequest = IncomingMessage & { readonly originalUrl?: string; readonly body?: unknown; rawBody?: Buffer };

/** Fastify's request and reply, which have Node's within them. */
interface Wrapped {
  readonly raw: IncomingMessage;
  readonly body?: unknown;
}
interface Reply {
  readonly raw: ServerResponse;
  hijack(): unknown;
}

/** A listener of Node's server, or a handler of Express or Fastify. */
export interface NodeHandler {
  (request: IncomingMessage, response: ServerResponse): Promise<void>;
  (request: Wrapped, reply: Reply): Promise<void>;
}

/**
 * The listener, in one line: `createServer(toNodeHandler(createFetch(model)))` without a framework, `app.use("/v1", toNodeHandler(...))` in
 * Express, `app.all("/v1/*", toNodeHandler(...))` in Fastify. Bodies that the framework has parsed are taken as they are. Needs the package
 * @hono/node-server.
 */
export function toNodeHandler(handler: typeof fetch): NodeHandler {
  const listener = getRequestListener((request) => handler(request));
  return async (given: FrameworkRequest | Wrapped, reply: ServerResponse | Reply) => {
    const isWrapped = "raw" in given && "hijack" in reply;
    const request: FrameworkRequest = isWrapped ? given.raw : (given as FrameworkRequest);
    const response = isWrapped ? reply.raw : (reply as ServerResponse);
    if (isWrapped) reply.hijack(); // Fastify leaves the answer to whoever took it
    if (request.originalUrl !== undefined) request.url = request.originalUrl;
    // A parser that ran before has read the stream to its end.
    if (request.readableEnded && given.body !== undefined) request.rawBody = bytesOf(given.body);
    await listener(request, response);
  };
}

function bytesOf(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}
