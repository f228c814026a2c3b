// Tools in conversations: what the model may call, how its template writes calls, and what an answer calls.

import { CriaError, UnsupportedError } from "../errors.js";
import {
  argumentsKey,
  CALL_BEGIN,
  CALL_END,
  type JsonSchema,
  type ToolNotation,
  type ToolSignature,
} from "../grammar/index.js";
import { checkNames } from "./options.js";

/** A function that the model may ask you to call. */
export interface Tool {
  readonly name: string;
  /** What it does, for the model. */
  readonly description?: string;
  /** JSON Schema of its arguments, an object. Default: it takes none. */
  readonly parameters?: JsonSchema;
}

/** A call that an answer asks for. */
export interface ToolCall {
  readonly name: string;
  /** Valid by the tool's `parameters`. */
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** What a call gave. */
export interface ToolResult {
  /** The tool's name. */
  readonly name: string;
  /** A text, or what becomes one as JSON. */
  readonly content: unknown;
}

/** The tools of a conversation, in its template's notation. */
export interface ToolSet {
  readonly notation: ToolNotation;
  readonly signatures: readonly ToolSignature[];
  /** As templates take them. */
  readonly described: readonly unknown[];
}

const NO_ARGUMENTS: JsonSchema = { type: "object", additionalProperties: false };

/** @throws CriaError INVALID_OPTION; UnsupportedError UNSUPPORTED_TOOLS when the template has no notation for calls that is known */
export function toolSetOf(tools: readonly Tool[], template: string): ToolSet {
  const names = new Set<string>();
  for (const tool of tools) {
    checkNames("a tool", tool, ["name", "description", "parameters"]);
    if (typeof tool.name !== "string" || tool.name === "" || names.has(tool.name)) {
      throw new CriaError("INVALID_OPTION", `tools need names of their own; ${JSON.stringify(tool.name)} is none`);
    }
    names.add(tool.name);
  }
  if (names.size === 0) throw new CriaError("INVALID_OPTION", "tools is empty: leave it out");
  const signatures = tools.map(({ name, parameters = NO_ARGUMENTS }) => ({ name, parameters }));
  const described = tools.map(({ name, description = "", parameters = NO_ARGUMENTS }) => ({
    type: "function",
    function: { name, description, parameters },
  }));
  return { notation: notationOf(template), signatures, described };
}

/** What the template teaches the model, by the words in which it does. */
function notationOf(template: string): ToolNotation {
  if (template.includes(CALL_BEGIN) && !template.includes("<function=")) return "hermes";
  if (template.includes('"parameters": ') && template.includes("ipython")) return "llama3";
  throw new UnsupportedError(
    "UNSUPPORTED_TOOLS",
    "the model's chat template has no notation for tools that is known; supported are Hermes' and Qwen's <tool_call>, and Llama 3's JSON",
  );
}

/** What an answer says, and what it calls. A call that a stop string has cut is text. */
export function readAnswer(answer: string, notation: ToolNotation): { content: string; toolCalls: ToolCall[] } {
  if (notation === "llama3") {
    const call = answer.startsWith("{") ? readCall(answer, notation) : undefined;
    return call === undefined ? { content: answer, toolCalls: [] } : { content: "", toolCalls: [call] };
  }
  const begin = answer.indexOf(CALL_BEGIN);
  if (begin < 0) return { content: answer, toolCalls: [] };
  const toolCalls: ToolCall[] = [];
  let from = begin + CALL_BEGIN.length;
  // A string among the arguments may hold what ends a call: the first end at which there is JSON is the one.
  for (let end = answer.indexOf(CALL_END, from); end >= 0; end = answer.indexOf(CALL_END, end + 1)) {
    const call = readCall(answer.slice(from, end), notation);
    if (call === undefined) continue;
    toolCalls.push(call);
    const next = answer.indexOf(CALL_BEGIN, end);
    if (next < 0) break;
    from = next + CALL_BEGIN.length;
    end = next;
  }
  return { content: toolCalls.length > 0 ? answer.slice(0, begin).trimEnd() : answer, toolCalls };
}

function readCall(text: string, notation: ToolNotation): ToolCall | undefined {
  try {
    const { name, [argumentsKey[notation]]: given } = JSON.parse(text);
    return { name, arguments: given };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
