// The AI SDK's messages as the messages that chat templates take.

import type { LanguageModelV3Message, LanguageModelV3Prompt, LanguageModelV3ToolResultOutput } from "@ai-sdk/provider";
import { type ChatMessage, UnsupportedError } from "../../index.js";

/** @throws UnsupportedError for content that is neither text, reasoning, nor calls and results of tools */
export function chatMessages(prompt: LanguageModelV3Prompt): ChatMessage[] {
  return prompt.flatMap((message): ChatMessage[] => {
    switch (message.role) {
      case "system":
        return [{ role: "system", content: message.content }];
      case "tool":
        return message.content.map((part) => {
          if (part.type !== "tool-result") throw unsupported(message.role, part.type, ["tool-result"]);
          return { role: "tool", name: part.toolName, content: resultOf(part.output), tool_call_id: part.toolCallId };
        });
      default:
        return [messageOf(message)];
    }
  });
}

function messageOf(message: Extract<LanguageModelV3Message, { role: "user" | "assistant" }>): ChatMessage {
  let text = "";
  let reasoning = "";
  const calls = [];
  for (const part of message.content) {
    if (part.type === "text") text += part.text;
    else if (part.type === "reasoning") reasoning += part.text;
    else if (part.type === "tool-call") {
      const { toolCallId: id, toolName: name, input } = part;
      calls.push({ id, type: "function", function: { name, arguments: input } });
    } else throw unsupported(message.role, part.type, ["text", "reasoning", "tool-call"]);
  }
  return {
    role: message.role,
    content: text,
    // The field in which templates of reasoning models look for what was thought before.
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** What a tool gave, as a text. */
function resultOf(output: LanguageModelV3ToolResultOutput): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "The call was denied.";
    case "content":
      return output.value
        .map((part) => {
          if (part.type === "text") return part.text;
          throw unsupported("tool", part.type, ["text"]);
        })
        .join("");
  }
}

function unsupported(role: string, type: string, supported: readonly string[]): UnsupportedError {
  return new UnsupportedError(
    "UNSUPPORTED_CONTENT",
    `a message of the ${role} has content of type "${type}"; supported: ${supported.join(", ")}`,
  );
}
