// Ollama's routes, for the clients that speak it: /api/chat, /api/generate, /api/embed, /api/embeddings, /api/tags, /api/show, /api/ps,
// /api/version. Its streams are lines of JSON, its times nanoseconds. Documented at github.com/ollama/ollama, docs/api.md.

import { createHash } from "node:crypto";
import type { Context, Hono } from "hono";
import { jsonAnswer } from "../../adapters/openai/answers.js";
import { errorAnswer, RequestError } from "../../adapters/openai/errors.js";
import type { Fields } from "../../adapters/openai/fields.js";
import { logprobOf } from "../../adapters/openai/logprobs.js";
import { Notes } from "../../adapters/openai/notes.js";
import type {
  AnswerOptions,
  ChatCompletionOptions,
  ChatMessage,
  GeneratedPart,
  GenerateOptions,
  GenerationSummary,
  JsonSchema,
  Model,
  ToolCall,
} from "../../index.js";
import { fieldsOf, type Variables } from "../bodies.js";
import type { Stay } from "../catalog.js";
import type { ModelCard } from "../model-cards.js";
import type { Answering, Service } from "../service.js";
import type { StreamForm } from "../streams.js";

/** The version of Ollama's interface that is followed. Clients refuse servers that call themselves older than what they need. */
const INTERFACE = "0.12.11";

/** What changes the models of a server, which is told them when it is started. */
const unsupported = [
  ...["POST /api/pull", "POST /api/push", "POST /api/create", "POST /api/copy", "DELETE /api/delete"],
  ...["HEAD /api/blobs/:digest", "POST /api/blobs/:digest"],
];

/** Errors, whoever makes them, in Ollama's shape: `{ error: "..." }`. Before all that may refuse. */
export function ollamaErrors(app: Hono<Variables>): void {
  app.use("/api/*", async (context, next) => {
    await next();
    const { status, headers } = context.res;
    if (status < 400 || !headers.get("content-type")?.startsWith("application/json")) return;
    const { error } = (await context.res.json()) as { error: { message: string } };
    const retryAfter = headers.get("retry-after");
    context.res = jsonAnswer({ error: error.message }, status);
    if (retryAfter !== null) context.res.headers.set("retry-after", retryAfter);
  });
}

export function ollamaRoutes(app: Hono<Variables>, service: Service, version: string): void {
  // Clients look here for whether the server runs. Browsers get the next route's page.
  app.get("/", (context, next) =>
    context.req.header("accept")?.includes("text/html") ? next() : context.text("Ollama is running"),
  );
  app.post("/api/chat", (context) =>
    asked(service, context, (fields) => {
      const messages = (fields.take("messages", "array") ?? []).map(messageOf);
      const { stream, ...given } = generationOf(fields);
      const options: ChatCompletionOptions = { ...given, tools: toolsOf(fields) };
      const answering: Answering = async (model, name, signal) => {
        if (stream) return streamed(name, model, model.generateChat(messages, { ...options, signal }), chatPart);
        const completion = await model.completeChat(messages, { ...options, signal });
        return jsonAnswer({ ...head(name), ...chatPart(completion, model), ...ending(completion) });
      };
      return { answering, stream, blank: { message: said("") }, isEmpty: messages.length === 0 };
    }),
  );
  app.post("/api/generate", (context) =>
    asked(service, context, (fields) => {
      const prompt = fields.take("prompt", "string") ?? "";
      const system = fields.take("system", "string");
      const raw = fields.take("raw", "boolean") ?? false;
      refuseFilled(fields, "suffix", "template", "context", "images");
      const { stream, templateVariables, ...options } = generationOf(fields);
      const messages = [...(system ? [{ role: "system", content: system }] : []), { role: "user", content: prompt }];
      const answering: Answering = async (model, name, signal) => {
        const plain = { ...options, signal };
        const chat = { ...plain, templateVariables };
        if (stream) {
          const parts = raw ? model.generate(prompt, plain) : model.generateChat(messages, chat);
          return streamed(name, model, parts, textPart);
        }
        const completion = raw ? await model.complete(prompt, plain) : await model.completeChat(messages, chat);
        return jsonAnswer({ ...head(name), ...textPart(completion, model), ...ending(completion) });
      };
      return { answering, stream, blank: { response: "" }, isEmpty: prompt === "" };
    }),
  );
  app.post("/api/embed", (context) =>
    asked(service, context, (fields) => ({ answering: embedding(fields, textsOf(fields), "embeddings") })),
  );
  app.post("/api/embeddings", (context) =>
    asked(service, context, (fields) => {
      const prompt = fields.take("prompt", "string") ?? "";
      return { answering: embedding(fields, prompt === "" ? [] : [prompt], "embedding") };
    }),
  );
  app.get("/api/version", (context) => context.json({ version: INTERFACE, cria: version }));
  app.get("/api/tags", async (context) => {
    const models = service.catalog.names.map(async (name) => described(name, await service.cards.cardAtHand(name)));
    return context.json({ models: await Promise.all(models) });
  });
  app.get("/api/ps", async (context) => {
    const names = service.catalog.names.filter((name) => service.catalog.loaded(name) !== undefined);
    const models = names.map(async (name) => ({
      ...described(name, await service.cards.cardAtHand(name)),
      size: service.catalog.loaded(name)?.info.memory.total ?? 0,
      size_vram: 0,
      context_length: service.catalog.loaded(name)?.info.contextSize ?? 0,
      expires_at: new Date(Date.now() + staysFor(service, name)).toISOString(),
    }));
    return context.json({ models: await Promise.all(models) });
  });
  app.post("/api/show", async (context) => {
    const fields = await fieldsOf(context);
    const name = service.nameOf(fields.take("model", "string") ?? fields.need("name", "string"));
    const card = await service.cards.card(name);
    return context.json({
      ...{ license: card.licence ?? "", modelfile: `FROM ${name}\n`, parameters: "", template: card.template ?? "" },
      ...{ details: described(name, card).details, modified_at: card.modified.toISOString() },
      // Clients show models by their base names.
      model_info: { "general.basename": card.title ?? name, ...card.metadata },
      capabilities: card.capabilities,
    });
  });
  for (const route of unsupported) {
    const [method, path] = route.split(" ") as [string, string];
    app.on(method, path, ({ req }) => {
      const message = `${req.method} ${req.path} is not supported: cria serve is told its models when it is started`;
      throw new RequestError(501, "unsupported", message);
    });
  }
}

