// Tools in OpenAI's words: those of a request, and the calls of answers and messages.

import type { ChatCompletionChunk, ChatCompletionMessageFunctionToolCall } from "openai/resources/chat/completions";
import type { ChatCompletionOptions, JsonSchema, Tool, ToolCall, ToolCallDelta, ToolChoice } from "../../index.js";
import type { Fields } from "./fields.js";

const choices = ["none", "auto", "required"] as const;

type ToolOptions = Pick<ChatCompletionOptions, "tools" | "toolChoice" | "parallelToolCalls">;

/** Takes out the tools that a request offers, and which of them the answer may call. @throws RequestError */
export function takeTools(fields: Fields): ToolOptions {
  const tools = fields.takeEach("tools", (tool) => {
    tool.only("type", "function");
    const definition = tool.needFields("function");
    tool.end();
    return toolOf(definition);
  });
  const choice = toolChoiceOf(fields, (given) => {
    given.only("type", "function");
    const wanted = given.needFields("function");
    given.end();
    return wanted;
  });
  return toolOptions(fields, tools, choice);
}

/** What is said of tools, where there are any. */
export function toolOptions(
  fields: Fields,
  tools: Tool[] | undefined,
  toolChoice: ToolChoice | undefined,
): ToolOptions {
  const parallelToolCalls = fields.take("parallel_tool_calls", "boolean");
  const { fieldOf } = fields.notes;
  fieldOf.set("tools", "tools").set("toolChoice", "tool_choice").set("parallelToolCalls", "parallel_tool_calls");
  if (tools !== undefined && tools.length > 0) return { tools, toolChoice, parallelToolCalls };
  // Without tools there is nothing to call: that is so anyway, unless a call is demanded.
  return toolChoice === "none" || toolChoice === "auto" ? {} : { toolChoice };
}

/** A function that may be called, and reads what is said of it. */
export function toolOf(definition: Fields): Tool {
  const name = definition.need("name", "string");
  const description = definition.take("description", "string");
  const parameters: JsonSchema | undefined = definition.take("parameters", "object");
  definition.drop("strict"); // the schema is always kept to
  definition.end();
  return { name, description, parameters };
}

/** Takes out `tool_choice`. `functionOf`: where an object has the name of the function */
export function toolChoiceOf(fields: Fields, functionOf: (choice: Fields) => Fields): ToolChoice | undefined {
  const given = fields.take("tool_choice", "string", "object");
  if (given === undefined) return undefined;
  if (typeof given === "string") {
    const choice = choices.find((each) => each === given);
    if (choice !== undefined) return choice;
    throw fields.invalid("tool_choice", `must be one of ${choices.join(", ")}, or a function; it is "${given}"`);
  }
  const wanted = functionOf(fields.inner(given, "tool_choice."));
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

export const newId = () => `call_${crypto.randomUUID()}`;

/** Takes out the calls of an assistant's earlier message, as templates take them. @throws RequestError */
export function takeTemplateCalls(message: Fields): TemplateCall[] {
  const calls = message.takeEach("tool_calls", (call) => {
    const id = call.need("id", "string");
    call.only("type", "function");
    const given = call.needFields("function");
    call.drop("index"); // of who put the call together from a stream
    call.end();
    given.drop("parsed_arguments"); // what OpenAI's client makes of them, and sends back with the message
    const templateCall = templateCallOf(id, given);
    given.end();
    return templateCall;
  });
  return calls ?? [];
}

/** A call as templates take it. */
export interface TemplateCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: unknown };
}

/** A call, from what has its name and its arguments as a text. @throws RequestError */
export function templateCallOf(id: string, given: Fields): TemplateCall {
  const name = given.need("name", "string");
  const text = given.need("arguments", "string");
  return { id, type: "function", function: { name, arguments: parsed(text, given) } };
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
