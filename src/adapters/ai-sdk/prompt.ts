// The AI SDK's messages as the messages that chat templates take.

import type { LanguageModelV3Message, LanguageModelV3Prompt, LanguageModelV3ToolResultOutput } from "@ai-sdk/provider";
import { type ChatMessage, UnsupportedError } from "../../index.js";

type Content = NonNullable<ChatMessage["content"]>;

/**
 * What is not a text where it should be one is refused, for all callers, where a conversation begins.
 *
 * @throws UnsupportedError for content that is neither text, reasoning, nor calls and results of tools
 */
export function chatMessages(prompt: LanguageModelV3Prompt): ChatMessage[] {
  return prompt.flatMap((message, i): ChatMessage[] => {
    // The content of a system's message is a text, and so is that of a message that the SDK has not made.
    if (message?.role === "system" || !Array.isArray(message?.content)) {
      return [{ role: message?.role, content: message?.content as Content }];
    }
    if (message.role !== "tool") return [messageOf(message, i)];
    return message.content.map((part) => {
      if (part?.type !== "tool-result") throw unsupported(i, part, ["tool-result"]);
      return { role: "tool", name: part.toolName, content: resultOf(part.output, i), tool_call_id: part.toolCallId };
    });
  });
}

function messageOf(message: Extract<LanguageModelV3Message, { role: "user" | "assistant" }>, i: number): ChatMessage {
  const texts: { readonly type: "text"; readonly text: string }[] = [];
  let reasoning = "";
  const calls = [];
  for (const part of message.content) {
    if (part?.type === "text") texts.push({ type: "text", text: part.text });
    else if (part?.type === "reasoning") reasoning += part.text;
    else if (part?.type === "tool-call") {
      const { toolCallId: id, toolName: name, input } = part;
      calls.push({ id, type: "function", function: { name, arguments: input ?? {} } });
    } else throw unsupported(i, part, ["text", "reasoning", "tool-call"]);
  }
  return {
    role: message.role,
    content: texts.length > 0 ? texts : "",
    // The field in which templates of reasoning models look for what was thought before.
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** What a tool gave, as a text. */
function resultOf(output: LanguageModelV3ToolResultOutput | undefined, i: number): Content {
  switch (output?.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return jsonOf(output.value);
    case "execution-denied":
      return output.reason ?? "The call was denied.";
    case "content":
      return output.value.map((part) => {
        if (part?.type === "text") return { type: "text", text: part.text };
        throw unsupported(i, part, ["text"]);
      });
    default:
      throw unsupported(i, output, ["text", "json", "error-text", "error-json", "execution-denied", "content"]);
  }
}

/** Of what is not JSON nothing is left, which is refused. */
function jsonOf(value: unknown): Content {
  try {
    return JSON.stringify(value);
  } catch {
    return value as Content;
  }
}

function unsupported(i: number, part: { readonly type: string } | undefined, supported: readonly string[]) {
  const type = typeof part?.type === "string" ? `"${part.type}"` : "none";
  return new UnsupportedError(
    "UNSUPPORTED_CONTENT",
    `messages[${i}] has content of type ${type}; supported: ${supported.join(", ")}`,
  );
}
