// How the server is: whether it lives, whether it takes requests, what it serves, what runs, and its metrics. And what its models do: they
// are loaded and unloaded, and all may end.

import type { Context, Hono } from "hono";
import { RequestError } from "../../adapters/openai/errors.js";
import { fieldsOf, type Variables } from "../bodies.js";
import { isLoopback } from "../guard.js";
import { overloaded, type Service } from "../service.js";

/** So long after a client has asked for the end, so that it has its answer. */
const SHUTDOWN_AFTER = 100;

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
      uptime_seconds: process.uptime(),
      memory_limit: service.settings.memoryBytes,
      models: service.catalog.names.map((each) => propsOf(service, each)),
    });
  });
  /** As llama.cpp's server has it where it serves several models. */
  app.post("/models/load", async (context) => {
    const name = await nameIn(service, context);
    await service.load(name);
    return context.json({ success: true, model: name });
  });
  /** `unloaded`: false while requests use it; it goes when they have ended. */
  app.post("/models/unload", async (context) => {
    const name = await nameIn(service, context);
    return context.json({ success: true, model: name, unloaded: await service.catalog.unload(name) });
  });
  app.post("/shutdown", (context) => {
    const { onShutdown, host, apiKeys } = service.settings;
    if (onShutdown === undefined || (apiKeys.length === 0 && !isLoopback(host))) {
      throw new RequestError(403, "not_allowed", "this server may not be ended by requests");
    }
    setTimeout(onShutdown, SHUTDOWN_AFTER);
    return context.json({ success: true });
  });
  /** What runs and waits, without its texts. */
  app.get("/slots", (context) => {
    const places = service.catalog.names.reduce((sum, name) => sum + service.catalog.sequences(name), 0);
    const isFull = context.req.query("fail_on_no_slot") !== undefined && service.active.size >= places;
    if (isFull) return overloaded(503, "no_slot", "all slots are in use", 1);
    return context.json(
      [...service.active.values()].map(({ id, model, route, begin, tokens, instances }) => ({
        id,
        model,
        route,
        is_processing: true,
        seconds: (performance.now() - begin) / 1000,
        n_decoded: tokens,
        // Of a model in several instances: places in /props' `instances`.
        ...(service.catalog.instances(model) && { instances: [...new Set(instances)].sort((a, b) => a - b) }),
      })),
    );
  });
  app.get("/metrics", async (context) =>
    context.body(await service.metrics.text(), 200, { "content-type": service.metrics.contentType }),
  );
}

async function nameIn(service: Service, context: Context<Variables>): Promise<string> {
  return service.nameOf((await fieldsOf(context)).need("model", "string"));
}

/** A model as it is now. */
function propsOf(service: Service, name: string) {
  const { catalog } = service;
  const model = catalog.loaded(name);
  const leaves = catalog.leavesAt(name);
  const { running, waiting } = service.counts(name);
  const head = { name, state: catalog.state(name), requests_running: running, requests_waiting: waiting };
  if (model === undefined) return head;
  const { architecture, format, contextSize, threads, threadsBatch, kernels, tuned, memory } = model.info;
  const instances = catalog.instances(name);
  return {
    ...head,
    ...{ architecture, format, n_ctx: contextSize, n_parallel: catalog.sequences(name) },
    ...{ threads, threads_batch: threadsBatch, kernels, tuned, memory },
    bytes: instances?.reduce((sum, one) => sum + one.memory, 0) ?? memory.total,
    kv_cache: model.load().cache,
    instances,
    unloads_in_seconds: leaves === undefined ? undefined : Math.max(0, (leaves - performance.now()) / 1000),
  };
}
