// A conversation: the messages so far, rendered by the model's chat template, and the answers to them.

import { CriaError } from "../errors.js";
import type { BackgroundTokenizer } from "../tokenizer/background-tokenizer.js";
import type { ChatMessage, ChatTemplate } from "../tokenizer/index.js";
import { type Completion, collect, type GeneratedPart, type GenerateOptions } from "./generation.js";
import { checkNames } from "./options.js";

/** How a conversation begins. */
export interface ChatOptions {
  /** What the system message says; none by default. */
  readonly system?: string;
  /** Messages to begin with, after the system message. */
  readonly messages?: readonly ChatMessage[];
}

/**
 * The ids of a conversation that the assistant is about to answer. Only what the template itself wrote can become control tokens.
 *
 * @throws TemplateError
 */
export async function chatPrompt(
  template: ChatTemplate,
  text: BackgroundTokenizer,
  messages: readonly ChatMessage[],
): Promise<Int32Array> {
  const { tokenizer } = text;
  const spelling = (id: number | undefined) => (id === undefined ? "" : tokenizer.tokenText(id));
  const parts = await template.renderParts(messages, {
    bosToken: spelling(tokenizer.bosId),
    eosToken: spelling(tokenizer.eosId),
  });
  return text.encodeParts(parts);
}

/** What a conversation needs of its model. */
export interface ChatModel {
  /** Answers these messages. */
  readonly generate: (
    messages: readonly ChatMessage[],
    options: GenerateOptions,
  ) => AsyncGenerator<GeneratedPart, void, undefined>;
  readonly close: () => void;
}

/** A conversation. From `model.chat()`. */
export class Chat {
  readonly #model: ChatModel;
  readonly #messages: ChatMessage[];
  #answering = false;

  /** Use `model.chat()`. */
  constructor(model: ChatModel, options: ChatOptions) {
    checkNames("chat", options, ["system", "messages"]);
    this.#model = model;
    const system: ChatMessage[] = options.system === undefined ? [] : [{ role: "system", content: options.system }];
    this.#messages = [...system, ...(options.messages ?? [])];
  }

  /** The messages so far. */
  get messages(): readonly ChatMessage[] {
    return [...this.#messages];
  }

  /**
   * Sends a message and streams the answer. What the user says is never read as control tokens. Both join the conversation when the
   * answer is complete; a call that fails, is aborted or is left early leaves it as it was.
   *
   * @throws TemplateError, and what `model.generate` throws; CriaError CHAT_BUSY while an answer is under way
   */
  async *send(text: string, options: GenerateOptions = {}): AsyncGenerator<GeneratedPart, void, undefined> {
    if (this.#answering) throw new CriaError("CHAT_BUSY", "the answer to the last message is still under way");
    this.#answering = true;
    try {
      const messages: ChatMessage[] = [...this.#messages, { role: "user", content: text }];
      let answer = "";
      for await (const part of this.#model.generate(messages, options)) {
        answer += part.text;
        if (part.done !== undefined) this.#messages.push(messages.at(-1)!, { role: "assistant", content: answer });
        yield part;
      }
    } finally {
      this.#answering = false;
    }
  }

  /** Sends a message and answers when the answer is complete: `send`, collected. */
  async ask(text: string, options: GenerateOptions = {}): Promise<Completion> {
    return collect(this.send(text, options));
  }

  /** Gives the conversation's part of the KV cache back. */
  dispose(): void {
    this.#model.close();
  }

  /** `dispose`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
