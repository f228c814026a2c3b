// From the messages of a conversation to the prompt that the assistant is about to answer.

import { abortable } from "../../abort.js";
import { UnsupportedError } from "../../errors.js";
import { addressedNotations, answerStart, type ToolNotation, thoughtMarksOf } from "../../grammar/index.js";
import type { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import type { ChatMessage, ChatTemplate, PromptPart } from "../../tokenizer/index.js";
import type { AnswerForm } from "./grammars.js";
import { renderOptionsOf, type TemplateVariables } from "./template-variables.js";
import { inDialect, toolDialectOf, withCallParts } from "./tool-dialect.js";
import type { ToolSet } from "./tools.js";

/** What a generation goes on from. */
export interface ChatPrompt {
  readonly ids: Int32Array;
  /** What the answer may be. */
  readonly form?: AnswerForm;
}

/** The model's chat template. */
export interface ChatTemplateSource {
  readonly template: ChatTemplate;
  /** `tokenizer.chat_template` */
  readonly source: string;
}

/** In which fields of a message templates look for what was thought before. */
const thoughtFields = ["reasoning_content", "thinking", "reasoning", "tool_plan"];

/**
 * The prompt of a conversation. Only what the template itself wrote can become control tokens.
 *
 * @throws UnsupportedError UNSUPPORTED_TOOLS when the template has no known notation for calls; TemplateError; the signal's reason
 */
export async function chatPrompt(
  { template, source }: ChatTemplateSource,
  text: BackgroundTokenizer,
  messages: readonly ChatMessage[],
  more: {
    readonly tools: ToolSet | undefined;
    readonly variables: TemplateVariables;
    readonly signal: AbortSignal | undefined;
  },
): Promise<ChatPrompt> {
  const { tokenizer } = text;
  const { variables, signal } = more;
  const spelling = (id: number | undefined) => (id === undefined ? "" : tokenizer.tokenText(id));
  const [bosToken, eosToken] = [spelling(tokenizer.bosId), spelling(tokenizer.eosId)];
  const options = { ...renderOptionsOf(variables), bosToken, eosToken };
  const hasCalls = messages.some(({ role, tool_calls }) => role === "tool" || tool_calls !== undefined);
  const isAsked = more.tools !== undefined || hasCalls;
  const dialect = isAsked ? await abortable(toolDialectOf(template, source, options), signal) : undefined;
  if (dialect === undefined && more.tools !== undefined && more.tools.count.most !== 0) throw unknownNotation();
  const tools = dialect && more.tools;

  const known = messages.map((message) => withThoughts(message, source));
  const given = dialect && inDialect(dialect, known, tools?.described);
  const rendered = await template.promptParts(given?.messages ?? known, { ...options, ...given?.options }, signal);
  const parts = given ? withCallParts(rendered, given.calls) : rendered;
  const form = {
    ...formOf(source, parts, dialect?.notation, (mark) => tokenizer.idOf(mark) !== undefined),
    ...(tools && { calls: { tools, notation: dialect.notation } }),
  };
  return { ids: await text.encodeParts(parts, signal), form };
}

/** Of what an answer consists, by the template and what it wrote last in the prompt. */
function formOf(
  source: string,
  prompt: readonly PromptPart[],
  notation: ToolNotation | undefined,
  hasToken: (text: string) => boolean,
): AnswerForm {
  const last = writtenLast(prompt);
  const messages =
    notation?.kind === "addressed" ? notation : addressedNotations.find(({ isShown }) => isShown(source, last));
  if (messages !== undefined) return { messages };
  const marks = thoughtMarksOf(source, hasToken);
  if (marks === undefined) return {};
  if (marks.asPromptTells && !prompt.some(({ text, special }) => special && text.includes(marks.begin))) return {};
  return { thoughts: { marks, start: answerStart(marks, last) } };
}

function unknownNotation(): UnsupportedError {
  return new UnsupportedError(
    "UNSUPPORTED_TOOLS",
    "the model's chat template has no known notation for tools: it shows none, or calls of another form than those in docs/structured-output.md",
  );
}

/** The message with its thoughts in the fields that the template names. Where it names none, it has no place for them. */
function withThoughts(message: ChatMessage, source: string): ChatMessage {
  const thoughts = thoughtFields.map((field) => message[field]).find((value) => typeof value === "string");
  if (thoughts === undefined) return message;
  const named = thoughtFields.filter((field) => new RegExp(`\\.${field}\\b|['"]${field}['"]`).test(source));
  return { ...message, ...Object.fromEntries(named.map((field) => [field, message[field] ?? thoughts])) };
}

/** What the template wrote after all that was said. */
function writtenLast(parts: readonly PromptPart[]): string {
  const said = parts.findLastIndex(({ special }) => !special);
  return parts
    .slice(said + 1)
    .map(({ text }) => text)
    .join("");
}
