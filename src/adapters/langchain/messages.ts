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
  return messages.map((message) => {
    const content = textOf(message.content);
    if (ToolMessage.isInstance(message)) {
      const id = message.tool_call_id;
      return { role: "tool", name: message.name ?? toolCalled(id, called), content, tool_call_id: id };
    }
    const calls = AIMessage.isInstance(message) ? templateCallsOf(message) : [];
    for (const call of calls) if (call.id !== undefined) called.set(call.id, call.function.name);
    return { role: roleOf(message), content, ...(calls.length > 0 && { tool_calls: calls }) };
  });
}

/** @throws UnsupportedError for content that is not text */
export function textOf(content: MessageContent): string {
  if (typeof content === "string") return content;
  return content
    .map((block) => {
      if (block.type === "text" && typeof block["text"] === "string") return block["text"];
      throw new UnsupportedError(
        "UNSUPPORTED_CONTENT",
        `a message has content of type "${block.type}"; supported: text`,
      );
    })
    .join("");
}

function templateCallsOf({ tool_calls = [], invalid_tool_calls = [] }: AIMessage) {
  if (invalid_tool_calls.length > 0) {
    const names = invalid_tool_calls.map(({ name }) => name).join(", ");
    throw new UnsupportedError("UNSUPPORTED_TOOLS", `a message of the assistant has invalid calls of ${names}`);
  }
  return tool_calls.map(({ id, name, args }) => ({ id, type: "function", function: { name, arguments: args } }));
}

function toolCalled(id: string, called: ReadonlyMap<string, string>): string {
  const name = called.get(id);
  if (name !== undefined) return name;
  throw new UnsupportedError(
    "UNSUPPORTED_CONTENT",
    `a message has the result of the call "${id}"; no earlier message has a call with this id`,
  );
}

function roleOf(message: BaseMessage): string {
  // A ChatMessage names its role itself.
  const role = "role" in message ? String(message.role) : roles[message.type];
  if (role !== undefined) return role;
  throw new UnsupportedError(
    "UNSUPPORTED_CONTENT",
    `a message's type must be one of ${Object.keys(roles).join(", ")}, tool; it is "${message.type}"`,
  );
}
