// A server that listens: sockets, their times, and the end.

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { version } from "../version.js";
import { appOf } from "./app.js";
import { Service } from "./service.js";
import { type ServerOptions, settingsOf } from "./settings.js";

/** A server that runs. */
export interface RunningServer {
  /** Such as http://127.0.0.1:8080. */
  readonly url: string;
  /**
   * Takes no more requests, lets those that run come to their end for at most so many seconds (default 30), cuts the others off, and
   * unloads the models.
   */
  close(options?: { readonly drainSeconds?: number }): Promise<void>;
}

// Shares of the time for which a client may be slow: headers must be there in this, and a whole request in that. How often it is looked at.
const HEADERS = 1 / 3;
const REQUEST = 2;
const CHECKED_EVERY = 1 / 15;
/** Longer than most clients and proxies keep a connection: who closes it second cannot cut off a request that is on its way. */
const KEEP_ALIVE_MILLISECONDS = 75_000;
const MOST_CONNECTIONS = 4096;

/**
 * Starts a server: OpenAI's routes, reranking, Ollama's routes, metrics (docs/serve.md). Needs the packages hono, @hono/node-server and
 * prom-client.
 *
 * @throws CriaError INVALID_OPTION; what `loadModel` throws, with `preload`; the error of the address that cannot be listened on
 */
export async function startServer(given: ServerOptions): Promise<RunningServer> {
  const { models, settings, report } = settingsOf(given);
  const service = new Service(models, settings, report);
  const app = appOf(service, version);
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      headersTimeout: Math.ceil(HEADERS * settings.slowMilliseconds),
      requestTimeout: Math.ceil(REQUEST * settings.slowMilliseconds),
      connectionsCheckingInterval: Math.ceil(CHECKED_EVERY * settings.slowMilliseconds),
      keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
    },
  }) as Server;
  server.maxConnections = MOST_CONNECTIONS;
  // Who asks whether to send a body that is too large is told, before it is sent.
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    if (!(Number(request.headers["content-length"]) > settings.maxBodyBytes)) response.writeContinue();
    server.emit("request", request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(settings.port, settings.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const { port, family, address } = server.address() as AddressInfo;
  const close = async ({ drainSeconds = 30 }: { readonly drainSeconds?: number } = {}) => {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    server.closeIdleConnections();
    await service.drain(drainSeconds * 1000);
    server.closeAllConnections();
    await closed;
  };
  try {
    if (settings.preload) {
      for (const name of service.catalog.names) (await service.catalog.lease(name)).release();
    }
  } catch (error) {
    await close({ drainSeconds: 0 });
    throw error;
  }
  const host = family === "IPv6" ? `[${address}]` : address;
  return { url: `http://${host}:${port}`, close };
}
