// How the server is: whether it lives, whether it takes requests, what it serves, what runs, and its metrics.

import type { Hono } from "hono";
import type { Variables } from "../bodies.js";
import type { Service } from "../service.js";

export function stateRoutes(app: Hono<Variables>, service: Service, version: string): void {
  /** It lives as long as it answers. */
  app.get("/health", (context) => context.json({ status: "ok" }));
  /** It takes requests: not while it drains, and not while a model that is to be there from the start is missing. */
  app.get("/ready", (context) => {
    const states = Object.fromEntries(service.catalog.names.map((name) => [name, service.catalog.state(name)]));
    const missing =
      service.settings.preload && Object.values(states).some((state) => state !== "ready" && state !== "unloaded");
    const ready = !service.draining && !missing;
    return context.json(
      { status: ready ? "ready" : service.draining ? "draining" : "loading", models: states },
      ready ? 200 : 503,
    );
  });
  app.get("/props", (context) =>
    context.json({
      build_info: `cria ${version}`,
      total_slots: service.catalog.names.reduce((sum, name) => sum + service.catalog.sequences(name), 0),
      models: service.catalog.names.map((name) => {
        const info = service.catalog.loaded(name)?.info;
        return {
          name,
          state: service.catalog.state(name),
          n_ctx: info?.contextSize,
          threads: info?.threads,
          kernels: info?.kernels,
          memory: info?.memory,
        };
      }),
    }),
  );
  /** What runs and waits, without its texts. */
  app.get("/slots", (context) =>
    context.json(
      [...service.active.values()].map(({ id, model, route, begin, tokens }) => ({
        id,
        model,
        route,
        is_processing: true,
        seconds: (performance.now() - begin) / 1000,
        n_decoded: tokens,
      })),
    ),
  );
  app.get("/metrics", async (context) =>
    context.body(await service.metrics.text(), 200, { "content-type": service.metrics.contentType }),
  );
}
