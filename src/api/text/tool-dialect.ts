// How a chat template deals with tools: in which notation its model calls them, and in what form it takes their definitions, calls and
// results. Found out by rendering a small conversation and reading the calls back out of it.

import { TemplateError } from "../../errors.js";
import {
  type AddressedNotation,
  addressedNotations,
  callId,
  type MarkedNotation,
  markedNotations,
  type ToolNotation,
  type ToolSignature,
  writeCallParts,
  writeCalls,
} from "../../grammar/index.js";
import type { ChatMessage, ChatTemplate, PromptPart, RenderOptions } from "../../tokenizer/index.js";
import { AnswerReader } from "./answer-reader.js";
import { MessageReader } from "./message-reader.js";

/** What a template wants. */
export interface ToolDialect {
  readonly notation: ToolNotation;
  /** Where definitions go: a variable of the template, a field of the first message, or its text. */
  readonly definitions: "tools" | "xml_tools" | "functions" | "field" | "fieldText" | "text";
  readonly argumentsAs: "object" | "text";
  /** What a message says that only calls. */
  readonly empty: "" | null;
  readonly ids: "given" | "nine" | "functions";
  /** Where calls go: `tool_calls` of one message, a message for each, the message's text, or GLM 4's `metadata`. */
  readonly calls: "several" | "one" | "text" | "metadata";
  readonly resultRole: string;
}

type Calls = readonly { readonly name: string; readonly arguments: unknown }[];

const parameters = {
  type: "object",
  properties: { key_a: { type: "string", description: "A key" }, key_b: { type: "integer", description: "A key" } },
  required: ["key_a"],
} as const;
const signatures: readonly ToolSignature[] = ["probe_one", "probe_two"].map((name) => ({ name, parameters }));
const probeCalls: Calls = [
  { name: "probe_one", arguments: { key_a: "value a", key_b: 7 } },
  { name: "probe_two", arguments: { key_a: "other" } },
];
const probeTools = signatures.map(({ name, parameters }) => ({
  type: "function",
  function: { name, description: `Does ${name}`, parameters },
}));
const question: ChatMessage = { role: "user", content: "the probe asks" };
const RESULT = "what the probe gave";

const KEPT = 16;
const kept = new Map<string, Promise<ToolDialect | undefined>>();

/** The dialect of a template; undefined: it has none that is known. */
export function toolDialectOf(
  template: ChatTemplate,
  source: string,
  options: RenderOptions,
): Promise<ToolDialect | undefined> {
  // What a template writes may depend on its variables.
  const key = `${JSON.stringify(options)} ${source}`;
  const dialect = kept.get(key) ?? new Probe(template, source, options).dialect();
  kept.delete(key);
  kept.set(key, dialect); // the most recently used one goes last
  dialect.catch(() => kept.delete(key));
  for (const oldest of kept.keys()) if (kept.size > KEPT) kept.delete(oldest);
  return dialect;
}

class Probe {
  readonly #template: ChatTemplate;
  readonly #source: string;
  readonly #options: RenderOptions;

  constructor(template: ChatTemplate, source: string, options: RenderOptions) {
    this.#template = template;
    this.#source = source;
    this.#options = options;
  }

