// Ollama's routes, for the clients that speak it: /api/chat, /api/generate, /api/embed, /api/embeddings, /api/tags, /api/show, /api/ps,
// /api/version. Its streams are lines of JSON, its times nanoseconds. Documented at github.com/ollama/ollama, docs/api.md.

import type { Context, Hono } from "hono";
import { jsonAnswer } from "../../adapters/openai/answers.js";
import { errorAnswer, RequestError } from "../../adapters/openai/errors.js";
import type { Fields } from "../../adapters/openai/fields.js";
import { Notes } from "../../adapters/openai/notes.js";
import type {
  ChatCompletionOptions,
  ChatMessage,
  Completion,
  GeneratedPart,
  GenerateOptions,
  GenerationSummary,
  JsonSchema,
  Model,
  ToolCall,
} from "../../index.js";
import { fieldsOf, type Variables } from "../bodies.js";
import type { Answering, Service } from "../service.js";

export function ollamaRoutes(app: Hono<Variables>, service: Service, version: string): void {
  app.post("/api/chat", (context) =>
    asked(service, context, (fields) => {
      const messages = fields.need("messages", "array").map(messageOf);
      const options: ChatCompletionOptions = { ...generateOptionsOf(fields), tools: toolsOf(fields) };
      const stream = fields.take("stream", "boolean") ?? true;
      return async (model, name, signal) => {
        if (stream) return streamed(name, model.generateChat(messages, { ...options, signal }), chatLine);
        const completion = await model.completeChat(messages, { ...options, signal });
        const message = {
          role: "assistant",
          content: completion.text,
          ...thoughts(completion),
          ...callsOf(completion.toolCalls),
        };
        return jsonAnswer({ ...head(name), message, ...ending(completion) });
      };
    }),
  );
  app.post("/api/generate", (context) =>
    asked(service, context, (fields) => {
      const prompt = fields.take("prompt", "string") ?? "";
      const system = fields.take("system", "string");
      const raw = fields.take("raw", "boolean") ?? false;
      const options = generateOptionsOf(fields);
      const stream = fields.take("stream", "boolean") ?? true;
      const messages = [
        ...(system === undefined ? [] : [{ role: "system", content: system }]),
        { role: "user", content: prompt },
      ];
      return async (model, name, signal) => {
        // Without a prompt, clients ask for nothing but that the model is loaded.
        if (prompt === "") return jsonAnswer({ ...head(name), response: "", done: true, done_reason: "load" });
        const given = { ...options, signal };
        if (stream) {
          const parts = raw ? model.generate(prompt, given) : model.generateChat(messages, given);
          return streamed(name, parts, ({ text }) => ({ response: text }));
        }
        const completion = raw ? await model.complete(prompt, given) : await model.completeChat(messages, given);
        return jsonAnswer({ ...head(name), response: completion.text, ...thoughts(completion), ...ending(completion) });
      };
    }),
  );
  app.post("/api/embed", (context) =>
    asked(service, context, (fields) => embedding(fields, textsOf(fields), "embeddings")),
  );
  app.post("/api/embeddings", (context) =>
    asked(service, context, (fields) => embedding(fields, [fields.need("prompt", "string")], "embedding")),
  );
  app.get("/api/version", (context) => context.json({ version }));
  app.get("/api/tags", (context) =>
    context.json({ models: service.catalog.names.map((name) => described(service, name)) }),
  );
  app.get("/api/ps", (context) => {
    const names = service.catalog.names.filter((name) => service.catalog.loaded(name) !== undefined);
    return context.json({ models: names.map((name) => described(service, name)) });
  });
  app.post("/api/show", (context) =>
    asked(service, context, () => async (model, name) => {
      const { architecture, contextSize, parameters, dim, embedding, generates } = model.info;
      const capabilities = generates ? ["completion"] : embedding.reranks ? ["rerank"] : ["embedding"];
      return jsonAnswer({
        ...{ modelfile: "", parameters: "", template: (await service.catalog.chatTemplate(name)) ?? "" },
        ...{ details: described(service, name).details, capabilities },
        model_info: {
          "general.architecture": architecture,
          "general.parameter_count": parameters,
          [`${architecture}.context_length`]: contextSize,
          [`${architecture}.embedding_length`]: dim,
        },
      });
    }),
  );
}

