// The interface's addresses, and what happens at each.

import type { Model as ModelObject } from "openai/resources/models";
import type { Model } from "../../index.js";
import { checkBoolean, checkInteger, checkText, idleOption, invalidOption, namesOf, optionsOf } from "../../options.js";
import { jsonAnswer, refusal, type Service } from "./answers.js";
import { chatCompletions } from "./chat-completions.js";
import { completions } from "./completions.js";
import { embeddings } from "./embeddings.js";
import { RequestError } from "./errors.js";
import { Fields } from "./fields.js";
import { Notes } from "./notes.js";
import { ResponseStore } from "./response-store.js";
import { responses, storedResponse } from "./responses.js";

/** How models are served. */
export interface FetchOptions {
  /** The name by which requests call a single model. Default: `model.info.name`, or the architecture where the file has no name. */
  readonly name?: string;
  /** Whether a field that is not known is refused. Default false: it is ignored, and the answer's header x-cria-warning names it. */
  readonly strict?: boolean;
  /** How many answers of /v1/responses are kept for `previous_response_id`; 0 .. 100,000. Default 256. */
  readonly storedResponses?: number;
}

const optionNames = namesOf<FetchOptions>({ name: true, strict: true, storedResponses: true });

/** A model, or several by the names that requests call them by. The object is read at each request, so that models may come and go. */
export type ServedModels = Model | Readonly<Record<string, Model>>;

type Action = (service: Service, fields: Fields, signal: AbortSignal | undefined) => Promise<Response>;

const actions: Readonly<Record<string, Action>> = {
  "/v1/chat/completions": chatCompletions,
  "/v1/completions": completions,
  "/v1/responses": responses,
  "/v1/embeddings": embeddings,
};

const MODELS = "/v1/models";
const RESPONSES = "/v1/responses/";
const addresses = [
  `GET ${MODELS}`,
  `GET ${MODELS}/{name}`,
  ...Object.keys(actions).map((path) => `POST ${path}`),
  `GET ${RESPONSES}{id}`,
  `DELETE ${RESPONSES}{id}`,
];

/**
 * A function with the signature of `fetch` that loaded models answer, in this process:
 * `new OpenAI({ apiKey: "none", baseURL: "http://cria/v1", fetch: createFetch(model) })`. The host can be any, and so can what the path has
 * before /v1.
 *
 * It knows POST /v1/chat/completions, /v1/completions, /v1/responses and /v1/embeddings, and GET /v1/models. Everything that is refused is
 * an answer with an error body as OpenAI's. It rejects only with the reason of an aborted signal.
 *
 * @throws CriaError INVALID_OPTION
 */
export function createFetch(models: ServedModels, options: FetchOptions = {}): typeof fetch {
  return createHandler(models, options).fetch;
}

/** What `createFetch` gives, and its answers to bodies that have been parsed. */
export interface Handler {
  readonly fetch: typeof fetch;
  /** The answer to POST of a body at one of its addresses, by this model. Rejects only with the reason of an aborted signal. */
  readonly post: (path: string, body: object, by: Answering) => Promise<Response>;
}

/** Who answers, under which name, and until when. */
export interface Answering {
  readonly model: Model;
  readonly name: string;
  readonly signal: AbortSignal;
}

/** @throws CriaError INVALID_OPTION */
export function createHandler(models: ServedModels, options: FetchOptions): Handler {
  const given = optionsOf("createFetch", options, optionNames);
  const strict = checkBoolean("strict", given.strict ?? false);
  const store = new ResponseStore(checkInteger("storedResponses", given.storedResponses ?? 256, 0, 100_000));
  const modelsNow = servedBy(models, given.name);
  const created = Math.floor(Date.now() / 1000);

  return {
    fetch: async (input, init) => {
      const request = new Request(input, init);
      // A signal that is given is used itself: that of the request only follows it, and is lost with the request.
      const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
      const path = pathOf(request.url);
      const action = request.method === "POST" && Object.hasOwn(actions, path) ? actions[path] : undefined;
      return noted(async (notes) => {
        if (action === undefined) return kept(request.method, path);
        const fields = new Fields(await bodyOf(request), notes);
        const name = fields.need("model", "string");
        return action({ model: modelNamed(name), name, store }, fields, signal);
      });
    },
    post: (path, body, { model, name, signal }) =>
      noted(async (notes) => {
        const fields = new Fields(body, notes);
        fields.drop("model");
        return actions[path]!({ model, name, store }, fields, signal);
      }),
  };

  /** An answer, also where it is an error, with what was ignored. */
  async function noted(answering: (notes: Notes) => Promise<Response>): Promise<Response> {
    const notes = new Notes(strict);
    let answer: Response;
    try {
      answer = await answering(notes);
    } catch (error) {
      answer = refusal(error, notes);
    }
    const warning = notes.warning();
    if (warning !== undefined) answer.headers.set("x-cria-warning", warning);
    return answer;
  }

  /** What is read, not generated: models, and responses that are stored. */
  function kept(method: string, path: string): Response {
    if (method === "GET" && path === MODELS) {
      return jsonAnswer({ object: "list", data: Object.keys(modelsNow()).map(modelObject) });
    }
    if (method === "GET" && path.startsWith(`${MODELS}/`)) {
      const name = decoded(path.slice(MODELS.length + 1));
      modelNamed(name);
      return jsonAnswer(modelObject(name));
    }
    const id = path.startsWith(RESPONSES) ? decoded(path.slice(RESPONSES.length)) : "";
    if (method === "GET" && id !== "") return jsonAnswer(storedResponse(store, id).body);
    if (method === "DELETE" && id !== "") {
      storedResponse(store, id);
      store.delete(id);
      return jsonAnswer({ id, object: "response", deleted: true });
    }
    const message = `there is no ${method} ${path}; there are ${addresses.join(", ")}`;
    throw new RequestError(404, "unknown_url", message);
  }

  function modelObject(id: string): ModelObject {
    return { id, object: "model", created, owned_by: "cria" };
  }

  function modelNamed(name: string): Model {
    const all = modelsNow();
    const model = Object.hasOwn(all, name) ? all[name] : undefined;
    if (model !== undefined) return model;
    const names = Object.keys(all).map((each) => `"${each}"`);
    const what = names.length === 1 ? `there is ${names[0]}` : `there are ${names.join(", ") || "none"}`;
    throw new RequestError(404, "model_not_found", `the model "${name}" does not exist; ${what}`, "model");
  }
}

/** The interface's part of an address: a server may have it under a path of its own, such as /api/v1/models. */
function pathOf(url: string): string {
  const { pathname } = new URL(url);
  const at = pathname.indexOf("/v1/");
  return at < 0 ? pathname : pathname.slice(at);
}

/** The models by their names, as they are when it is asked. */
function servedBy(models: unknown, name: string | undefined): () => Readonly<Record<string, Model>> {
  if (typeof models !== "object" || models === null) {
    throw invalidOption("models", "a model, or an object of models by their names", models);
  }
  if (!isModel(models)) {
    if (name !== undefined) throw idleOption("name", "the models have names");
    return () =>
      Object.fromEntries(Object.entries(models).filter((entry): entry is [string, Model] => isModel(entry[1])));
  }
  const own = checkText("name", name ?? models.info.name ?? models.info.architecture);
  return () => ({ [own]: models });
}

function isModel(value: unknown): value is Model {
  return typeof (value as Partial<Model> | null)?.generateChat === "function";
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

async function bodyOf(request: Request): Promise<unknown> {
  const text = await request.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RequestError(400, "invalid_json", `the body must be JSON: ${(error as Error).message}`);
  }
}
