// LangChain's messages as the messages that chat templates take.

import { AIMessage, type BaseMessage, type MessageContent, ToolMessage } from "@langchain/core/messages";
import { type ChatMessage, UnsupportedError } from "../../index.js";

const roles: Readonly<Record<string, string>> = { human: "user", ai: "assistant", system: "system" };

/**
 * @throws UnsupportedError for messages of other types, for content that is not text, and for calls that are not valid, or results of
 * calls that there were not
 */
export function chatMessages(messages: readonly BaseMessage[]): ChatMessage[] {
  /** The tools that were called, by the calls' ids. */
  const called = new Map<string, string>();
  return messages.map((message, i) => {
    const content = textOf(message.content, `messages[${i}]`);
    if (ToolMessage.isInstance(message)) {
      const id = message.tool_call_id;
      return { role: "tool", name: message.name ?? toolCalled(id, called, i), content, tool_call_id: id };
    }
    const calls = AIMessage.isInstance(message) ? templateCallsOf(message, i) : [];
    for (const call of calls) if (call.id !== undefined) called.set(call.id, call.function.name);
    const thoughts = AIMessage.isInstance(message) ? thoughtsOf(message) : "";
    return {
      role: roleOf(message, i),
      content,
      ...(thoughts !== "" && { reasoning_content: thoughts }),
      ...(calls.length > 0 && { tool_calls: calls }),
    };
  });
}

/** What was thought before an answer: in the message's own field, or in blocks of its content. */
function thoughtsOf({ additional_kwargs: { reasoning_content: own }, content }: AIMessage): string {
  if (typeof own === "string") return own;
  if (!Array.isArray(content)) return "";
  return content.map((block) => (isThought(block) ? String(block["reasoning"]) : "")).join("");
}

function isThought(block: Exclude<MessageContent, string>[number] | undefined): boolean {
  return block?.type === "reasoning" && typeof block["reasoning"] === "string";
}

/**
 * The text of blocks of text. What is not a list of blocks stays as it is: where a conversation begins it is refused, for all callers.
 *
 * @param what whose content it is
 * @throws UnsupportedError for content that is not text
 */
export function textOf(content: MessageContent, what = "the message"): string {
  if (!Array.isArray(content)) return content;
  return content
    .map((block) => {
      if (block?.type === "text" && typeof block["text"] === "string") return block["text"];
      if (isThought(block)) return "";
      const type = typeof block?.type === "string" ? `"${block.type}"` : "none";
      throw new UnsupportedError("UNSUPPORTED_CONTENT", `${what} has content of type ${type}; supported: text`);
    })
    .join("");
}

function templateCallsOf({ tool_calls, invalid_tool_calls }: AIMessage, i: number) {
  // Arguments that are an empty text are none, though LangChain does not read them so.
  const [empty, invalid] = [true, false].map((wanted) => {
    return (invalid_tool_calls ?? []).filter(({ name, args }) => (!!name && !args?.trim()) === wanted);
  });
  if (invalid!.length > 0) {
    const names = invalid!.map(({ name }) => name).join(", ");
    throw new UnsupportedError("UNSUPPORTED_TOOLS", `messages[${i}] has invalid calls of ${names}`);
  }
  const calls = [...(tool_calls ?? []), ...empty!.map(({ id, name }) => ({ id, name: name!, args: {} }))];
  return calls.map(({ id, name, args }) => ({ id, type: "function", function: { name, arguments: args ?? {} } }));
}

function toolCalled(id: string, called: ReadonlyMap<string, string>, i: number): string {
  const name = called.get(id);
  if (name !== undefined) return name;
  throw new UnsupportedError(
    "UNSUPPORTED_CONTENT",
    `messages[${i}] has the result of the call "${id}"; no earlier message has a call with this id`,
  );
}

function roleOf(message: BaseMessage, i: number): string {
  // A ChatMessage names its role itself.
  const role = "role" in message ? String(message.role) : roles[message.type];
  if (role !== undefined) return role;
  throw new UnsupportedError(
    "UNSUPPORTED_CONTENT",
    `the type of messages[${i}] must be one of ${Object.keys(roles).join(", ")}, tool; it is "${message.type}"`,
  );
}
