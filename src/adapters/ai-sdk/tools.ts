// Tools in the AI SDK's words: those of a call, and what an answer calls.

import type { LanguageModelV3CallOptions, LanguageModelV3ToolCall } from "@ai-sdk/provider";
import {
  type ChatCompletionOptions,
  type JsonSchema,
  type Tool,
  type ToolCall,
  UnsupportedError,
} from "../../index.js";

/** The tools that a call offers, and which of them the answer may call. @throws UnsupportedError for a provider's own tools */
export function toolOptions({
  tools,
  toolChoice,
  responseFormat,
}: LanguageModelV3CallOptions): Pick<ChatCompletionOptions, "tools" | "toolChoice"> {
  if (!Array.isArray(tools)) return { tools: (tools as unknown as readonly Tool[] | null) ?? undefined }; // what is not a list is refused
  if (tools.length === 0) return {};
  if (responseFormat?.type === "json" && toolChoice?.type !== "none") {
    throw new UnsupportedError(
      "UNSUPPORTED_RESPONSE_FORMAT",
      "the call has tools and asks for JSON; supported: one of them, or tools that may not be called",
    );
  }
  return {
    tools: tools.map(toolOf),
    toolChoice: toolChoice?.type === "tool" ? { name: toolChoice.toolName } : toolChoice?.type,
  };
}

function toolOf(tool: NonNullable<LanguageModelV3CallOptions["tools"]>[number]): Tool {
  if (tool?.type === "function") {
    const { name, description, inputSchema } = tool;
    return { name, description: description ?? undefined, parameters: (inputSchema as JsonSchema | null) ?? undefined };
  }
  throw new UnsupportedError("UNSUPPORTED_TOOLS", `the tool "${tool?.id}" is run by a provider; supported: functions`);
}

/** A call of an answer. */
export function toolCallOf({ name, arguments: input }: ToolCall, toolCallId: string): LanguageModelV3ToolCall {
  return { type: "tool-call", toolCallId, toolName: name, input: JSON.stringify(input) };
}

/** A name by which a call and its result can be told apart. */
export const newCallId = () => `call_${crypto.randomUUID()}`;