/** What a request says, besides the model's name. */
interface Asked {
  readonly answering: Answering;
  readonly stream?: boolean;
  /** What a line has that says nothing. */
  readonly blank?: object;
  /** There is nothing to answer: clients ask for nothing but that the model is loaded, or unloaded. */
  readonly isEmpty?: boolean;
}

/** Reads a request's fields, and lets the model answer. */
async function asked(
  service: Service,
  context: Context<Variables>,
  read: (fields: Fields) => Asked,
): Promise<Response> {
  const fields = await fieldsOf(context);
  const given = fields.need("model", "string");
  const stay = stayOf(fields, service);
  const { answering, stream = false, blank = {}, isEmpty = false } = read(fields);
  const name = service.nameOf(given);
  const nothing = (done_reason: string) => jsonAnswer({ ...head(name), ...blank, done: true, done_reason });
  if (isEmpty && stay === 0) {
    await service.catalog.unload(name);
    return nothing("unload");
  }
  const wanted = {
    id: context.get("id"),
    route: context.req.path,
    name,
    signal: context.req.raw.signal,
    events: stream && !isEmpty,
    form: linesOf(name, blank),
    stay,
  };
  return service.ask(wanted, isEmpty ? async () => nothing("load") : answering);
}

/** Lines of JSON: some clients take nothing else for a line, so a sign of life is a part without text. */
function linesOf(name: string, blank: object): StreamForm {
  return {
    contentType: "application/x-ndjson",
    wait: () => `${JSON.stringify({ ...head(name), ...blank, done: false })}\n`,
    failed: (body) => {
      const { error } = JSON.parse(body) as { readonly error: { readonly message: string } };
      return `${JSON.stringify({ error: error.message })}\n`;
    },
  };
}

/** Some years, in milliseconds. */
const NEVER = 10 * 365 * 24 * 3_600_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * `keep_alive`: seconds, or a time such as "5m" or "1h30m"; below 0: for good. 0 unloads the model when it is no longer used. Else it may
 * stay longer than the server would let it, and no shorter.
 */
function stayOf(fields: Fields, { settings }: Service): Stay | undefined {
  const given = fields.take("keep_alive", "string", "number");
  if (given === undefined) return undefined;
  const [, sign, times] = /^([+-]?)((?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+(?:\.\d+)?)$/.exec(String(given)) ?? [];
  if (times === undefined) {
    throw fields.invalid("keep_alive", `must be seconds, or a time such as "5m"; it is ${JSON.stringify(given)}`);
  }
  let milliseconds = 0;
  for (const [, count, unit = "s"] of times.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)?/g)) {
    milliseconds += Number(count) * UNITS[unit]!;
  }
  if (milliseconds === 0) return 0;
  return sign === "-" ? Infinity : Math.max(milliseconds, settings.idleMilliseconds ?? Infinity);
}

