// How the server is: whether it lives, whether it takes requests, what it serves, what runs, and its metrics.

import type { Hono } from "hono";
import type { Variables } from "../bodies.js";
import { overloaded, type Service } from "../service.js";

export function stateRoutes(app: Hono<Variables>, service: Service, version: string): void {
  /** It lives as long as it answers. */
  for (const path of ["/health", "/v1/health"]) app.get(path, (context) => context.json({ status: "ok" }));
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
  /** `model`: of which one; default the first. */
  app.get("/props", async (context) => {
    const name = service.nameOf(context.req.query("model"));
    const card = await service.cards.cardAtHand(name);
    const n_ctx = service.catalog.loaded(name)?.info.contextSize ?? card?.contextLength;
    return context.json({
      build_info: `cria ${version}`,
      total_slots: service.catalog.names.reduce((sum, each) => sum + service.catalog.sequences(each), 0),
      model_alias: name,
      default_generation_settings: { n_ctx },
      chat_template: card?.template ?? "",
      modalities: { vision: false, audio: false },
      models: service.catalog.names.map((each) => {
        const info = service.catalog.loaded(each)?.info;
        return {
          name: each,
          state: service.catalog.state(each),
          n_ctx: info?.contextSize,
          threads: info?.threads,
          kernels: info?.kernels,
          memory: info?.memory,
        };
      }),
    });
  });
  /** What runs and waits, without its texts. */
  app.get("/slots", (context) => {
    const places = service.catalog.names.reduce((sum, name) => sum + service.catalog.sequences(name), 0);
    const isFull = context.req.query("fail_on_no_slot") !== undefined && service.active.size >= places;
    if (isFull) return overloaded(503, "no_slot", "all slots are in use", 1);
    return context.json(
      [...service.active.values()].map(({ id, model, route, begin, tokens }) => ({
        id,
        model,
        route,
        is_processing: true,
        seconds: (performance.now() - begin) / 1000,
        n_decoded: tokens,
      })),
    );
  });
  app.get("/metrics", async (context) =>
    context.body(await service.metrics.text(), 200, { "content-type": service.metrics.contentType }),
  );
}
