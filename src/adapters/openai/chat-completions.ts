// POST /v1/chat/completions

import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionTokenLogprob,
} from "openai/resources/chat/completions";
import type { ChatCompletionOptions, GeneratedLogprob, JsonSchema, Tokenizer } from "../../index.js";
import { jsonAnswer, type Service, streamAnswer } from "./answers.js";
import { Fields, takeGenerateOptions, takeStreaming } from "./fields.js";
import { chatMessages } from "./messages.js";
import { callDeltasOf, callsOf, takeTools } from "./tools.js";
import { usageOf } from "./usage.js";

/** @throws RequestError, and what `model.generateChat` throws */
export async function chatCompletions(
  { model, name }: Service,
  fields: Fields,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const messages = chatMessages(fields.need("messages", "array"));
  const options: ChatCompletionOptions = {
    ...takeGenerateOptions(fields, ["max_completion_tokens", "max_tokens"]),
    ...takeLogprobs(fields),
    ...takeTools(fields),
    jsonSchema: takeJsonSchema(fields),
    signal,
  };
  if (options.jsonSchema !== undefined && options.tools !== undefined && options.toolChoice !== "none") {
    throw fields.invalid("response_format", 'must be text beside tools, unless tool_choice is "none"');
  }
  const { stream, includeUsage } = takeStreaming(fields);
  fields.end();

  const logprobsOf = (logprobs: readonly GeneratedLogprob[] | undefined) =>
    logprobs === undefined
      ? null
      : { content: logprobs.map((each) => logprobOf(each, model.tokenizer)), refusal: null };
  const head = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: name };

  if (!stream) {
    const { text, toolCalls, finishReason, usage, logprobs } = await model.completeChat(messages, options);
    return jsonAnswer<ChatCompletion>({
      ...head,
      object: "chat.completion",
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: toolCalls && text === "" ? null : text,
            refusal: null,
            ...(toolCalls && { tool_calls: callsOf(toolCalls) }),
          },
          finish_reason: toolCalls ? "tool_calls" : finishReason,
          logprobs: logprobsOf(logprobs),
        },
      ],
      usage: usageOf(usage),
    });
  }

  const chunk = (choices: ChatCompletionChunk.Choice[]): ChatCompletionChunk => {
    return { ...head, object: "chat.completion.chunk", choices };
  };
  let first = true;
  return streamAnswer(model.generateChat(messages, options), function* (part) {
    const { text, toolCallDeltas, logprobs, done, toolCalls } = part;
    if (first) yield chunk([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }]);
    first = false;
    if (text !== "" || toolCallDeltas !== undefined || logprobs?.length) {
      const delta = { content: text, ...(toolCallDeltas && { tool_calls: callDeltasOf(toolCallDeltas) }) };
      yield chunk([{ index: 0, delta, finish_reason: null, logprobs: logprobsOf(logprobs) }]);
    }
    if (done === undefined) return;
    const finish = toolCalls ? "tool_calls" : done.finishReason;
    // Logprobs that were asked for are there, even where there is no token.
    yield chunk([{ index: 0, delta: {}, finish_reason: finish, ...(logprobs && { logprobs: logprobsOf([]) }) }]);
    if (includeUsage) yield { ...chunk([]), usage: usageOf(done.usage) };
  });
}

function takeLogprobs(fields: Fields): Pick<ChatCompletionOptions, "logprobs" | "topLogprobs"> {
  const wanted = fields.take("logprobs", "boolean") ?? false;
  const top = fields.take("top_logprobs", "number");
  if (!wanted && top !== undefined) throw fields.invalid("top_logprobs", "needs logprobs");
  return { logprobs: wanted, topLogprobs: top };
}

/** The schema that `response_format` asks for; undefined: text. */
function takeJsonSchema(fields: Fields): JsonSchema | undefined {
  const given = fields.take("response_format", "object");
  if (given === undefined) return undefined;
  const format = new Fields(given, "response_format.");
  const type = format.need("type", "string");
  let schema: JsonSchema | undefined;
  if (type === "json_object") schema = { type: "object" };
  else if (type === "json_schema") {
    const named = new Fields(format.need("json_schema", "object"), "response_format.json_schema.");
    schema = named.need("schema", "object");
    // What the schema is called, and whether it is kept to: it always is.
    for (const label of ["name", "description"]) named.take(label, "string");
    named.take("strict", "boolean");
    named.end();
  } else if (type !== "text") {
    throw format.invalid("type", `must be one of text, json_object, json_schema; it is "${type}"`);
  }
  format.end();
  return schema;
}

function logprobOf({ top, ...token }: GeneratedLogprob, tokenizer: Tokenizer): ChatCompletionTokenLogprob {
  const one = ({ id, logprob }: { readonly id: number; readonly logprob: number }) => {
    const bytes = tokenizer.tokenBytes(id);
    return { token: new TextDecoder().decode(bytes), logprob, bytes: [...bytes] };
  };
  return { ...one(token), top_logprobs: top.map(one) };
}