  async dialect(): Promise<ToolDialect | undefined> {
    const definitions = await this.#definitions();
    const dialect = (await this.#written(definitions)) ?? (await this.#taught(definitions));
    return dialect && { ...dialect, resultRole: await this.#resultRole(dialect) };
  }

  /** What a template shows definitions from. */
  async #definitions(): Promise<ToolDialect["definitions"]> {
    for (const definitions of ["tools", "xml_tools", "functions", "field", "fieldText"] as const) {
      const prompt = await this.#render([question], { definitions }, true);
      if (prompt?.includes(probeTools[0]!.function.name)) return definitions;
    }
    return "text";
  }

  /** The dialect of a template that writes calls as its model does. */
  async #written(definitions: ToolDialect["definitions"]): Promise<ToolDialect | undefined> {
    const prompt = (await this.#render([question], { definitions }, true)) ?? "";
    for (const calls of ["several", "one"] as const) {
      const wanted = calls === "several" ? probeCalls : probeCalls.slice(0, 1);
      for (const ids of ["given", "nine", "functions"] as const) {
        for (const argumentsAs of ["object", "text"] as const) {
          for (const empty of ["", null] as const) {
            const shape = { definitions, argumentsAs, empty, ids, calls, resultRole: "tool" } as const;
            const whole = await this.#render([question, callingMessage(wanted)], shape, false);
            if (whole === undefined) continue;
            const asked = whole.lastIndexOf(question.content as string);
            const answers = [whole.slice(commonLength(whole, prompt)), whole.slice(asked)];
            const notation = notationOf(answers, wanted);
            if (notation !== undefined) return { ...shape, notation };
          }
        }
      }
    }
    return undefined;
  }

  /** The dialect of a template that shows definitions, and leaves calls to the text of messages. */
  async #taught(definitions: ToolDialect["definitions"]): Promise<ToolDialect | undefined> {
    if (definitions === "text") return undefined;
    const notation = [...markedNotations, ...addressedNotations].find(({ taughtBy }) => taughtBy?.test(this.#source));
    if (notation === undefined) return undefined;
    const calls = notation.kind === "addressed" ? "metadata" : "text";
    return { notation, definitions, argumentsAs: "text", empty: "", ids: "given", calls, resultRole: "tool" };
  }

  /** The role in which a template shows results. */
  async #resultRole(dialect: ToolDialect): Promise<string> {
    const calls = dialect.calls === "several" ? probeCalls : probeCalls.slice(0, 1);
    const usual = dialect.calls === "metadata" ? "observation" : "tool";
    const named = ["tool_response", "observation", "ipython"].filter((role) => isNamed(this.#source, role));
    for (const resultRole of new Set([...(isNamed(this.#source, usual) ? [usual] : []), ...named, usual])) {
      const results = calls.map(({ name }, i) => {
        return { role: "tool", name, content: RESULT, tool_call_id: `call_probe_${i}` };
      });
      const prompt = await this.#render(
        [question, callingMessage(calls), ...results],
        { ...dialect, resultRole },
        true,
      );
      if (prompt?.includes(RESULT)) return resultRole;
    }
    return "user";
  }

  /** Undefined where the template refuses the conversation. */
  async #render(
    messages: readonly ChatMessage[],
    shape: Partial<ToolDialect>,
    addGenerationPrompt: boolean,
  ): Promise<string | undefined> {
    const dialect = { argumentsAs: "object", empty: "", ids: "given", calls: "several", resultRole: "tool", ...shape };
    // Before the notation is known, nothing can be said of it in a text.
    const tools = dialect.definitions === "text" ? undefined : probeTools;
    const given = inDialect(dialect as ToolDialect, messages, tools);
    try {
      const options = { ...this.#options, ...given.options, addGenerationPrompt };
      const parts = await this.#template.renderParts(given.messages, options);
      return withCallParts(parts, given.calls)
        .map(({ text }) => text)
        .join("");
    } catch (error) {
      if (error instanceof TemplateError) return undefined;
      throw error;
    }
  }
}

function callingMessage(calls: Calls): ChatMessage {
  return {
    role: "assistant",
    content: "",
    tool_calls: calls.map((call, i) => ({ id: `call_probe_${i}`, type: "function", function: call })),
  };
}

function isNamed(source: string, role: string): boolean {
  return source.includes(`'${role}'`) || source.includes(`"${role}"`);
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/**
 * The notation in which these calls can be read out of an answer.
 *
 * @param answers the answer, where it begins as the prompt ends; and with what may come before it
 */
function notationOf([answer, whole]: readonly string[], calls: Calls): ToolNotation | undefined {
  const wanted = JSON.stringify(calls);
  const isIn = (notation: ToolNotation) => {
    return [answer!, answer!.trimStart(), whole!].some((text) => {
      try {
        const reader = readerOf(notation, signatures);
        reader.push(text);
        return JSON.stringify(reader.toolCalls) === wanted;
      } catch {
        return false; // what is in the place of the arguments is not JSON
      }
    });
  };
  return [...markedNotations, ...addressedNotations].find(isIn);
}

/** The reader of answers in a notation. */
export function readerOf(notation: MarkedNotation, signatures: readonly ToolSignature[]): AnswerReader;
export function readerOf(notation: AddressedNotation, signatures: readonly ToolSignature[]): MessageReader;
export function readerOf(notation: ToolNotation, signatures: readonly ToolSignature[]): AnswerReader | MessageReader;
export function readerOf(notation: ToolNotation, signatures: readonly ToolSignature[]): AnswerReader | MessageReader {
  return notation.kind === "marked" ? new AnswerReader(notation, signatures) : new MessageReader(notation, signatures);
}

/** A message's call, in whatever form it came. */
interface GivenCall {
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown };
  readonly name?: unknown;
  readonly arguments?: unknown;
}

/** A conversation as the template takes it. */
export interface InDialect {
  readonly messages: readonly ChatMessage[];
  /** The variables for the definitions of tools. */
  readonly options: RenderOptions;
  /** Calls in the text of messages: words that stand for them there, and how they are written. */
  readonly calls: ReadonlyMap<string, readonly PromptPart[]>;
}

/** A conversation as the template takes it. */
export function inDialect(
  dialect: ToolDialect,
  messages: readonly ChatMessage[],
  tools: readonly unknown[] | undefined,
): InDialect {
  const calls = new Map<string, readonly PromptPart[]>();
  return { ...withDefinitions(dialect, withCalls(dialect, messages, calls), tools), calls };
}

/** The prompt with calls in the place of the words that stand for them. */
export function withCallParts(
  prompt: readonly PromptPart[],
  calls: ReadonlyMap<string, readonly PromptPart[]>,
): readonly PromptPart[] {
  let parts = prompt;
  for (const [word, written] of calls) {
    parts = parts.flatMap((part) => {
      const at = part.special ? -1 : part.text.indexOf(word);
      if (at < 0) return [part];
      const around = [part.text.slice(0, at), part.text.slice(at + word.length)].map((text) => ({
        text,
        special: false,
      }));
      return [around[0]!, ...written, around[1]!].filter(({ text }) => text !== "");
    });
  }
  return parts;
}

function withDefinitions(
  dialect: ToolDialect,
  written: readonly ChatMessage[],
  tools: readonly unknown[] | undefined,
): Pick<InDialect, "messages" | "options"> {
  const { definitions } = dialect;
  if (tools === undefined) return { messages: written, options: {} };
  if (definitions === "tools" || definitions === "xml_tools") {
    return { messages: written, options: { [definitions]: tools } };
  }
  const functions = tools.map((tool) => (tool as { readonly function: unknown }).function);
  if (definitions === "functions") {
    const datetime = new Date().toISOString().slice(0, 10);
    return { messages: written, options: { functions: JSON.stringify(functions, undefined, 4), datetime } };
  }
  const [first, ...others] = written[0]?.role === "system" ? written : [{ role: "system", content: "" }, ...written];
  const shown =
    definitions === "field"
      ? { ...first!, tools }
      : definitions === "fieldText"
        ? { ...first!, tools: JSON.stringify(functions) }
        : { ...first!, content: [first!.content || [], introduction(dialect.notation, functions)].flat().join("\n\n") };
  return { messages: [shown, ...others], options: {} };
}

/** Definitions for a template that has no place for them. */
function introduction(notation: ToolNotation, functions: readonly unknown[]): string {
  const example =
    notation.kind === "marked" ? writeCalls(notation, [{ name: "NAME", arguments: { ARGUMENT: "VALUE" } }]) : "";
  return `You may call these tools, which are described by JSON Schema:\n\n${functions
    .map((one) => JSON.stringify(one))
    .join("\n")}\n\nTo call one, write:\n${example}`;
}

function withCalls(
  dialect: ToolDialect,
  messages: readonly ChatMessage[],
  inText: Map<string, readonly PromptPart[]>,
): readonly ChatMessage[] {
  const { calls: place, resultRole, empty } = dialect;
  const written: ChatMessage[] = [];
  /** The calls whose results have not come yet: the ids that they have now and had before. */
  let open: { readonly id: string; readonly given: unknown; readonly name: string; readonly message?: ChatMessage }[] =
    [];
  let count = 0;
  for (const message of messages) {
    const given = Array.isArray(message["tool_calls"]) ? (message["tool_calls"] as readonly GivenCall[]) : [];
    if (message.role === "tool") {
      const id = message["tool_call_id"];
      const at =
        id === undefined
          ? 0
          : Math.max(
              0,
              open.findIndex((call) => call.given === id),
            );
      const [call] = open.splice(at, 1);
      // A call that waits for its result comes right before it.
      if (call?.message !== undefined) written.push(call.message);
      const name = message["name"] ?? call?.name;
      const { role: _, ...rest } = message;
      written.push({
        ...rest,
        role: resultRole,
        ...(name !== undefined && { name }),
        ...(call && { tool_call_id: call.id }),
      });
      continue;
    }
    for (const { message: late } of open) if (late !== undefined) written.push(late);
    open = [];
    if (given.length === 0) {
      written.push(message);
      continue;
    }
    const calls = given.map((call, i) => {
      const { name, arguments: json } = call.function ?? call;
      const id = idOf(dialect, call.id, String(name), count++, i);
      return {
        id,
        given: call.id,
        name: String(name),
        arguments: typeof json === "string" ? parsed(json) : (json ?? {}),
      };
    });
    const formed = calls.map(({ id, name, arguments: object }) => {
      const value = dialect.argumentsAs === "text" ? JSON.stringify(object) : object;
      return { id, type: "function", function: { name, arguments: value } };
    });
    const { tool_calls: _, ...whole } = message;
    const rest = withOneText(dialect, whole);
    // A template that wants null leaves the calls out where there is a text.
    const isSplit = empty === null && Boolean(rest.content) && place !== "text";
    if (isSplit) written.push(rest);
    const said = isSplit ? null : rest.content || empty;
    if (place === "text") {
      // What is in a message is never read as control tokens, but the marks around these calls are some.
      // (No randomUUID: pages that came by plain http have none.)
      const word = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");
      inText.set(word, writeCallParts(dialect.notation as MarkedNotation, calls));
      written.push({ ...rest, content: message.content ? `${message.content}\n${word}` : word });
    } else if (place === "metadata") {
      if (message.content) written.push(rest);
      for (const { name, arguments: object } of calls) {
        written.push({ role: "assistant", metadata: name, content: JSON.stringify(object) });
      }
    } else if (place === "one" && formed.length > 1) {
      written.push({ ...rest, content: said, tool_calls: formed.slice(0, 1) });
    } else written.push({ ...rest, content: said, tool_calls: formed });
    open = calls.map(({ id, given, name }, i) => {
      const late =
        place === "one" && i > 0 ? { role: "assistant", content: empty, tool_calls: [formed[i]!] } : undefined;
      return { id, given, name, ...(late && { message: late }) };
    });
  }
  for (const { message } of open) if (message !== undefined) written.push(message);
  return written;
}

/** A message that calls. Where calls are messages of their own, its text goes with its thoughts: templates of that kind take one of them. */
function withOneText({ notation }: Partial<ToolDialect>, message: ChatMessage): ChatMessage {
  const { content, thinking } = message;
  if (notation?.kind !== "addressed" || typeof thinking !== "string" || !content) return message;
  return { ...message, content: "", thinking: `${thinking}\n\n${content}` };
}

function idOf({ ids }: ToolDialect, given: unknown, name: string, count: number, i: number): string {
  if (ids === "functions") return `functions.${name}:${i}`;
  return ids === "given" && typeof given === "string" ? given : callId(count);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
