// OpenAI's messages as the messages that chat templates take.

import type { ChatMessage } from "../../index.js";
import { Fields } from "./fields.js";

/** What newer models of OpenAI call the system. */
const DEVELOPER = "developer";

/** @throws RequestError for messages of other roles, and for content that is not text */
export function chatMessages(messages: readonly unknown[]): ChatMessage[] {
  return messages.map((message, i) => {
    const fields = new Fields(message, `messages[${i}].`);
    const role = fields.need("role", "string");
    if (!["system", DEVELOPER, "user", "assistant"].includes(role)) {
      throw fields.invalid("role", `is "${role}"; supported: system, ${DEVELOPER}, user, assistant`);
    }
    const content = contentOf(fields.need("content", "string", "array"), `messages[${i}].content`);
    const name = fields.take("name", "string");
    fields.end();
    return { role: role === DEVELOPER ? "system" : role, content, ...(name !== undefined && { name }) };
  });
}

function contentOf(content: string | readonly unknown[], path: string): string {
  if (typeof content === "string") return content;
  const texts = content.map((part, i) => {
    const fields = new Fields(part, `${path}[${i}].`);
    fields.only("type", "text");
    const text = fields.need("text", "string");
    fields.end();
    return text;
  });
  return texts.join("");
}