/** Reads a request's fields, and lets the model answer. Errors are in Ollama's shape: `{ error: "..." }`. */
async function asked(
  service: Service,
  context: Context<Variables>,
  read: (fields: Fields) => Answering,
): Promise<Response> {
  const fields = await fieldsOf(context);
  const name = fields.need("model", "string");
  fields.take("keep_alive", "string", "number"); // when a model is unloaded is the server's to say
  const answering = read(fields);
  const wanted = {
    id: context.get("id"),
    route: context.req.path,
    name,
    signal: context.req.raw.signal,
    events: false,
  };
  const answer = await service.ask(wanted, answering);
  if (answer.ok) return answer;
  const { error } = (await answer.json()) as { error: { message: string } };
  return jsonAnswer({ error: error.message }, answer.status);
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

const thoughts = ({ reasoning }: Pick<Completion, "reasoning">) =>
  reasoning === undefined ? {} : { thinking: reasoning };

function callsOf(calls: readonly ToolCall[] | undefined) {
  if (calls === undefined) return {};
  return { tool_calls: calls.map(({ name, arguments: given }) => ({ function: { name, arguments: given } })) };
}

function chatLine(part: GeneratedPart) {
  return { message: { role: "assistant", content: part.text, ...thoughts(part), ...callsOf(part.toolCalls) } };
}

/** Lines of JSON. What fails before the first part rejects; later it is a line. */
async function streamed(
  name: string,
  parts: AsyncGenerator<GeneratedPart, void, undefined>,
  line: (part: GeneratedPart) => object,
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
          controller.enqueue(encoder.encode(`${JSON.stringify({ ...head(name), ...line(value), ...end })}\n`));
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

function generateOptionsOf(fields: Fields): GenerateOptions {
  const given = fields.inner(fields.take("options", "object") ?? {}, "options.");
  const options: Record<string, unknown> = {};
  for (const [field, option] of Object.entries(numbers)) options[option] = given.take(field, "number");
  const most = given.take("num_predict", "number");
  const stop = given.take("stop", "string", "array");
  const format = fields.take("format", "string", "object");
  if (typeof format === "string" && format !== "json" && format !== "") {
    throw fields.invalid("format", `must be "json" or a JSON schema; it is ${JSON.stringify(format)}`);
  }
  const jsonSchema =
    typeof format === "object" ? (format as JsonSchema) : format === "json" ? { type: "object" } : undefined;
  return {
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    maxTokens: most === undefined || most < 0 ? undefined : most,
    stop: stop as GenerateOptions["stop"],
    jsonSchema,
  };
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
  const { images, thinking, ...rest } = message as ChatMessage & { images?: unknown };
  if (Array.isArray(images) && images.length > 0) {
    throw new RequestError(
      400,
      "unsupported_value",
      `messages[${index}].images is not supported`,
      `messages[${index}].images`,
    );
  }
  return { ...rest, ...(thinking !== undefined && { reasoning_content: thinking }) } as ChatMessage;
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
    if (shape === "embedding") return jsonAnswer({ embedding: lists[0] });
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

function described(service: Service, name: string) {
  const info = service.catalog.loaded(name)?.info;
  return {
    name,
    model: name,
    modified_at: new Date(0).toISOString(),
    size: info?.memory.total ?? 0,
    digest: "",
    details: {
      format: "gguf",
      family: info?.architecture ?? "",
      parameter_size: info === undefined ? "" : String(info.parameters),
      quantization_level: info?.format ?? "",
    },
  };
}
