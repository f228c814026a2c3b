// Chat templates: the Jinja programs in model files that turn a conversation into the text of a prompt. They come with a file that
// somebody else made, so they run in a worker, with limits on size, time and memory.

import { TemplateError } from "../errors.js";
import { checkBoolean, checkFolderUrl, checkText, invalidOption, namesOf, optionsOf, readable } from "../options.js";
import { MarkedString } from "./jinja/marked-string.js";
import { localTime } from "./jinja/strftime.js";
import type { Rendered } from "./text-jobs.js";
import { type TextThread, textThread } from "./text-thread.js";
import type { PromptPart } from "./tokenizer.js";

/** Characters of the longest template that is taken. */
const LONGEST_TEMPLATE = 2 ** 18;

/** One message of a conversation. Fields beyond these, such as `tool_calls`, `name` or `reasoning_content`, go to the template. */
export interface ChatMessage {
  /** system, user, assistant, tool, or what else the model's template knows. */
  readonly role: string;
  /** What is said: a text, or parts where the template takes parts. */
  readonly content?: string | readonly ChatContentPart[] | null;
  readonly [field: string]: unknown;
}

/** A piece of a message, such as `{ type: "text", text: "Hello" }`. */
export interface ChatContentPart {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** What a template is given beside the messages. */
export interface RenderOptions {
  /** How the model's BOS and EOS are written. Default: empty. */
  readonly bosToken?: string;
  readonly eosToken?: string;
  /** Whether the beginning of the assistant's answer comes last. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Functions that the model may call, as JSON schemas. */
  readonly tools?: readonly unknown[] | null;
  /** Texts that the model may draw on, such as `{ title, text }`. */
  readonly documents?: readonly unknown[] | null;
  /** The time that `strftime_now` tells, by its local fields. Default: now. */
  readonly now?: Date;
  /** Every other name is a variable of the template, such as `enable_thinking`. */
  readonly [variable: string]: unknown;
}

/** Where the worker that renders is found. */
export interface ChatTemplateOptions {
  /** The folder in which `text-worker.js` lies, for programs whose bundler has moved this package's code. */
  readonly assets?: URL;
}

const optionNames = namesOf<ChatTemplateOptions>({ assets: true });

/**
 * A chat template, from its Jinja source (`tokenizer.chat_template` of a model file). It is parsed when it is first rendered.
 *
 * @throws CriaError INVALID_OPTION, TemplateError TEMPLATE_SIZE when it has more than 262,144 characters
 */
export function chatTemplateFrom(source: string, options: ChatTemplateOptions = {}): ChatTemplate {
  const { assets } = optionsOf("chatTemplateFrom", options, optionNames);
  return new ChatTemplate(source, textThread(checkFolderUrl("assets", assets)));
}

/** Whether a template writes nothing, whatever it is given: it is empty, or all white space and comments. */
export function isBlankTemplate(source: string): boolean {
  let rest = source.trim();
  while (rest.startsWith("{#")) {
    const end = rest.indexOf("#}", 2);
    if (end < 0) return false; // it does not parse
    rest = rest.slice(end + 2).trimStart();
  }
  return rest === "";
}

/** A chat template. Use `chatTemplateFrom`. */
export class ChatTemplate {
  readonly #source: string;
  readonly #thread: TextThread;

  constructor(source: string, thread: TextThread) {
    checkText("the chat template", source);
    if (source.length > LONGEST_TEMPLATE) {
      throw new TemplateError(
        "TEMPLATE_SIZE",
        `the chat template has ${source.length} characters; at most ${LONGEST_TEMPLATE} are taken`,
      );
    }
    this.#source = source;
    this.#thread = thread;
  }

