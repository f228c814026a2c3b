// Tools and a schema for the answer in one request. The engine holds an answer to one of both, so the answer becomes one more tool, which
// takes what the schema describes, and the model must call one: what it gives to that tool is the text of its answer.

import type { ChatCompletionOptions, ChatMessage, GeneratedPart, Model, Tool, ToolCall } from "../../index.js";

/** `model.generateChat`, whose options may have both tools and a schema. */
export function generateAnswer(
  model: Model,
  messages: readonly ChatMessage[],
  options: ChatCompletionOptions,
): AsyncGenerator<GeneratedPart, void, undefined> {
  const { tools, jsonSchema, toolChoice = "auto", ...others } = options;
  if (tools === undefined || jsonSchema === undefined || toolChoice === "none")
    return model.generateChat(messages, options);
  // Where a call is demanded, there is no answer yet for the schema to hold for.
  if (toolChoice !== "auto") return model.generateChat(messages, { ...others, tools, toolChoice });
  const name = freeName(tools);
  const answer: Tool = { name, description: "Gives the final answer.", parameters: jsonSchema };
  const choice = { tools: [...tools, answer], toolChoice: "required", parallelToolCalls: false } as const;
  return readAnswer(model.generateChat(messages, { ...others, ...choice }), name);
}

function freeName(tools: readonly Tool[]): string {
  let name = "final_answer";
  while (tools.some((tool) => tool.name === name)) name += "_";
  return name;
}

/** The parts, in which what is given to the tool of this name is text. */
async function* readAnswer(
  parts: AsyncGenerator<GeneratedPart, void, undefined>,
  name: string,
): AsyncGenerator<GeneratedPart, void, undefined> {
  const answers = new Set<number>();
  for await (const { toolCallDeltas = [], toolCalls, ...part } of parts) {
    for (const delta of toolCallDeltas) if (delta.name === name) answers.add(delta.index);
    const text = toolCallDeltas.filter(({ index }) => answers.has(index)).map((delta) => delta.arguments);
    const deltas = toolCallDeltas.filter(({ index }) => !answers.has(index));
    const calls: readonly ToolCall[] | undefined = toolCalls?.filter((call) => call.name !== name);
    yield {
      ...part,
      text: part.text + text.join(""),
      ...(deltas.length > 0 && { toolCallDeltas: deltas }),
      ...(calls !== undefined && calls.length > 0 && { toolCalls: calls }),
    };
  }
}
