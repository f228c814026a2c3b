// OpenAI's routes: what `cria/openai` answers, for several models.

import type { Context, Hono } from "hono";
import { RequestError } from "../../adapters/openai/errors.js";
import { bodyOf, type Variables } from "../bodies.js";
import type { Service } from "../service.js";

/** Any: the routes do not look at it. */
const ORIGIN = "http://cria";
const PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];

export function openaiRoutes(app: Hono<Variables>, service: Service): void {
  for (const path of PATHS) {
    app.post(path, (context) => forward(service, context, path));
    // llama.cpp's server has them without the version too.
    app.post(path.slice(3), (context) => forward(service, context, path));
  }

  // Answers that are kept, which no model is asked for.
  app.on(["GET", "DELETE"], "/v1/responses/:id", ({ req }) =>
    service.openai.fetch(new URL(req.path, ORIGIN), { method: req.method }),
  );

  const modelOf = (name: string) => {
    const info = service.catalog.loaded(name)?.info;
    const meta = info && {
      architecture: info.architecture,
      n_ctx: info.contextSize,
      n_ctx_train: info.trainedContextSize,
      n_embd: info.dim,
      n_params: info.parameters,
      n_vocab: info.vocabularySize,
      format: info.format,
    };
    return { id: name, object: "model", created: began, owned_by: "cria", status: service.catalog.state(name), meta };
  };
  for (const path of ["/v1/models", "/models"]) {
    app.get(path, (context) => context.json({ object: "list", data: service.catalog.names.map(modelOf) }));
  }
  app.get("/v1/models/:name{.+}", (context) => context.json(modelOf(service.nameOf(context.req.param("name")))));
}

const began = Math.floor(Date.now() / 1000);

async function forward(service: Service, context: Context<Variables>, path: string): Promise<Response> {
  const body = await bodyOf(context);
  const { model, stream } = body;
  if (model !== undefined && model !== null && typeof model !== "string") {
    throw new RequestError(400, "invalid_type", "model must be of type string", "model");
  }
  const wanted = {
    id: context.get("id"),
    route: path,
    name: model ?? undefined,
    signal: context.req.raw.signal,
    events: stream === true,
  };
  return service.ask(wanted, (answers, name, signal) =>
    service.openai.post(path, body, { model: answers, name, signal }),
  );
}
