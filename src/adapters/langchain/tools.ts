// Tools in LangChain's words: those of a call, and what an answer calls.

import type { BindToolsInput } from "@langchain/core/language_models/chat_models";
import type { ToolCall as MessageToolCall, ToolCallChunk } from "@langchain/core/messages/tool";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { type Tool, type ToolCall, type ToolCallDelta, type ToolChoice, UnsupportedError } from "../../index.js";

/** A tool as LangChain takes them: its own, with a schema of zod or JSON Schema, or OpenAI's form. @throws UnsupportedError for other kinds */
export function toolOf(given: BindToolsInput, i: number): Tool {
  const { type, function: definition } = converted(given, i) ?? {};
  if (type !== "function" || typeof definition !== "object" || definition === null) {
    throw new UnsupportedError("UNSUPPORTED_TOOLS", `the type of tools[${i}] must be function; it is "${type}"`);
  }
  const { name, description, parameters } = definition;
  return { name, description: description ?? undefined, parameters: parameters ?? undefined };
}

function converted(given: BindToolsInput, i: number): Partial<ReturnType<typeof convertToOpenAITool>> | undefined {
  try {
    return convertToOpenAITool(given);
  } catch (cause) {
    throw new UnsupportedError("UNSUPPORTED_TOOLS", `tools[${i}] is not a tool that LangChain can describe`, { cause });
  }
}

/** `tool_choice`: LangChain's words, a tool's name, or OpenAI's form. "any" is what others call "required". */
export function toolChoiceOf(given: string | Record<string, unknown>): ToolChoice {
  if (given === "any") return "required";
  if (given === "auto" || given === "none" || given === "required") return given;
  const named = typeof given === "string" ? { name: given } : given?.["function"];
  if (typeof named === "object" && named !== null && "name" in named && typeof named.name === "string") {
    return { name: named.name };
  }
  throw new UnsupportedError(
    "UNSUPPORTED_TOOLS",
    `tool_choice must be auto, any, none, required, a tool's name, or { type: "function", function: { name } }`,
  );
}

/** The calls of an answer. */
export function messageCallsOf(calls: readonly ToolCall[]): MessageToolCall[] {
  return calls.map(({ name, arguments: args }) => ({ type: "tool_call", id: newId(), name, args: { ...args } }));
}

/** Pieces of calls, as a stream has them. */
export function callChunksOf(deltas: readonly ToolCallDelta[]): ToolCallChunk[] {
  return deltas.map(({ index, name, arguments: args }) => {
    return { type: "tool_call_chunk", index, args, ...(name !== undefined && { name, id: newId() }) };
  });
}

const newId = () => `call_${crypto.randomUUID()}`;
