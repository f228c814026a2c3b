// OpenAI's messages as the messages that chat templates take.

import type { ChatMessage } from "../../index.js";
import type { Fields } from "./fields.js";
import { takeTemplateCalls } from "./tools.js";

/** What newer models of OpenAI call the system. */
const DEVELOPER = "developer";
const roles = ["system", DEVELOPER, "user", "assistant", "tool"];

/**
 * Takes out `messages`.
 *
 * @throws RequestError for messages of other roles, for content that is not text, and for results of calls that there were not
 */
export function chatMessages(request: Fields): ChatMessage[] {
  request.notes.fieldOf.set("prompt", "messages");
  /** The tools that were called, by the calls' ids. */
  const called = new Map<string, string>();
  const messages = request.takeEach("messages", (fields): ChatMessage => {
    const role = fields.need("role", "string");
    if (!roles.includes(role)) throw fields.invalid("role", `must be one of ${roles.join(", ")}; it is "${role}"`);
    if (role === "tool") return toolMessage(fields, called);
    if (role === "assistant") return assistantMessage(fields, called);
    const content = takeContent(fields, TEXT_PARTS) ?? fields.need("content", "string");
    return ended(fields, { role: role === DEVELOPER ? "system" : role, content });
  });
  if (messages !== undefined) return messages;
  throw request.missing("messages");
}

function toolMessage(fields: Fields, called: ReadonlyMap<string, string>): ChatMessage {
  const id = fields.need("tool_call_id", "string");
  const name = called.get(id);
  if (name === undefined) {
    throw fields.invalid("tool_call_id", `must be the id of a call in an earlier message; it is "${id}"`);
  }
  const content = takeContent(fields, TEXT_PARTS) ?? fields.need("content", "string");
  fields.drop("name");
  fields.end();
  return { role: "tool", name, content, tool_call_id: id } as ChatMessage;
}

function assistantMessage(fields: Fields, called: Map<string, string>): ChatMessage {
  const calls = takeTemplateCalls(fields);
  for (const call of calls) called.set(call.id, call.function.name);
  // What is said is empty where the answer was a refusal, and where it only calls.
  const content = takeContent(fields, ANSWER_PARTS);
  const refusal = fields.take("refusal", "string");
  const said = content ?? refusal ?? (calls.length > 0 ? "" : fields.need("content", "string"));
  const reasoning = [fields.take("reasoning_content", "string"), fields.take("reasoning", "string")].find(Boolean);
  fields.refuse("audio", "function_call");
  fields.drop("annotations", "parsed");
  return ended(fields, {
    role: "assistant",
    content: said,
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  });
}

/** The message, with the name of who says it. */
function ended(fields: Fields, message: ChatMessage): ChatMessage {
  const name = fields.take("name", "string");
  fields.end();
  return name === undefined ? message : { ...message, name };
}

/** The kinds of parts that are text, and the fields that have it. */
export type TextParts = Readonly<Record<string, string>>;
const TEXT_PARTS: TextParts = { text: "text" };
const ANSWER_PARTS: TextParts = { text: "text", refusal: "refusal" };

/** Takes out `content`: a text, or parts that are texts. @throws RequestError for parts of other kinds */
export function takeContent(fields: Fields, kinds: TextParts): NonNullable<ChatMessage["content"]> | undefined {
  const given = fields.take("content", "string", "array");
  if (given === undefined || typeof given === "string") return given;
  return textParts(fields, "content", given, kinds).map((text) => ({ type: "text", text }));
}

/** The texts of parts. */
export function textParts(fields: Fields, field: string, parts: readonly unknown[], kinds: TextParts): string[] {
  if (parts.length === 0) throw fields.invalid(field, "must not be empty");
  return parts.map((given, i) => {
    const part = fields.inner(given, `${field}[${i}].`);
    const type = part.need("type", "string");
    const holder = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
    if (holder === undefined) {
      throw part.invalid("type", `must be one of ${Object.keys(kinds).join(", ")}; it is "${type}"`);
    }
    const text = part.need(holder, "string");
    part.drop("annotations", "logprobs", "cache_control", "role");
    part.end();
    return text;
  });
}