  /**
   * The prompt of a conversation, as Jinja2 renders it with the settings of Hugging Face's tokenizers.
   *
   * @throws TemplateError, by `code`: TEMPLATE_SYNTAX it does not parse, TEMPLATE_RAISED it refuses the conversation, TEMPLATE_RENDER it
   * fails, TEMPLATE_INPUT it was given what is not JSON, TEMPLATE_TIME, TEMPLATE_OUTPUT, TEMPLATE_DEPTH, TEMPLATE_MEMORY it exceeds a
   * limit, TEMPLATE_WORKER its worker died; the signal's reason
   */
  async render(messages: readonly ChatMessage[], options: RenderOptions = {}, signal?: AbortSignal): Promise<string> {
    return (await this.#render(messages, options, signal)).text;
  }

  /**
   * The prompt in parts: `special` are those that the template wrote, and only they may hold control tokens. What came from messages,
   * tools, documents or variables is text, wherever the template put it and whatever it made of it; excepted are roles of one word.
   *
   * @throws TemplateError as `render` does
   */
  async renderParts(
    messages: readonly ChatMessage[],
    options: RenderOptions = {},
    signal?: AbortSignal,
  ): Promise<readonly PromptPart[]> {
    const { text, marks } = await this.#render(messages, options, signal);
    return new MarkedString(text, marks).runs().map((run) => ({ text: run.text, special: !run.outside }));
  }

  /**
   * `renderParts` for a conversation that is about to be answered: the last thing that the user says must show. Contents are texts; a
   * template that shows only contents in parts is given parts.
   *
   * @throws TemplateError as `render` does, and TEMPLATE_DROPPED when the prompt has nothing of the last user message
   */
  async promptParts(
    messages: readonly ChatMessage[],
    options: RenderOptions = {},
    signal?: AbortSignal,
  ): Promise<readonly PromptPart[]> {
    const given = { now: new Date(), ...options };
    const last = messages.findLastIndex(({ role }) => role === "user");
    const said = messages[last]?.content;
    const parts = await this.renderParts(messages, given, signal);
    if (typeof said !== "string" || said.trim() === "" || shows(parts, messages, last)) return parts;
    // It may have been escaped, cut or rewritten. What has nothing of it stays the same whatever the user says.
    const content = said.replace(/\S/gu, (character) => (character === "x" ? "y" : "x"));
    const other = messages.with(last, { ...messages[last]!, content });
    const otherParts = await this.#tryParts(other, given, signal);
    if (otherParts === undefined || textOf(parts) !== textOf(otherParts)) return parts;
    const [inParts, otherInParts] = [
      await this.#tryParts(messages.map(withParts), given, signal),
      await this.#tryParts(other.map(withParts), given, signal),
    ];
    if (inParts !== undefined && otherInParts !== undefined && textOf(inParts) !== textOf(otherInParts)) return inParts;
    const message = `the chat template shows nothing of messages[${last}], the last of the user`;
    throw new TemplateError("TEMPLATE_DROPPED", message);
  }

  /** Undefined where the template refuses the messages. */
  async #tryParts(...given: Parameters<ChatTemplate["renderParts"]>): Promise<readonly PromptPart[] | undefined> {
    try {
      return await this.renderParts(...given);
    } catch (error) {
      if (error instanceof TemplateError) return undefined;
      throw error;
    }
  }

  #render(
    messages: readonly ChatMessage[],
    options: RenderOptions,
    signal: AbortSignal | undefined,
  ): Promise<Rendered> {
    // Of the options that have a name, null is absent; of the variables, it is Jinja's None.
    const { bosToken, eosToken, addGenerationPrompt, tools, documents, now: time, ...variables } = options ?? {};
    const now = time ?? new Date();
    readable("messages", messages, () => {
      if (!Array.isArray(messages)) throw invalidOption("messages", "an array", messages);
    });
    readable("now", now, () => {
      if (!(now instanceof Date) || Number.isNaN(now.getTime())) throw invalidOption("now", "a valid Date", now);
    });
    const given = {
      source: this.#source,
      messages,
      bosToken: checkText("bosToken", bosToken ?? ""),
      eosToken: checkText("eosToken", eosToken ?? ""),
      variables: {
        add_generation_prompt: checkBoolean("addGenerationPrompt", addGenerationPrompt ?? true),
        tools: tools ?? null,
        documents: documents ?? null,
        ...variables,
      },
      now: localTime(now),
    };
    return this.#thread.run("render", given, { signal });
  }
}

/** Whether a message's text stands in a prompt, and nothing else that was said can be what stands there. */
function shows(parts: readonly PromptPart[], messages: readonly ChatMessage[], index: number): boolean {
  const text = String(messages[index]!.content).trim();
  if (!parts.some((part) => !part.special && part.text.includes(text))) return false;
  const quoted = JSON.stringify(text).slice(1, -1);
  return !messages.some((message, i) => i !== index && JSON.stringify(message).includes(quoted));
}

function withParts(message: ChatMessage): ChatMessage {
  if (typeof message.content !== "string") return message;
  return { ...message, content: [{ type: "text", text: message.content }] };
}

function textOf(parts: readonly PromptPart[]): string {
  return parts.map(({ text }) => text).join("");
}
