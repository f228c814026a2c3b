// From the messages of a conversation to the prompt that the assistant is about to answer.

import { answerStart, thoughtMarksOf } from "../../grammar/index.js";
import type { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import type { ChatMessage, ChatTemplate, PromptPart } from "../../tokenizer/index.js";
import type { Thoughts } from "./grammars.js";
import { renderOptionsOf, type TemplateVariables } from "./template-variables.js";

/** What a generation goes on from. */
export interface ChatPrompt {
  readonly ids: Int32Array;
  /** The thoughts that the model may have before it answers. */
  readonly thoughts?: Thoughts | undefined;
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
 * @throws TemplateError; the signal's reason
 */
export async function chatPrompt(
  { template, source }: ChatTemplateSource,
  text: BackgroundTokenizer,
  messages: readonly ChatMessage[],
  more: {
    readonly tools?: readonly unknown[] | undefined;
    readonly variables: TemplateVariables;
    readonly signal: AbortSignal | undefined;
  },
): Promise<ChatPrompt> {
  const { tokenizer } = text;
  const { tools, variables, signal } = more;
  const spelling = (id: number | undefined) => (id === undefined ? "" : tokenizer.tokenText(id));
  const [bosToken, eosToken] = [spelling(tokenizer.bosId), spelling(tokenizer.eosId)];
  const known = messages.map((message) => withThoughts(message, source));
  const options = { ...renderOptionsOf(variables), bosToken, eosToken, tools };
  const parts = await template.promptParts(known, options, signal);
  const marks = thoughtMarksOf(source, (mark) => tokenizer.idOf(mark) !== undefined);
  const thoughts = marks && { marks, start: answerStart(marks, writtenLast(parts)) };
  return { ids: await text.encodeParts(parts, signal), thoughts };
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
