// Tools in conversations: what the model may call, and whether it must.

import { CriaError } from "../../errors.js";
import { type CallCount, type JsonSchema, jsonSchemaOf, type ToolSignature } from "../../grammar/index.js";
import {
  checkBoolean,
  checkChoice,
  checkJson,
  checkText,
  groupOf,
  idleOption,
  invalidOption,
  namesOf,
  readable,
} from "../../options.js";
import type { Tool } from "../tool.js";

/** A call that an answer asks for. */
export interface ToolCall {
  readonly name: string;
  /** The arguments, valid by the tool's `parameters`. */
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** A piece of a call, while the answer is written. */
export interface ToolCallDelta {
  /** The call that it belongs to: its place in the answer, from 0. */
  readonly index: number;
  /** In the first piece of a call: the tool's name. */
  readonly name?: string;
  /** More of the arguments, as JSON text. Joined over all pieces of a call, they are its arguments. */
  readonly arguments: string;
  /** In the last piece of a call: the whole of it. */
  readonly call?: ToolCall;
}

/** Whether an answer calls tools: "auto" if the model wants to, "none", "required" for at least one, or the tool of this name. */
export type ToolChoice = "auto" | "none" | "required" | { readonly name: string };

/** Which calls an answer may have. */
export interface ToolChoiceOptions {
  /** Default "auto". An answer that must call has no text. */
  readonly toolChoice?: ToolChoice;
  /** Whether an answer may have several calls. Default true. Some notations have one at most in any case. */
  readonly parallelToolCalls?: boolean;
}

/** The result of a call. */
export interface ToolResult {
  /** The tool's name. */
  readonly name: string;
  /** A text, or a value that is sent as JSON. */
  readonly content: unknown;
}

/** The tools of a conversation or of one answer. */
export interface ToolSet {
  /** What the caller gave, as JSON. */
  readonly tools: readonly Tool[];
  /** What may be called. */
  readonly signatures: readonly ToolSignature[];
  readonly count: CallCount;
  /** All tools of the conversation as templates take them, so that every answer's prompt begins alike. */
  readonly described: readonly unknown[];
}

const toolFields = namesOf<Tool>({ name: true, description: true, parameters: true });

const NO_ARGUMENTS: JsonSchema = { type: "object", additionalProperties: false };

/** @throws CriaError INVALID_OPTION */
export function toolSetOf(tools: readonly Tool[]): ToolSet {
  const given = readable("tools", tools, () => checkTools(tools));
  const signatures = given.map(({ name, parameters }) => ({ name, parameters: argumentsSchema(name, parameters) }));
  const described = given.map(({ name, description = "", parameters }) => ({
    type: "function",
    function: { name, description, parameters: shownSchema(parameters) },
  }));
  return { tools: given, signatures, count: { least: 0, most: "any" }, described };
}

/** A tool whose parameters are JSON. */
interface PlainTool extends Tool {
  readonly parameters: JsonSchema;
}

/** Copies of the tools. A field that is null is absent. */
function checkTools(tools: unknown): readonly PlainTool[] {
  if (!Array.isArray(tools) || tools.length === 0) throw invalidOption("tools", "an array of at least one tool", tools);
  const names = new Set<string>();
  return Array.from(tools, (tool: unknown, i) => {
    const { name, description, parameters } = groupOf<Record<keyof Tool, unknown>>(`tools[${i}]`, tool, toolFields);
    const known = checkText(`tools[${i}].name`, name, 1);
    if (names.has(known)) throw invalidOption(`tools[${i}].name`, "a name that no other tool has", known);
    names.add(known);
    const place = `tools[${i}].parameters`;
    const schema = jsonSchemaOf(place, (parameters ?? NO_ARGUMENTS) as JsonSchema);
    return {
      name: known,
      description: checkText(`tools[${i}].description`, description ?? ""),
      parameters: checkJson(place, schema) as JsonSchema,
    };
  });
}

/** Parameters as templates take them: many look for properties without asking whether there are any. */
function shownSchema(parameters: JsonSchema = NO_ARGUMENTS): JsonSchema {
  const words = typeof parameters === "object" && parameters !== null ? parameters : {};
  return { type: "object", properties: {}, ...words };
}

/** Arguments are an object even where the parameters do not say so, as `{}` does not. */
function argumentsSchema(name: string, parameters: JsonSchema = NO_ARGUMENTS): JsonSchema {
  if (typeof parameters !== "object" || parameters === null)
    return parameters === true ? { type: "object" } : parameters;
  const { type = "object" } = parameters;
  if ([type].flat().includes("object")) return { ...parameters, type: "object" };
  throw new CriaError(
    "INVALID_OPTION",
    `the parameters of the tool "${name}" must be of type object; they are of type ${type}`,
  );
}

/**
 * Which of a conversation's tools an answer may call.
 *
 * @throws CriaError INVALID_OPTION when there are no tools to choose from, or none of the given name
 */
export function chosenTools(tools: ToolSet | undefined, options: ToolChoiceOptions): ToolSet | undefined {
  const { toolChoice = "auto", parallelToolCalls = true } = options;
  if (tools === undefined) {
    const given = (["toolChoice", "parallelToolCalls"] as const).find((name) => options[name] !== undefined);
    if (given === undefined) return undefined;
    throw idleOption(given, "there are no tools");
  }
  const most = checkBoolean("parallelToolCalls", parallelToolCalls) ? "any" : 1;
  if (typeof toolChoice !== "object" || toolChoice === null) {
    const choice = checkChoice("toolChoice", toolChoice, ["auto", "none", "required"]);
    if (choice === "none") return { ...tools, count: { least: 0, most: 0 } };
    return { ...tools, count: { least: choice === "required" ? 1 : 0, most } };
  }
  const chosen = groupOf<{ readonly name?: unknown }>("toolChoice", toolChoice, ["name"]);
  const signatures = tools.signatures.filter(({ name }) => name === chosen.name);
  if (signatures.length > 0) return { ...tools, signatures, count: { least: 1, most } };
  const names = tools.signatures.map(({ name }) => name).join(", ");
  throw invalidOption("toolChoice.name", `one of ${names}`, chosen.name);
}
