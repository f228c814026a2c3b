// POST /v1/chat/completions

import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import type { ChatCompletionOptions, GeneratedLogprob, JsonSchema, Usage } from "../../index.js";
import { generateAnswer } from "./answer-tool.js";
import { jsonAnswer, type Service, streamAnswer } from "./answers.js";
import { type ChoicePart, collectAll, generateAll, reasoningTokensOf, type Start, totalUsage } from "./choices.js";
import {
  type Fields,
  takeCount,
  takeGenerateOptions,
  takeGrammar,
  takeStreamFigures,
  takeStreaming,
} from "./fields.js";
import { logprobOf } from "./logprobs.js";
import { chatMessages } from "./messages.js";
import { StreamTimings, timingsOf } from "./timings.js";
import { callDeltasOf, callsOf, takeTools } from "./tools.js";
import { usageOf } from "./usage.js";

/** @throws RequestError, and what `model.generateChat` throws */
export async function chatCompletions(
  { model, name }: Service,
  fields: Fields,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const messages = chatMessages(fields);
  const options: ChatCompletionOptions = {
    ...takeGenerateOptions(fields, ["max_completion_tokens", "max_tokens", "n_predict"]),
    ...takeLogprobs(fields),
    ...takeTools(fields),
    ...takeFormat(fields),
    templateVariables: takeTemplateVariables(fields),
  };
  const n = takeCount(fields);
  const { stream, includeUsage } = takeStreaming(fields);
  const figures = takeStreamFigures(fields);
  takeModalities(fields);
  if (fields.take("store", "boolean")) fields.notes.ignored.push("store");
  fields.refuse("audio", "functions", "function_call", "web_search_options");
  fields.end();

  const logprobsOf = (logprobs: readonly GeneratedLogprob[] | undefined) =>
    logprobs === undefined
      ? null
      : { content: logprobs.map((each) => logprobOf(each, model.tokenizer)), refusal: null };
  const head = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: name };
  // A seed that is given is the first answer's; the others have the next ones.
  const seedOf = (i: number) => (options.seed === undefined ? undefined : options.seed + i);
  const starts = Array.from({ length: n }, (_, i): Start => {
    return (own) =>
      generateAnswer(model, messages, {
        ...options,
        prefillProgress: stream && figures.progress,
        seed: seedOf(i),
        signal: own,
      });
  });

  if (!stream) {
    const choices = await collectAll(starts, signal);
    return jsonAnswer<ChatCompletion>({
      ...head,
      object: "chat.completion",
      choices: choices.map(({ text, reasoning, toolCalls, logprobs, done }, index) => ({
        index,
        message: {
          role: "assistant",
          content: toolCalls && text === "" ? null : text,
          refusal: null,
          annotations: [],
          ...(reasoning !== "" && { reasoning_content: reasoning }),
          ...(toolCalls && { tool_calls: callsOf(toolCalls) }),
        },
        finish_reason: toolCalls ? "tool_calls" : done.finishReason,
        logprobs: logprobsOf(logprobs),
      })),
      usage: usageOf(
        totalUsage(
          choices.map(({ done }) => done.usage),
          n,
        ),
        choices.reduce((sum, { reasoningTokens }) => sum + reasoningTokens, 0),
      ),
    });
  }

  const chunk = (choices: ChatCompletionChunk.Choice[]): ChatCompletionChunk => {
    // Who asks for usage gets the field in every chunk.
    return { ...head, object: "chat.completion.chunk", choices, ...(includeUsage && { usage: null }) };
  };
  const begun = new Set<number>();
  const timings = new StreamTimings();
  const usages: Usage[] = [];
  let reasoningTokens = 0;
  const bodiesOf = function* (part: ChoicePart) {
    const { index, text, reasoning, toolCallDeltas, logprobs, done, toolCalls, prefill } = part;
    if (prefill !== undefined) {
      yield { ...chunk([]), prompt_progress: timings.progressOf(prefill) };
      return;
    }
    const extra = figures.timings && n === 1 ? { timings: timings.of(part) } : {};
    if (!begun.has(index)) {
      const content = toolCallDeltas !== undefined && text === "" ? null : "";
      yield chunk([{ index, delta: { role: "assistant", content, refusal: null }, finish_reason: null }]);
    }
    begun.add(index);
    reasoningTokens += reasoningTokensOf(part);
    if (text !== "" || reasoning !== undefined || toolCallDeltas !== undefined || logprobs?.length) {
      const delta = {
        // Some clients begin a text at an empty one.
        ...((text !== "" || (toolCallDeltas ?? reasoning) === undefined) && { content: text }),
        ...(reasoning !== undefined && { reasoning_content: reasoning }),
        ...(toolCallDeltas && { tool_calls: callDeltasOf(toolCallDeltas) }),
      };
      yield { ...chunk([{ index, delta, finish_reason: null, logprobs: logprobsOf(logprobs) }]), ...extra };
    }
    if (done === undefined) return;
    const finish = toolCalls ? "tool_calls" : done.finishReason;
    // Logprobs that were asked for are there, even where there is no token.
    yield {
      ...chunk([{ index, delta: {}, finish_reason: finish, ...(logprobs && { logprobs: logprobsOf([]) }) }]),
      ...extra,
    };
    usages[index] = done.usage;
    if (!includeUsage || Object.keys(usages).length < n) return;
    const usage = usageOf(totalUsage(usages, n), reasoningTokens);
    yield { ...chunk([]), usage, ...(n === 1 && { timings: timingsOf(done) }) };
  };
  return streamAnswer(generateAll(starts, signal), fields.notes, { bodiesOf });
}

