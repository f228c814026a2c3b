// LangChain's messages as the messages that chat templates take.

import { AIMessage, type BaseMessage, type MessageContent } from "@langchain/core/messages";
import { type ChatMessage, UnsupportedError } from "../../index.js";

const roles: Readonly<Record<string, string>> = { human: "user", ai: "assistant", system: "system" };

/** @throws UnsupportedError for messages of other types, and for content that is not text */
export function chatMessages(messages: readonly BaseMessage[]): ChatMessage[] {
  return messages.map((message) => ({ role: roleOf(message), content: textOf(message.content) }));
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

function roleOf(message: BaseMessage): string {
  if (AIMessage.isInstance(message) && (message.tool_calls?.length ?? 0) > 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_TOOLS",
      "a message of the assistant has tool calls, which are not supported",
    );
  }
  // A ChatMessage names its role itself.
  const role = "role" in message ? String(message.role) : roles[message.type];
  if (role !== undefined) return role;
  throw new UnsupportedError(
    "UNSUPPORTED_CONTENT",
    `a message is of type "${message.type}"; supported: ${Object.keys(roles).join(", ")}`,
  );
}
