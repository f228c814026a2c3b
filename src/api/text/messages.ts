// The messages of a conversation, as callers give them: checked once, before anything is done with them, and made what chat templates
// take. It does not matter whether they come from a program, from an adapter or from a saved session.

import { checkJson, invalidOption, readable } from "../../options.js";
import type { ChatMessage } from "../../tokenizer/index.js";

/** Roles that every chat template may be given. */
const commonRoles = ["system", "user", "assistant", "tool"];

type Fields = Readonly<Record<string, unknown>>;

/**
 * Messages that are checked, and copies, so that they stay as they were checked. Contents in text parts are joined. A field that is null
 * or undefined is absent.
 *
 * @param template the model's chat template, which may name more roles
 * @throws CriaError INVALID_OPTION with the index of the message that is to blame
 */
export function checkMessages(messages: unknown, template: string): readonly ChatMessage[] {
  const list = checkJson("messages", messages);
  if (!Array.isArray(list)) throw invalidOption("messages", "an array of messages", messages);
  return list.map((message, i) => checkMessage(`messages[${i}]`, message, template));
}

function checkMessage(name: string, message: unknown, template: string): ChatMessage {
  if (!isObject(message)) throw invalidOption(name, "a message { role, content }", message);
  const given = Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null));
  const { role, content, tool_calls: calls = [], ...others } = given;
  if (typeof role !== "string" || !(commonRoles.includes(role) || isNamedIn(template, role))) {
    throw invalidOption(
      `${name}.role`,
      `one of ${commonRoles.join(", ")}, or a role that the chat template names`,
      role,
    );
  }
  if (!Array.isArray(calls)) throw invalidOption(`${name}.tool_calls`, "an array of calls", calls);
  // Of what is called nothing needs to be said.
  const isSaid = calls.length === 0 || !(content === undefined || (Array.isArray(content) && content.length === 0));
  return {
    role,
    content: isSaid ? checkContent(`${name}.content`, content) : "",
    ...others,
    ...(calls.length > 0 && { tool_calls: calls.map((call, i) => checkCall(`${name}.tool_calls[${i}]`, call)) }),
  };
}

/** Whether a template has the role as a string, and so may know what to do with it. */
function isNamedIn(template: string, role: string): boolean {
  return /^\w+$/.test(role) && (template.includes(`'${role}'`) || template.includes(`"${role}"`));
}

/** A text, or parts that are texts. */
function checkContent(name: string, content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content) || content.length === 0) {
    throw invalidOption(name, 'a string or an array of at least one part { type: "text", text }', content);
  }
  const texts = content.map((part, i) => {
    if (!isObject(part)) throw invalidOption(`${name}[${i}]`, 'a part { type: "text", text }', part);
    const { type = "text", text, ...others } = part;
    if (type !== "text") throw invalidOption(`${name}[${i}].type`, '"text"', type);
    if (typeof text !== "string") throw invalidOption(`${name}[${i}].text`, "a string", text);
    const unknown = Object.keys(others).find((field) => others[field] !== null);
    if (unknown !== undefined) throw invalidOption(`${name}[${i}].${unknown}`, "absent", others[unknown]);
    return text;
  });
  return texts.join("");
}

/** A call of a tool. Arguments that are an empty text are none: some models and clients write them so. */
function checkCall(name: string, call: unknown): Fields {
  if (!isObject(call)) throw invalidOption(name, "a call { type, function: { name, arguments } }", call);
  const called = isObject(call["function"]) ? call["function"] : undefined;
  if (called === undefined) return withArguments(call);
  return { ...call, function: withArguments(called) };
}

function withArguments(call: Fields): Fields {
  const { arguments: given } = call;
  return typeof given === "string" && given.trim() === "" ? { ...call, arguments: {} } : call;
}

/** What tools gave, as texts. @throws CriaError INVALID_OPTION with the index of the result that is to blame */
export function toolMessages(results: unknown): readonly ChatMessage[] {
  return readable("results", results, () => {
    if (!Array.isArray(results)) throw invalidOption("results", "an array of results", results);
    return Array.from(results, (result: unknown, i) => {
      if (!isObject(result)) throw invalidOption(`results[${i}]`, "a result { name, content }", result);
      const { name, content } = result;
      if (typeof name !== "string") throw invalidOption(`results[${i}].name`, "a string", name);
      return { role: "tool", name, content: textOf(`results[${i}].content`, content) };
    });
  });
}

/** A text, or the JSON of another value. */
function textOf(name: string, content: unknown): string {
  if (typeof content === "string") return content;
  let json: string | undefined;
  try {
    json = JSON.stringify(content);
  } catch {
    // What it throws is its own, and says nothing of a result.
  }
  if (json === undefined) throw invalidOption(name, "a string or a value of JSON", content);
  return json;
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