/** For how many milliseconds a model stays from now on, if nobody asks for it. */
function staysFor({ catalog, settings }: Service, name: string): number {
  const leaves = catalog.leavesAt(name);
  if (leaves !== undefined) return leaves - performance.now();
  return catalog.leases(name) > 0 ? (settings.idleMilliseconds ?? NEVER) : NEVER;
}

const head = (model: string) => ({ model, created_at: new Date().toISOString() });
const nanoseconds = (milliseconds: number) => Math.round(milliseconds * 1e6);

function ending({ finishReason, usage, timings }: GenerationSummary) {
  return {
    done: true,
    done_reason: finishReason,
    total_duration: nanoseconds(timings.prefillMilliseconds + timings.decodeMilliseconds),
    load_duration: 0,
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: nanoseconds(timings.prefillMilliseconds),
    eval_count: usage.completionTokens,
    eval_duration: nanoseconds(timings.decodeMilliseconds),
  };
}

const said = (content: string) => ({ role: "assistant", content });

/** What a part of an answer, or the whole of it, has in common. */
type Said = Pick<GeneratedPart, "text" | "reasoning" | "toolCalls" | "logprobs">;

const thoughts = ({ reasoning }: Said) => (reasoning === undefined ? {} : { thinking: reasoning });

function callsOf(calls: readonly ToolCall[] | undefined) {
  if (calls === undefined) return {};
  return { tool_calls: calls.map(({ name, arguments: given }) => ({ function: { name, arguments: given } })) };
}

function logprobsOf({ logprobs }: Said, model: Model) {
  return logprobs === undefined ? {} : { logprobs: logprobs.map((each) => logprobOf(each, model.tokenizer)) };
}

function chatPart(part: Said, model: Model) {
  return { message: { ...said(part.text), ...thoughts(part), ...callsOf(part.toolCalls) }, ...logprobsOf(part, model) };
}

function textPart(part: Said, model: Model) {
  return { response: part.text, ...thoughts(part), ...logprobsOf(part, model) };
}

/** Lines of JSON. What fails before the first part rejects; later it is a line. */
async function streamed(
  name: string,
  model: Model,
  parts: AsyncGenerator<GeneratedPart, void, undefined>,
  line: (part: GeneratedPart, model: Model) => object,
): Promise<Response> {
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<GeneratedPart, void>> | undefined = Promise.resolve(await parts.next());
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await (next ?? parts.next());
          next = undefined;
          if (done) return controller.close();
          const end = value.done === undefined ? { done: false } : ending(value.done);
          controller.enqueue(encoder.encode(`${JSON.stringify({ ...head(name), ...line(value, model), ...end })}\n`));
        } catch (error) {
          const { message } = errorAnswer(error, new Notes(false)).body.error;
          controller.enqueue(encoder.encode(`${JSON.stringify({ error: message })}\n`));
          controller.close();
        }
      },
      async cancel() {
        await parts.return();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, { headers: { "content-type": "application/x-ndjson" } });
}

/** Ollama's options, by the names of ours. Those that say how a model is loaded are not the request's to say. */
const numbers = {
  temperature: "temperature",
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  typical_p: "typicalP",
  repeat_penalty: "repeatPenalty",
  repeat_last_n: "penaltyLastN",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
  seed: "seed",
} as const satisfies Record<string, keyof GenerateOptions>;

/** What /api/chat and /api/generate have in common. */
function generationOf(fields: Fields): AnswerOptions & { readonly stream: boolean } {
  const given = fields.inner(fields.take("options", "object") ?? {}, "options.");
  const options: Record<string, unknown> = {};
  for (const [field, option] of Object.entries(numbers)) options[option] = given.take(field, "number");
  if (Number(options["seed"]) < 0) delete options["seed"]; // a new one
  const most = given.take("num_predict", "number") ?? 0;
  const stop = given.take("stop", "string", "array");
  const mirostat = given.take("mirostat", "number") ?? 0;
  const [tau, eta] = [given.take("mirostat_tau", "number"), given.take("mirostat_eta", "number")];
  if (mirostat !== 0 && mirostat !== 2) throw given.invalid("mirostat", `must be 0 or 2; it is ${mirostat}`);
  const logprobs = fields.take("logprobs", "boolean");
  const topLogprobs = fields.take("top_logprobs", "number");
  return {
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    ...(mirostat === 2 && { mirostat: { ...(tau !== undefined && { tau }), ...(eta !== undefined && { eta }) } }),
    ...(most > 0 && { maxTokens: most }), // others mean as many as there is room for
    ...(stop !== undefined && stop.length > 0 && { stop: stop as GenerateOptions["stop"] }),
    ...(logprobs && { logprobs, ...(topLogprobs !== undefined && { topLogprobs }) }),
    jsonSchema: formatOf(fields),
    templateVariables: thinkingOf(fields),
    stream: fields.take("stream", "boolean") ?? true,
  };
}

