// A chat as a request to /v1/chat/completions.

import type { Chat } from "./chats.js";

/** A field of requests that the settings have a place for. */
export interface SamplingField {
  readonly name: string;
  readonly label: string;
  /** undefined: a text. */
  readonly number?: { readonly min?: number; readonly max?: number; readonly step: number };
  /** What may be chosen, beside the default. */
  readonly choices?: readonly string[];
  readonly hint?: string;
}

export const samplingFields: readonly SamplingField[] = [
  { name: "temperature", label: "Temperature", number: { min: 0, max: 5, step: 0.1 } },
  { name: "top_p", label: "Top-p", number: { min: 0, max: 1, step: 0.01 } },
  { name: "top_k", label: "Top-k", number: { min: 0, step: 1 } },
  { name: "min_p", label: "Min-p", number: { min: 0, max: 1, step: 0.01 } },
  { name: "repeat_penalty", label: "Repeat penalty", number: { min: 0, step: 0.05 } },
  { name: "presence_penalty", label: "Presence penalty", number: { min: -2, max: 2, step: 0.1 } },
  { name: "frequency_penalty", label: "Frequency penalty", number: { min: -2, max: 2, step: 0.1 } },
  { name: "max_tokens", label: "Most tokens", number: { min: 1, step: 1 } },
  { name: "seed", label: "Seed", number: { min: 0, step: 1 } },
  { name: "thinking", label: "Thoughts", choices: ["on", "off"] },
  { name: "reasoning_effort", label: "Effort", choices: ["low", "medium", "high"] },
  { name: "stop", label: "Stop at", hint: "Several texts as a JSON array" },
];

/** What cannot be sent, and the setting that it is about. */
export class SettingError extends Error {
  readonly setting: string;

  constructor(setting: string, message: string) {
    super(message);
    this.setting = setting;
  }
}

/** The body of a request for the next answer. @throws SettingError */
export function requestOf({ settings, messages }: Chat, model: string): Record<string, unknown> {
  const system = settings.system.trim() === "" ? [] : [{ role: "system", content: settings.system }];
  const said = messages.map(({ role, content, reasoning, tool_calls, tool_call_id }) => ({
    ...{ role, content },
    ...(role === "assistant" && reasoning !== undefined && { reasoning_content: reasoning }),
    ...(tool_calls !== undefined && { tool_calls }),
    ...(tool_call_id !== undefined && { tool_call_id }),
  }));
  return {
    ...{ model, messages: [...system, ...said] },
    ...{ stream: true, stream_options: { include_usage: true }, return_progress: true, timings_per_token: true },
    ...samplingOf(settings.sampling),
    ...(settings.schemaOn && { response_format: { type: "json_schema", json_schema: namedSchema(settings.schema) } }),
    ...(settings.toolsOn && { tools: toolsOf(settings.tools), tool_choice: settings.toolChoice }),
  };
}

function samplingOf(sampling: Readonly<Record<string, string>>): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const { name, label, number } of samplingFields) {
    const text = sampling[name]?.trim() ?? "";
    if (text === "") continue;
    if (name === "thinking") {
      fields["chat_template_kwargs"] = { enable_thinking: text === "on" };
    } else if (name === "stop") {
      fields[name] = text.startsWith("[") ? parsed(name, label, text) : text;
    } else if (number !== undefined) {
      const value = Number(text);
      if (Number.isNaN(value)) throw new SettingError(name, `${label} must be a number`);
      fields[name] = value;
    } else {
      fields[name] = text;
    }
  }
  return fields;
}

function namedSchema(text: string): object {
  const schema = parsed("schema", "The JSON schema", text);
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new SettingError("schema", "The JSON schema must be an object");
  }
  return { name: "answer", schema };
}

/** Definitions as OpenAI's API has them; bare functions, `{ name, parameters }`, also count. */
function toolsOf(text: string): readonly object[] {
  const tools = parsed("tools", "The tools", text);
  if (!Array.isArray(tools) || tools.length === 0) {
    throw new SettingError("tools", "The tools must be an array with at least one definition");
  }
  return tools.map((tool: object) =>
    "name" in tool && !("function" in tool) ? { type: "function", function: tool } : tool,
  );
}

function parsed(setting: string, what: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SettingError(setting, `${what} must be JSON: ${(error as Error).message}`);
  }
}
