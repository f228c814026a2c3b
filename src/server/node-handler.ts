// A function like `fetch` as a listener of Node's own HTTP server, for Express, Fastify and what else is built on it.

import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";

/**
 * The listener: `app.use("/v1", toNodeHandler(createFetch(model)))` in Express, where `req.url` has lost the mount's path and
 * `req.originalUrl` is read; `createServer(toNodeHandler(...))` without a framework. Needs the package @hono/node-server.
 */
export function toNodeHandler(
  handler: typeof fetch,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const listener = getRequestListener((request) => handler(request));
  return async (request, response) => {
    const { originalUrl } = request as IncomingMessage & { readonly originalUrl?: string };
    if (originalUrl !== undefined) request.url = originalUrl;
    await listener(request, response);
  };
}
