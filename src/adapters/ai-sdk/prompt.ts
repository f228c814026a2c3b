// The AI SDK's messages as the messages that chat templates take.

import type { LanguageModelV3Message, LanguageModelV3Prompt } from "@ai-sdk/provider";
import { type ChatMessage, UnsupportedError } from "../../index.js";

/** @throws UnsupportedError for content that is neither text nor reasoning */
export function chatMessages(prompt: LanguageModelV3Prompt): ChatMessage[] {
  return prompt.map((message) => {
    if (message.role === "system") return { role: "system", content: message.content };
    const { text, reasoning } = contentOf(message);
    // The field in which templates of reasoning models look for what was thought before.
    return { role: message.role, content: text, ...(reasoning !== "" && { reasoning_content: reasoning }) };
  });
}

function contentOf(message: Exclude<LanguageModelV3Message, { role: "system" }>) {
  let text = "";
  let reasoning = "";
  for (const part of message.content) {
    if (part.type === "text") text += part.text;
    else if (part.type === "reasoning") reasoning += part.text;
    else {
      throw new UnsupportedError(
        "UNSUPPORTED_CONTENT",
        `a message of the ${message.role} has content of type "${part.type}"; supported: text, reasoning`,
      );
    }
  }
  return { text, reasoning };
}