function takeLogprobs(fields: Fields): Pick<ChatCompletionOptions, "logprobs" | "topLogprobs"> {
  const wanted = fields.take("logprobs", "boolean") ?? false;
  const top = fields.take("top_logprobs", "number");
  fields.notes.fieldOf.set("topLogprobs", "top_logprobs");
  if (!wanted && top !== undefined) throw fields.invalid("top_logprobs", "needs logprobs");
  return { logprobs: wanted, topLogprobs: top };
}

/** What the answer must match: by `response_format`, or by llama.cpp's server's `grammar` and `json_schema`. */
function takeFormat(fields: Fields): Pick<ChatCompletionOptions, "grammar" | "jsonSchema"> {
  const format = fields.takeFields("response_format");
  const own = takeGrammar(fields);
  if (format === undefined) return own;
  const type = format.need("type", "string");
  let jsonSchema: JsonSchema | undefined;
  if (type === "json_object") jsonSchema = format.take("schema", "object") ?? { type: "object" };
  else if (type === "json_schema") jsonSchema = takeNamedSchema(format);
  else if (type !== "text") {
    throw format.invalid("type", `must be one of text, json_object, json_schema; it is "${type}"`);
  }
  format.end();
  if (jsonSchema === undefined) return own;
  fields.notes.fieldOf.set("jsonSchema", "response_format");
  if (own.jsonSchema !== undefined) throw fields.invalid("json_schema", "must not be beside a response_format");
  return { ...own, jsonSchema };
}

/** `json_schema: { name, schema }`, or, as llama.cpp's server also has it, `schema` itself. */
function takeNamedSchema(format: Fields): JsonSchema {
  const bare = format.take("schema", "object");
  if (bare !== undefined) return bare;
  const named = format.needFields("json_schema");
  const schema: JsonSchema = named.need("schema", "object");
  // What the schema is called, and whether it is kept to: it always is.
  named.drop("name", "description", "strict");
  named.end();
  return schema;
}

/** What the chat template is told. */
export function takeTemplateVariables(fields: Fields): Record<string, unknown> | undefined {
  const variables = fields.take("chat_template_kwargs", "object");
  const effort = fields.take("reasoning_effort", "string");
  fields.notes.fieldOf.set("templateVariables", "chat_template_kwargs");
  if (variables === undefined && effort === undefined) return undefined;
  return { ...(effort !== undefined && { reasoning_effort: effort }), ...variables };
}

function takeModalities(fields: Fields): void {
  const modalities = fields.take("modalities", "array") ?? [];
  const other = modalities.find((modality) => modality !== "text");
  if (other !== undefined) throw fields.invalid("modalities", `must be ["text"]; it has ${JSON.stringify(other)}`);
}
