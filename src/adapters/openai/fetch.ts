// The interface's addresses, and what happens at each.

import type { Model as ModelObject } from "openai/resources/models";
import { CriaError, type Model } from "../../index.js";
import { jsonAnswer, refusal, type Service } from "./answers.js";
import { chatCompletions } from "./chat-completions.js";
import { completions } from "./completions.js";
import { embeddings } from "./embeddings.js";
import { RequestError } from "./errors.js";
import { Fields } from "./fields.js";

/** How a model is served. */
export interface FetchOptions {
  /** The name by which requests call the model. Default: `model.info.name`, or the architecture where the file has no name. */
  readonly name?: string;
}

type Action = (service: Service, fields: Fields, signal: AbortSignal | undefined) => Promise<Response>;

const actions: Readonly<Record<string, Action>> = {
  "/v1/chat/completions": chatCompletions,
  "/v1/completions": completions,
  "/v1/embeddings": embeddings,
};

/**
 * A function with the signature of `fetch` that a loaded model answers, in this process:
 * `new OpenAI({ apiKey: "none", baseURL: "http://cria/v1", fetch: createFetch(model) })`. The host can be any.
 *
 * It knows POST /v1/chat/completions, /v1/completions and /v1/embeddings, and GET /v1/models. Everything that is refused is an answer with
 * an error body as OpenAI's; fields that it does not know are refused by name. It rejects only with the reason of an aborted signal.
 */
export function createFetch(model: Model, options: FetchOptions = {}): typeof fetch {
  const name = givenName(options) ?? model.info.name ?? model.info.architecture;
  const service: Service = { model, name };
  const self: ModelObject = { id: name, object: "model", created: Math.floor(Date.now() / 1000), owned_by: "cria" };

  return async (input, init) => {
    const request = new Request(input, init);
    // A signal that is given is used itself: that of the request only follows it, and is lost with the request.
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    try {
      return await answer(request, signal);
    } catch (error) {
      return refusal(error);
    }
  };

  async function answer(request: Request, signal: AbortSignal | undefined): Promise<Response> {
    const path = new URL(request.url).pathname;
    if (request.method === "GET" && path === "/v1/models") return jsonAnswer({ object: "list", data: [self] });
    if (request.method === "GET" && path === `/v1/models/${encodeURIComponent(name)}`) return jsonAnswer(self);
    const action = request.method === "POST" ? actions[path] : undefined;
    if (action === undefined) {
      const known = ["GET /v1/models", `GET /v1/models/${name}`, ...Object.keys(actions).map((each) => `POST ${each}`)];
      throw new RequestError(
        404,
        "unknown_url",
        `there is no ${request.method} ${path}; there are ${known.join(", ")}`,
      );
    }
    const fields = new Fields(await bodyOf(request));
    const wanted = fields.need("model", "string");
    if (wanted === name) return action(service, fields, signal);
    throw new RequestError(404, "model_not_found", `the model "${wanted}" does not exist; there is "${name}"`, "model");
  }
}

/** The option `name`. Callers may be JavaScript. @throws CriaError INVALID_OPTION */
function givenName(options: unknown): string | undefined {
  const refused = (message: string) => new CriaError("INVALID_OPTION", message);
  if (options === null || options === undefined) return undefined;
  if (typeof options !== "object") throw refused("the options argument of createFetch must be an object");
  let name: unknown;
  let unknown: string | undefined;
  try {
    ({ name } = options as FetchOptions);
    unknown = Object.keys(options).find((option) => option !== "name");
  } catch (cause) {
    throw new CriaError("INVALID_OPTION", "the options argument of createFetch cannot be read", { cause });
  }
  if (unknown !== undefined) throw refused(`createFetch has no option "${unknown}"; it has name`);
  if (name === undefined || name === null || typeof name === "string") return name ?? undefined;
  throw refused(`name must be a string; it is ${typeof name === "object" ? "an object" : `a ${typeof name}`}`);
}

async function bodyOf(request: Request): Promise<unknown> {
  const text = await request.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RequestError(400, "invalid_json", `the body must be JSON: ${(error as Error).message}`);
  }
}
