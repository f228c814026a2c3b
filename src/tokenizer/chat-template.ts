// Chat templates: the Jinja programs in model files that turn a conversation into the text of a prompt.

import { Template } from "@huggingface/jinja";
import { TemplateError } from "../errors.js";
import type { PromptPart } from "./tokenizer.js";

/** One message of a conversation. */
export interface ChatMessage {
  /** system, user, assistant, or what else the model's template knows. */
  readonly role: string;
  readonly content: string;
}

export interface RenderOptions {
  /** How the model's BOS and EOS are written. */
  readonly bosToken?: string;
  readonly eosToken?: string;
  /** Whether the beginning of the assistant's answer comes last. Default true. */
  readonly addGenerationPrompt?: boolean;
}

/** A chat template, from its Jinja source. @throws TemplateError when it does not parse */
export function chatTemplateFrom(source: string): ChatTemplate {
  return new ChatTemplate(source);
}

/** A chat template. Use `chatTemplateFrom`. */
export class ChatTemplate {
  readonly #template: Template;

  constructor(source: string) {
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new TemplateError("TEMPLATE_SYNTAX", `the chat template does not parse: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** The prompt of a conversation. @throws TemplateError */
  async render(messages: readonly ChatMessage[], options: RenderOptions = {}): Promise<string> {
    const { bosToken = "", eosToken = "", addGenerationPrompt = true } = options;
    try {
      return this.#template.render({
        messages,
        bos_token: bosToken,
        eos_token: eosToken,
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (cause) {
      throw new TemplateError("TEMPLATE_RENDER", `the chat template failed: ${(cause as Error).message}`, { cause });
    }
  }

  /** The prompt in parts: what the template says may be control tokens, what the messages say is text. @throws TemplateError */
  async renderParts(messages: readonly ChatMessage[], options: RenderOptions = {}): Promise<readonly PromptPart[]> {
    const mark = (i: number) => `\ue000${i}\ue001`;
    const text = await this.render(
      messages.map(({ role }, i) => ({ role, content: mark(i) })),
      options,
    );
    const parts = text.split(/\ue000(\d+)\ue001/).map((part, i) => {
      return i % 2 === 0 ? { text: part, special: true } : { text: messages[Number(part)]!.content, special: false };
    });
    const plain = await this.render(messages, options);
    if (parts.map((part) => part.text).join("") === plain) return parts;
    throw new TemplateError("TEMPLATE_CONTENT", "the chat template changes what the messages say");
  }
}
