// The server's program: what every request passes, from the outside inwards, and the routes.

import { Hono } from "hono";
import { cors } from "hono/cors";
import { matchedRoutes } from "hono/route";
import { refusal } from "../adapters/openai/answers.js";
import { RequestError } from "../adapters/openai/errors.js";
import { Notes } from "../adapters/openai/notes.js";
import { BodyBudget, type Variables } from "./bodies.js";
import { hasKey, hostRefusal, keyDigests, originRefusal, type Refusal } from "./guard.js";
import { llamacppRoutes } from "./routes/llamacpp.js";
import { ollamaErrors, ollamaRoutes } from "./routes/ollama.js";
import { openaiRoutes } from "./routes/openai.js";
import { pagePaths, pageRoutes } from "./routes/page.js";
import { rerankRoutes } from "./routes/rerank.js";
import { stateRoutes } from "./routes/state.js";
import { textRoutes } from "./routes/text.js";
import { overloaded, refused, requestId, type Service } from "./service.js";
import { watched } from "./streams.js";

/** These say nothing about models, and are asked by what starts and stops servers, and by browsers that open the page. */
const PUBLIC = ["/health", "/v1/health", "/ready", ...pagePaths];

export function appOf(service: Service, version: string): Hono<Variables> {
  const { settings } = service;
  const keys = keyDigests(settings.apiKeys);
  const app = new Hono<Variables>();

  // Names, times and counts each request, until its answer's body has ended.
  app.use(async (context, next) => {
    const begin = performance.now();
    const id = requestId();
    context.set("id", id);
    await next();
    const { method } = context.req;
    const { status } = context.res;
    // Of the routes, not of the paths: anybody could make any number of those.
    const route = matchedRoutes(context).findLast((each) => !each.path.endsWith("*"))?.path ?? "unknown";
    context.res.headers.set("x-request-id", id);
    const done = () => {
      context.get("giveBack")?.();
      const milliseconds = performance.now() - begin;
      service.metrics.request(route, status, milliseconds / 1000);
      service.report({ event: "request", id, method, route, status, milliseconds: Math.round(milliseconds * 10) / 10 });
    };
    context.res = watched(context.res, settings.slowMilliseconds, once(done), () => context.env.outgoing?.destroy());
  });
  ollamaErrors(app);
  app.use(async ({ req }, next) => {
    const { host, allowedHosts } = settings;
    const refused = hostRefusal(req.raw, host, allowedHosts) ?? originRefusal(req.raw.headers, settings.cors);
    return refused === undefined ? next() : asAnswer(refused);
  });
  if (settings.cors.length > 0) {
    const origin = settings.cors.includes("*") ? "*" : [...settings.cors];
    app.use(cors({ origin, allowHeaders: ["authorization", "content-type", "x-api-key"], maxAge: 600 }));
  }
  app.use(async ({ req }, next) => {
    if (keys.length === 0 || PUBLIC.includes(req.path) || hasKey(req.raw.headers, keys)) return next();
    return asAnswer({ status: 401, code: "invalid_api_key", message: "this server needs an API key" });
  });
  const budget = new BodyBudget(settings.maxBodyBytes);
  app.use(async (context, next) => {
    const giveBack = budget.take(context.req.raw.headers);
    if (giveBack === undefined) {
      return overloaded(429, "bodies_full", "the bodies of other requests fill the memory for them", 1);
    }
    context.set("giveBack", giveBack);
    context.set("largestBody", settings.maxBodyBytes);
    return next();
  });

  stateRoutes(app, service, version);
  openaiRoutes(app, service);
  rerankRoutes(app, service);
  textRoutes(app, service);
  llamacppRoutes(app, service);
  ollamaRoutes(app, service, version);
  pageRoutes(app, service); // behind what tells Ollama's clients at / that the server runs

  app.notFound(({ req }) => {
    const known = [
      ...new Set(app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`)),
    ];
    return refusal(
      new RequestError(404, "unknown_url", `there is no ${req.method} ${req.path}; there are ${known.join(", ")}`),
      new Notes(false),
    );
  });
  app.onError(refused);
  return app;
}

function asAnswer({ status, code, message }: Refusal): Response {
  return refusal(new RequestError(status, code, message), new Notes(false));
}

function once(call: () => void): () => void {
  let called = false;
  return () => {
    if (!called) call();
    called = true;
  };
}
