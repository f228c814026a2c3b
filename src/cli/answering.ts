// What answers a text or a conversation, as commands have it: a model of this process, or a server that is asked over HTTP.

import type { Chat, ChatOptions, GeneratedPart, GenerateOptions } from "../index.js";

/** A conversation, as a command has it. A `Chat` of the library is one. */
export type Conversation = Pick<Chat, "messages" | "send" | "dispose">;

export interface Answering {
  /** What answers, and how it was loaded: the first lines of the timings. */
  readonly about: readonly string[];
  /** Positions of the context; undefined where a server does not tell. */
  readonly contextSize?: number;
  /** As `model.generate`. */
  generate(prompt: string, options: GenerateOptions): AsyncIterable<GeneratedPart>;
  /** As `model.chat`. */
  chat(options: ChatOptions): Conversation;
  dispose(): Promise<void>;
}
