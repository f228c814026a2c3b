// A conversation: the messages so far, rendered by the model's chat template, and the answers to them.

import { CriaError } from "../../errors.js";
import { checkBoolean, checkText, namesOf, optionsOf } from "../../options.js";
import type { ChatMessage } from "../../tokenizer/index.js";
import type { ChatState } from "../sequences/session-format.js";
import { saveSession } from "../sequences/sessions.js";
import type { Tool } from "../tool.js";
import type { ChatPrompt } from "./chat-prompt.js";
import { type Completion, type GeneratedPart, type GenerateOptions, generateOptionNames } from "./generation.js";
import { checkMessages, toolMessages } from "./messages.js";
import { collect, mostTokens } from "./stream.js";
import { checkTemplateVariables, type TemplateVariables } from "./template-variables.js";
import { type RanCall, type RunCompletion, type ToolRunOptions, toolRunOf, toolRunOptionNames } from "./tool-runs.js";
import {
  chosenTools,
  type ToolCall,
  type ToolChoiceOptions,
  type ToolResult,
  type ToolSet,
  toolSetOf,
} from "./tools.js";

/** How a conversation begins. */
export interface ChatOptions {
  /** What the system message says; none by default. */
  readonly system?: string;
  /** Messages to begin with, after the system message. */
  readonly messages?: readonly ChatMessage[];
  /**
   * Goes on when the conversation has outgrown the context: the oldest turns, but never a system message, are forgotten until it fills
   * at most half of the context. Default false: `send` then throws ContextError CONTEXT_FULL.
   */
  readonly contextShift?: boolean;
  /** What the model may ask you to call. */
  readonly tools?: readonly Tool[];
  /** Variables of the chat template for all answers, such as `{ enable_thinking: false }`. */
  readonly templateVariables?: TemplateVariables;
}

/** The names of `ChatOptions`. */
export const chatOptionNames = namesOf<ChatOptions>({
  system: true,
  messages: true,
  contextShift: true,
  tools: true,
  templateVariables: true,
});

/** How to answer: how to generate, whether to call tools, and what the chat template is told. */
export interface AnswerOptions extends GenerateOptions, ToolChoiceOptions {
  /**
   * Variables of the chat template, such as `{ enable_thinking: false }` or `{ reasoning_effort: "low" }`; they go before those of the
   * chat. `strftime_now` is the time that the template's function of this name tells, as text: `"2026-07-04T12:00"`.
   */
  readonly templateVariables?: TemplateVariables;
}

const answerOptionNames: readonly (keyof AnswerOptions)[] = [
  ...generateOptionNames,
  ...namesOf<ToolChoiceOptions>({ toolChoice: true, parallelToolCalls: true }),
  "templateVariables",
];

/** How to run tools: how to answer, and what to run. */
export interface RunOptions extends AnswerOptions, ToolRunOptions {}

const runOptionNames: readonly (keyof RunOptions)[] = [...answerOptionNames, ...toolRunOptionNames];

/** How to answer a conversation whose messages the caller keeps. */
export interface ChatCompletionOptions extends AnswerOptions {
  /** What the model may ask you to call. */
  readonly tools?: readonly Tool[];
}

/** The names of `ChatCompletionOptions`. */
export const chatCompletionOptionNames: readonly (keyof ChatCompletionOptions)[] = [...answerOptionNames, "tools"];

/** What a conversation needs from its model. */
export interface ChatModel {
  /** `tokenizer.chat_template` */
  readonly template: string;
  readonly contextSize: number;
  /** A conversation that the assistant is about to answer. */
  readonly promptOf: (
    messages: readonly ChatMessage[],
    more: {
      readonly tools: ToolSet | undefined;
      readonly variables: TemplateVariables;
      readonly signal: AbortSignal | undefined;
    },
  ) => Promise<ChatPrompt>;
  readonly generate: (
    prompt: () => Promise<ChatPrompt>,
    options: GenerateOptions,
  ) => AsyncGenerator<GeneratedPart, void, undefined>;
  readonly save: (state: ChatState) => Promise<Uint8Array>;
  readonly close: () => void;
}

