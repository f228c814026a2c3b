// Reads what a model writes in the form that its conversation has: thoughts, text, calls.

import type { AnswerPiece, AnswerReader } from "./answer-reader.js";
import type { AnswerForm } from "./grammars.js";
import type { MessageReader } from "./message-reader.js";
import { ThoughtReader } from "./thought-reader.js";
import { readerOf } from "./tool-dialect.js";
import type { ToolCall } from "./tools.js";

/** Reads one answer. */
export class FormReader {
  readonly #thoughts: ThoughtReader | undefined;
  readonly #messages: MessageReader | undefined;
  readonly #answer: AnswerReader | undefined;

  /** @param mayCall whether tools may be called; otherwise the text follows a grammar of its own */
  constructor({ thoughts, messages, calls }: AnswerForm, mayCall: boolean) {
    const signatures = mayCall ? (calls?.tools.signatures ?? []) : [];
    if (messages !== undefined) {
      this.#messages = readerOf(messages, signatures);
      return;
    }
    this.#thoughts = thoughts && new ThoughtReader(thoughts.marks, thoughts.start);
    if (mayCall && calls?.notation.kind === "marked") this.#answer = readerOf(calls.notation, signatures);
  }

  /** The calls that are complete. */
  get toolCalls(): readonly ToolCall[] {
    return (this.#messages ?? this.#answer)?.toolCalls ?? [];
  }

  /** Whether it is in thoughts now. */
  get thinks(): boolean {
    return (this.#messages ?? this.#thoughts)?.thinks ?? false;
  }

  /** Takes the next piece of what the model writes. */
  push(piece: string): AnswerPiece & { readonly reasoning: string } {
    if (this.#messages !== undefined) return this.#messages.push(piece);
    const { reasoning, answer } = this.#thoughts?.push(piece) ?? { reasoning: "", answer: piece };
    return { reasoning, ...this.#read(answer) };
  }

  /** The answer is over: what was held back because it could have been the beginning of something else. */
  end(): { readonly text: string; readonly reasoning: string } {
    if (this.#messages !== undefined) return this.#messages.end();
    const { reasoning, answer } = this.#thoughts?.end() ?? { reasoning: "", answer: "" };
    const { text } = this.#read(answer);
    return { reasoning, text: text + (this.#answer?.end() ?? "") };
  }

  #read(answer: string): AnswerPiece {
    return this.#answer?.push(answer) ?? { text: answer, deltas: [] };
  }
}
