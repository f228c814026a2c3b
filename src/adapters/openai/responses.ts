// POST /v1/responses, and what is stored of it: GET and DELETE /v1/responses/{id}

import type { FunctionTool, ResponseFormatTextConfig, ResponseStreamEvent } from "openai/resources/responses/responses";
import type {
  ChatCompletionOptions,
  GeneratedPart,
  GenerationSummary,
  JsonSchema,
  Tool,
  ToolChoice,
} from "../../index.js";
import { generateAnswer } from "./answer-tool.js";
import { jsonAnswer, type Service, streamAnswer } from "./answers.js";
import { takeTemplateVariables } from "./chat-completions.js";
import { errorAnswer, RequestError } from "./errors.js";
import { type Fields, takeGenerateOptions, takeStreaming } from "./fields.js";
import { messagesOfItems, takeItems } from "./response-input.js";
import type { StoredResponse } from "./response-store.js";
import { type ResponseHead, ResponseWriter } from "./response-writer.js";
import { toolChoiceOf, toolOf, toolOptions } from "./tools.js";

/** @throws RequestError, and what `model.generateChat` throws */
export async function responses(
  { model, name, store }: Service,
  fields: Fields,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const { notes } = fields;
  const metadata = fields.take("metadata", "object") ?? {};
  const instructions = fields.take("instructions", "string");
  const previousId = fields.take("previous_response_id", "string");
  const earlier = previousId === undefined ? [] : storedResponse(store, previousId, "previous_response_id").items;
  const items = takeItems(fields, store);
  const messages = messagesOfItems(instructions, earlier, items, notes);

  const tools = fields.takeEach("tools", (tool) => {
    tool.only("type", "function");
    tool.drop("defer_loading", "allowed_callers", "output_schema");
    return toolOf(tool);
  });
  const toolChoice = toolChoiceOf(fields, (choice) => {
    choice.only("type", "function");
    return choice;
  });
  const called = toolOptions(fields, tools, toolChoice);
  const format = takeTextFormat(fields);
  const reasoning = takeReasoning(fields);
  const top = fields.take("top_logprobs", "number");
  const include = fields.take("include", "array") ?? [];
  const logprobs = include.includes("message.output_text.logprobs") || (top ?? 0) > 0;
  notes.fieldOf.set("topLogprobs", "top_logprobs");
  const options: ChatCompletionOptions = {
    ...takeGenerateOptions(fields, ["max_output_tokens"]),
    ...called,
    ...(format.schema !== undefined && { jsonSchema: format.schema }),
    ...(logprobs && { logprobs: true, topLogprobs: top }),
    templateVariables: withEffort(takeTemplateVariables(fields), reasoning.effort),
    signal,
  };
  const { stream } = takeStreaming(fields);
  const stored = fields.take("store", "boolean") ?? true;
  fields.only("background", false);
  fields.only("truncation", "disabled", "auto");
  fields.refuse("conversation", "prompt");
  fields.drop("max_tool_calls", "context_management");
  fields.end();

  const head: ResponseHead = {
    id: `resp_${crypto.randomUUID().replaceAll("-", "")}`,
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    model: name,
    background: false,
    instructions: instructions ?? null,
    max_output_tokens: options.maxTokens ?? null,
    metadata: metadata as Record<string, string>,
    parallel_tool_calls: options.parallelToolCalls ?? true,
    previous_response_id: previousId ?? null,
    reasoning: { effort: (reasoning.effort ?? null) as null, summary: null },
    service_tier: "default",
    temperature: options.temperature ?? null,
    text: { format: format.told },
    tool_choice: toldChoice(toolChoice),
    tools: (tools ?? []).map(toldTool),
    top_logprobs: top ?? 0,
    top_p: options.topP ?? null,
    truncation: "disabled",
    // Whether it is stored is not in the client's type, but in its answers.
    ...({ store: stored } as object),
  };
  const writer = new ResponseWriter(head, model.tokenizer, reasoning.summary);
  const end = (done: GenerationSummary) => {
    const { events, body } = writer.end(done);
    if (stored) store.add({ body, items: [...earlier, ...items, ...body.output] });
    return { events, body };
  };
  const parts = generateAnswer(model, messages, options);

  if (!stream) {
    for await (const part of parts) {
      writer.write(part);
      if (part.done !== undefined) return jsonAnswer(end(part.done).body);
    }
    throw new Error("a generation ended without its last part");
  }
  let begun = false;
  return streamAnswer(parts, notes, {
    named: true,
    *bodiesOf(part: GeneratedPart): Generator<ResponseStreamEvent> {
      if (!begun) yield* writer.begin();
      begun = true;
      yield* writer.write(part);
      if (part.done !== undefined) yield* end(part.done).events;
    },
    failed: (error) => writer.fail(errorAnswer(error, notes).body.error.message),
  });
}

/** @throws RequestError when it is not stored */
export function storedResponse(store: Service["store"], id: string, param: string | null = null): StoredResponse {
  const stored = store.get(id);
  if (stored !== undefined) return stored;
  const [status, code] = param === null ? [404, "response_not_found"] : [400, "previous_response_not_found"];
  throw new RequestError(Number(status), String(code), `the response "${id}" is not stored`, param);
}

/** What `text.format` asks for. */
function takeTextFormat(fields: Fields): { readonly schema?: JsonSchema; readonly told: ResponseFormatTextConfig } {
  const told: ResponseFormatTextConfig = { type: "text" };
  const text = fields.takeFields("text");
  const format = text?.takeFields("format");
  text?.drop("verbosity");
  text?.end();
  if (format === undefined) return { told };
  fields.notes.fieldOf.set("jsonSchema", "text.format");
  const type = format.need("type", "string");
  if (type === "json_object") {
    const schema: JsonSchema = format.take("schema", "object") ?? { type: "object" };
    format.end();
    return { schema, told: { type: "json_object" } };
  }
  if (type === "json_schema") {
    const schema: Record<string, unknown> = format.need("schema", "object");
    const name = format.take("name", "string") ?? "schema";
    const description = format.take("description", "string");
    const strict = format.take("strict", "boolean") ?? true; // the schema is always kept to
    format.end();
    return {
      schema,
      told: { type: "json_schema", name, schema, strict, ...(description !== undefined && { description }) },
    };
  }
  if (type !== "text") {
    throw format.invalid("type", `must be one of text, json_object, json_schema; it is "${type}"`);
  }
  format.end();
  return { told };
}

/** How hard to think, and whether thoughts are told as a summary: there is no other than the thoughts themselves. */
function takeReasoning(fields: Fields): { readonly effort: string | undefined; readonly summary: boolean } {
  const reasoning = fields.takeFields("reasoning");
  const effort = reasoning?.take("effort", "string");
  const summary = [reasoning?.take("summary", "string"), reasoning?.take("generate_summary", "string")];
  reasoning?.end();
  return { effort, summary: summary.some((each) => each !== undefined) };
}

function withEffort(variables: Record<string, unknown> | undefined, effort: string | undefined) {
  return effort === undefined ? variables : { reasoning_effort: effort, ...variables };
}

function toldChoice(choice: ToolChoice | undefined): ResponseHead["tool_choice"] {
  return typeof choice === "object" ? { type: "function", name: choice.name } : (choice ?? "auto");
}

function toldTool({ name, description, parameters }: Tool): FunctionTool {
  return {
    type: "function",
    name,
    description: description ?? null,
    parameters: (parameters ?? null) as FunctionTool["parameters"],
    strict: true,
  };
}