/** A conversation. From `model.chat()`. */
export class Chat {
  readonly #model: ChatModel;
  readonly #contextShift: boolean;
  #messages: readonly ChatMessage[];
  readonly #tools: ToolSet | undefined;
  readonly #variables: TemplateVariables;
  #answering = false;

  /** Use `model.chat()`. */
  constructor(model: ChatModel, given: ChatOptions) {
    const options = optionsOf("chat", given, chatOptionNames);
    this.#model = model;
    this.#tools = options.tools === undefined ? undefined : toolSetOf(options.tools);
    const { system, contextShift = false, templateVariables = {} } = options;
    this.#variables = checkTemplateVariables(templateVariables);
    this.#messages = [
      ...(system === undefined ? [] : [{ role: "system", content: checkText("system", system) }]),
      ...checkMessages(options.messages ?? [], model.template),
    ];
    this.#contextShift = checkBoolean("contextShift", contextShift);
  }

  /** The messages so far, without those that a context shift has forgotten. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /**
   * Sends a message and streams the answer. What the user says is never read as control tokens. Both join the conversation when the
   * answer is complete; a call that fails, is aborted or is left early leaves it as it was.
   *
   * @throws TemplateError, and what `model.generate` throws; CriaError CHAT_BUSY while an answer is under way
   */
  send(text: string, options: AnswerOptions = {}): AsyncGenerator<GeneratedPart, void, undefined> {
    return this.#answer(() => [{ role: "user", content: checkText("text", text) }], options);
  }

  /** Sends the results of the last answer's calls, in their order, and streams the answer to them. @throws as `send` does */
  sendToolResults(
    results: readonly ToolResult[],
    options: AnswerOptions = {},
  ): AsyncGenerator<GeneratedPart, void, undefined> {
    return this.#answer(() => toolMessages(results), options);
  }

  async *#answer(
    more: () => readonly ChatMessage[],
    given: AnswerOptions,
  ): AsyncGenerator<GeneratedPart, void, undefined> {
    const options = optionsOf("send", given, answerOptionNames);
    const sent = more();
    this.#checkIdle();
    this.#answering = true;
    try {
      yield* this.#turn(sent, options, this.#tools);
    } finally {
      this.#answering = false;
    }
  }

  /** One answer, while no other is under way. */
  async *#turn(
    sent: readonly ChatMessage[],
    given: AnswerOptions,
    offered: ToolSet | undefined,
  ): AsyncGenerator<GeneratedPart, void, undefined> {
    const { toolChoice, parallelToolCalls, templateVariables = {}, ...options } = given;
    const variables = { ...this.#variables, ...checkTemplateVariables(templateVariables) };
    const tools = chosenTools(offered, { toolChoice, parallelToolCalls });
    let messages: readonly ChatMessage[] = [...this.#messages, ...sent];
    const prompt = async () => {
      const fitted = await this.#prompt(messages, { tools, variables }, options);
      messages = fitted.messages;
      return fitted.prompt;
    };
    let answer = "";
    let reasoning = "";
    for await (const part of this.#model.generate(prompt, options)) {
      answer += part.text;
      reasoning += part.reasoning ?? "";
      if (part.done !== undefined) {
        this.#messages = [...messages, assistantMessage(answer, reasoning, part.toolCalls)];
      }
      yield part;
    }
  }

  /** Sends a message and answers when the answer is complete: `send`, collected. */
  async ask(text: string, options: AnswerOptions = {}): Promise<Completion> {
    return collect(this.send(text, options));
  }

  /**
   * Sends a message, runs the tools that the answer calls, sends their results, and so on until an answer calls nothing: that is the
   * answer. All messages on the way join the conversation; a run that fails or is aborted leaves it as it was.
   *
   * @param options `toolChoice` holds for the first answer
   * @throws as `send` does; what a tool throws
   */
  async run(text: string, options: RunOptions): Promise<RunCompletion> {
    const given = optionsOf<RunOptions>("run", options, runOptionNames);
    const { tools: _, maxRounds: __, onPart: ___, ...answering } = given;
    const run = toolRunOf(given);
    let sent: readonly ChatMessage[] = [{ role: "user", content: checkText("text", text) }];
    let { toolChoice } = answering;
    const { signal } = answering;
    const ran: RanCall[] = [];
    this.#checkIdle();
    this.#answering = true;
    const before = this.#messages;
    try {
      for (let round = 1; ; round++) {
        const parts = told(this.#turn(sent, { ...answering, toolChoice }, run.tools), run.onPart);
        const completion = await collect(parts);
        const { toolCalls } = completion;
        if (toolCalls === undefined) return { ...completion, ran };
        const results: ToolResult[] = [];
        for (const call of toolCalls) {
          signal?.throwIfAborted();
          const result = await run.runOf(call.name)(call.arguments, { signal });
          ran.push({ call, result });
          results.push({ name: call.name, content: result ?? null });
        }
        sent = toolMessages(results);
        toolChoice = round < run.maxRounds ? "auto" : "none";
      }
    } catch (error) {
      this.#messages = before;
      throw error;
    } finally {
      this.#answering = false;
    }
  }

  /**
   * Saves the conversation for `model.restoreChat`: its messages, its tokens, and the keys and values of all full pages of 64.
   *
   * @param path a file to write the session to as well
   * @returns the session's bytes
   * @throws CriaError CHAT_BUSY while an answer is under way; FileError
   */
  async save(path?: string | URL): Promise<Uint8Array> {
    this.#checkIdle();
    const state = {
      messages: this.messages,
      contextShift: this.#contextShift,
      tools: this.#tools?.tools,
      templateVariables: this.#variables,
    };
    return saveSession(path, () => this.#model.save(state));
  }

  /** Gives the conversation's part of the KV cache back. */
  dispose(): void {
    this.#model.close();
  }

  /** `dispose`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The conversation as it is sent: shortened if it has to be and `contextShift` allows it. */
  async #prompt(
    messages: readonly ChatMessage[],
    told: { readonly tools: ToolSet | undefined; readonly variables: TemplateVariables },
    { maxTokens, signal }: GenerateOptions,
  ) {
    const { contextSize, promptOf } = this.#model;
    const more = { ...told, signal };
    const answer = Math.min(mostTokens(maxTokens, contextSize / 4), contextSize / 2);
    let prompt = await promptOf(messages, more);
    if (!this.#contextShift || prompt.ids.length + answer <= contextSize) return { messages, prompt };
    let shortened = messages;
    for (let less = withoutOldestTurn(messages); less !== undefined; less = withoutOldestTurn(shortened)) {
      shortened = less;
      prompt = await promptOf(shortened, more);
      if (prompt.ids.length <= contextSize / 2) break;
    }
    return { messages: shortened, prompt };
  }

  #checkIdle(): void {
    if (this.#answering) throw new CriaError("CHAT_BUSY", "the answer to the last message is still under way");
  }
}

/** The parts, each of which is told first. */
async function* told(
  parts: AsyncGenerator<GeneratedPart, void, undefined>,
  tell: ((part: GeneratedPart) => void) | undefined,
): AsyncGenerator<GeneratedPart, void, undefined> {
  for await (const part of parts) {
    tell?.(part);
    yield part;
  }
}

/** A turn is a user's message and the answer to it. Undefined when only one turn is left. */
function withoutOldestTurn(messages: readonly ChatMessage[]): readonly ChatMessage[] | undefined {
  const first = messages[0]?.role === "system" ? 1 : 0;
  const next = messages.findIndex(({ role }, i) => i > first && role === "user");
  return next === -1 ? undefined : [...messages.slice(0, first), ...messages.slice(next)];
}

/** An answer in the form that templates take. */
function assistantMessage(content: string, reasoning: string, toolCalls: readonly ToolCall[] = []): ChatMessage {
  return {
    role: "assistant",
    content,
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls.map((call) => ({ type: "function", function: call })) }),
  };
}
