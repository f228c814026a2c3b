// Tools in OpenAI's words: those of a request, and the calls of answers and messages.

import type { ChatCompletionChunk, ChatCompletionMessageFunctionToolCall } from "openai/resources/chat/completions";
import type { ChatCompletionOptions, JsonSchema, Tool, ToolCall, ToolCallDelta, ToolChoice } from "../../index.js";
import { Fields } from "./fields.js";

const choices = ["none", "auto", "required"] as const;

/** Takes out the tools that a request offers, and which of them the answer may call. @throws RequestError */
export function takeTools(fields: Fields): Pick<ChatCompletionOptions, "tools" | "toolChoice" | "parallelToolCalls"> {
  const tools = fields.take("tools", "array")?.map(toolOf);
  const toolChoice = toolChoiceOf(fields);
  return { tools, toolChoice, parallelToolCalls: fields.take("parallel_tool_calls", "boolean") };
}

function toolOf(given: unknown, i: number): Tool {
  const path = `tools[${i}].`;
  const tool = new Fields(given, path);
  tool.only("type", "function");
  const definition = new Fields(tool.need("function", "object"), `${path}function.`);
  tool.end();
  const name = definition.need("name", "string");
  const description = definition.take("description", "string");
  const parameters: JsonSchema | undefined = definition.take("parameters", "object");
  definition.take("strict", "boolean"); // the schema is always kept to
  definition.end();
  return { name, description, parameters };
}

function toolChoiceOf(fields: Fields): ToolChoice | undefined {
  const given = fields.take("tool_choice", "string", "object");
  if (given === undefined) return undefined;
  if (typeof given === "string") {
    const choice = choices.find((each) => each === given);
    if (choice !== undefined) return choice;
    throw fields.invalid("tool_choice", `must be one of ${choices.join(", ")}, or a function; it is "${given}"`);
  }
  const choice = new Fields(given, "tool_choice.");
  choice.only("type", "function");
  const wanted = new Fields(choice.need("function", "object"), "tool_choice.function.");
  choice.end();
  const name = wanted.need("name", "string");
  wanted.end();
  return { name };
}

/** The calls of an answer. They get names by which results can be told apart. */
export function callsOf(toolCalls: readonly ToolCall[]): ChatCompletionMessageFunctionToolCall[] {
  return toolCalls.map(({ name, arguments: given }) => {
    return { id: newId(), type: "function", function: { name, arguments: JSON.stringify(given) } };
  });
}

/** Pieces of calls, as a stream has them. */
export function callDeltasOf(deltas: readonly ToolCallDelta[]): ChatCompletionChunk.Choice.Delta.ToolCall[] {
  return deltas.map(({ index, name, arguments: more }) => {
    if (name === undefined) return { index, function: { arguments: more } };
    return { index, id: newId(), type: "function", function: { name, arguments: more } };
  });
}

const newId = () => `call_${crypto.randomUUID()}`;

/** The calls of an assistant's earlier message, as templates take them. @throws RequestError */
export function templateCallsOf(calls: readonly unknown[], path: string) {
  return calls.map((each, i) => {
    const call = new Fields(each, `${path}[${i}].`);
    const id = call.need("id", "string");
    call.only("type", "function");
    const given = new Fields(call.need("function", "object"), `${path}[${i}].function.`);
    call.end();
    const name = given.need("name", "string");
    const text = given.need("arguments", "string");
    given.take("parsed_arguments", "object"); // what OpenAI's client makes of them, and sends back with the message
    given.end();
    return { id, type: "function", function: { name, arguments: parsed(text, given) } };
  });
}

/** Arguments that are an empty text are none. */
function parsed(text: string, call: Fields): unknown {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw call.invalid("arguments", `must be JSON: ${(error as Error).message}`);
  }
}