function formatOf(fields: Fields): JsonSchema | undefined {
  const format = fields.take("format", "string", "object");
  if (typeof format === "object") return format;
  if (format === "json") return { type: "object" };
  if (format === undefined || format === "") return undefined;
  throw fields.invalid("format", `must be "json" or a JSON schema; it is ${JSON.stringify(format)}`);
}

/** What templates are told of `think`: whether, or how hard. Each takes the names that it knows. */
function thinkingOf(fields: Fields): AnswerOptions["templateVariables"] {
  const think = fields.take("think", "boolean", "string");
  if (think === undefined) return undefined;
  const thinks = think !== false;
  const effort = typeof think === "string" ? { reasoning_effort: think } : {};
  return { enable_thinking: thinks, thinking: thinks, ...effort };
}

/** Refuses fields that ask for what there is not. Clients also send them empty. @throws RequestError */
function refuseFilled(fields: Fields, ...names: readonly string[]): void {
  for (const name of names) {
    const value = fields.take(name, "string", "array");
    if (value !== undefined && value.length > 0) throw fields.invalid(name, "is not supported");
  }
}

function toolsOf(fields: Fields): ChatCompletionOptions["tools"] {
  const tools = fields.take("tools", "array");
  if (tools === undefined || tools.length === 0) return undefined;
  return tools.map((tool, i) => {
    const { function: described } = (tool ?? {}) as {
      function?: { name?: unknown; description?: string; parameters?: JsonSchema };
    };
    if (typeof described?.name !== "string") throw fields.invalid(`tools[${i}]`, "must be a function with a name");
    return {
      name: described.name,
      description: described.description,
      parameters: described.parameters ?? { type: "object" },
    };
  });
}

function messageOf(message: unknown, index: number): ChatMessage {
  if (typeof message !== "object" || message === null || typeof (message as ChatMessage).role !== "string") {
    throw new RequestError(
      400,
      "invalid_type",
      `messages[${index}] must be an object with a role`,
      `messages[${index}]`,
    );
  }
  const { images, thinking, tool_name: name, ...rest } = message as ChatMessage & { images?: unknown };
  if (Array.isArray(images) && images.length > 0) {
    throw new RequestError(
      400,
      "unsupported_value",
      `messages[${index}].images is not supported`,
      `messages[${index}].images`,
    );
  }
  const thought = thinking === undefined || thinking === "" ? {} : { reasoning_content: thinking };
  return { ...rest, ...thought, ...(name !== undefined && { name }) } as ChatMessage;
}

function textsOf(fields: Fields): readonly string[] {
  const input = fields.need("input", "string", "array");
  const texts = typeof input === "string" ? [input] : input;
  const wrong = texts.findIndex((text) => typeof text !== "string");
  if (wrong >= 0) throw fields.invalid(`input[${wrong}]`, "must be a string");
  return texts as string[];
}

function embedding(fields: Fields, texts: readonly string[], shape: "embedding" | "embeddings"): Answering {
  const truncate = fields.take("truncate", "boolean") ?? true;
  const dimensions = fields.take("dimensions", "number");
  return async (model: Model, name, signal) => {
    const begin = performance.now();
    let tokens = 0;
    const vectors = await model.embed(texts, {
      ...{ signal, dimensions, overlong: truncate ? "truncate" : "error" },
      onUsage: ({ promptTokens }) => {
        tokens = promptTokens;
      },
    });
    const lists = vectors.map((vector) => Array.from(vector));
    if (shape === "embedding") return jsonAnswer({ embedding: lists[0] ?? [] });
    const total = nanoseconds(performance.now() - begin);
    return jsonAnswer({
      model: name,
      embeddings: lists,
      total_duration: total,
      load_duration: 0,
      prompt_eval_count: tokens,
    });
  };
}

/** A model in a list. */
function described(name: string, card: ModelCard | undefined) {
  const family = card?.architecture ?? "";
  return {
    name,
    model: name,
    modified_at: (card?.modified ?? new Date(0)).toISOString(),
    size: card?.bytes ?? 0,
    digest: card?.digest ?? createHash("sha256").update(name).digest("hex"),
    details: {
      parent_model: "",
      format: "gguf",
      family,
      families: card === undefined ? [] : [family],
      parameter_size: card === undefined ? "" : inWords(card.parameters),
      quantization_level: card?.format ?? "",
    },
  };
}

/** Such as 8.0B or 134.5M. */
function inWords(parameters: number): string {
  return parameters >= 1e9 ? `${(parameters / 1e9).toFixed(1)}B` : `${(parameters / 1e6).toFixed(2)}M`;
}
