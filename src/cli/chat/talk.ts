// A conversation as `cria chat` has it: what answers, the messages so far, and what was measured. An answer that is stopped stays in it as
// far as it came.

import type { GenerateOptions, GenerationSummary, TemplateVariables } from "../../index.js";
import type { ChatMessage } from "../../tokenizer/index.js";
import type { Answering, Conversation } from "../answering.js";
import { styled } from "../color.js";
import { Interrupted } from "../failure.js";
import { interruptible } from "../interrupt.js";
import { statusLine } from "../progress-bar.js";
import { outputText } from "../terminal-text.js";
import { Timings } from "../timings.js";

/** A prompt that takes longer than that shows how far it is. */
const PATIENCE_MILLISECONDS = 1000;

export interface TalkOptions {
  readonly system: string | undefined;
  readonly templateVariables: TemplateVariables | undefined;
  readonly generate: GenerateOptions;
}

export class Talk {
  readonly #answering: Answering;
  readonly #options: TalkOptions;
  readonly #timings: Timings;
  #conversation: Conversation;
  #last: GenerationSummary | undefined;

  constructor(answering: Answering, options: TalkOptions) {
    this.#answering = answering;
    this.#options = options;
    this.#timings = new Timings(answering);
    const { system, templateVariables } = options;
    this.#conversation = answering.chat({ system, templateVariables });
  }

  /** The messages so far, the system message first. */
  get messages(): readonly ChatMessage[] {
    return this.#conversation.messages;
  }

  get timings(): Timings {
    return this.#timings;
  }

  /** What the last answer took; undefined before the first one. */
  get last(): GenerationSummary | undefined {
    return this.#last;
  }

  get contextSize(): number | undefined {
    return this.#answering.contextSize;
  }

  /** Goes on from these messages. */
  replace(messages: readonly ChatMessage[]): void {
    const next = this.#answering.chat({ messages, templateVariables: this.#options.templateVariables });
    this.#conversation.dispose();
    this.#conversation = next;
  }

  /** Forgets all messages; the system message stays. */
  clear(): void {
    this.replace(this.messages.filter(({ role }, i) => i === 0 && role === "system"));
    this.#last = undefined;
  }

  /** Takes the last question and its answer back, and returns the question; undefined where there is none. */
  takeBack(): string | undefined {
    const at = this.messages.findLastIndex(({ role }) => role === "user");
    const content = this.messages[at]?.content;
    if (typeof content !== "string") return undefined;
    this.replace(this.messages.slice(0, at));
    return content;
  }

  /**
   * Prints the answer to a message as it comes. Ctrl-C stops it.
   *
   * @throws what `chat.send` throws, except that the answer was stopped: that is told by the result
   */
  async answer(message: string): Promise<"complete" | "stopped"> {
    const before = this.messages;
    const output = new AnswerOutput();
    const status = statusLine();
    const begin = performance.now();
    try {
      await interruptible(async (signal) => {
        const { generate } = this.#options;
        // Of a server's prompt nothing is known.
        const progress = this.contextSize === undefined ? {} : { prefillProgress: true };
        for await (const part of this.#conversation.send(message, { ...generate, ...progress, signal })) {
          if (part.prefill !== undefined && performance.now() - begin > PATIENCE_MILLISECONDS) {
            const { evaluatedTokens, promptTokens } = part.prefill;
            status.show(`reading: ${evaluatedTokens} of ${promptTokens} tokens`);
          }
          if (part.text !== "" || part.reasoning !== undefined) status.clear();
          output.add(part.text, part.reasoning);
          if (part.done === undefined) continue;
          this.#last = part.done;
          this.#timings.add(part.done);
        }
      });
      return "complete";
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      if (output.text !== "") {
        const half = { role: "assistant", content: output.text };
        this.replace([...before, { role: "user", content: message }, half]);
      }
      return "stopped";
    } finally {
      status.clear();
      output.end();
    }
  }

  dispose(): void {
    this.#conversation.dispose();
  }
}

/** Writes an answer to stdout; on a terminal, its thoughts before it. */
class AnswerOutput {
  /** The answer so far. */
  text = "";
  #thoughts = false;
  #written = "";

  add(text: string, reasoning: string | undefined): void {
    if (reasoning !== undefined && reasoning !== "" && process.stdout.isTTY) {
      this.#write(styled(process.stdout, "faint", outputText(reasoning)));
      this.#thoughts = true;
    }
    if (text === "") return;
    if (this.#thoughts) this.#write("\n\n");
    this.#thoughts = false;
    this.text += text;
    this.#write(outputText(text));
  }

  /** Ends the last line. */
  end(): void {
    if (this.#written !== "" && !this.#written.endsWith("\n")) process.stdout.write("\n");
  }

  #write(shown: string): void {
    process.stdout.write(shown);
    this.#written = shown;
  }
}
