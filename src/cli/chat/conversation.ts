// The loop of a conversation: messages come from the terminal or from the lines of a pipe, and are answered one after the other.

import { createInterface } from "node:readline";
import { CriaError, WorkerError } from "../../errors.js";
import { printable } from "../../gguf/index.js";
import { ContextError } from "../../index.js";
import { styled } from "../color.js";
import { UsageError } from "../failure.js";
import { History } from "./history.js";
import { LineEditor } from "./line-editor.js";
import type { Talk } from "./talk.js";
import { Terminal } from "./terminal.js";
import { completed, runTyped, typedCommand } from "./typed-commands.js";

/** Whether a person types, on a terminal that can be drawn on. */
export function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true && process.env["TERM"] !== "dumb";
}

/** At a terminal. What is typed while `open` loads a model is kept. @param keepsHistory whether messages can be called back next time */
export async function converseAtTerminal(open: () => Promise<Talk>, keepsHistory: boolean): Promise<Talk> {
  const notKept = (reason: string) => note(`the history of messages is not kept: ${reason}`);
  const history = keepsHistory ? History.open(notKept) : History.none();
  // Ctrl-C while nobody reads: whoever works then has a handler for the signal that the terminal would send.
  const terminal = new Terminal(new LineEditor(history.messages, completed), () => void process.emit("SIGINT"));
  terminal.open();
  try {
    const talk = await open();
    note("/help lists what can be typed besides messages; Ctrl-D leaves");
    // The first Ctrl-C stops an answer or warns, the next one leaves.
    let isWarned = false;
    for (;;) {
      const reading = await terminal.read();
      if (reading.kind === "end") return talk;
      if (reading.kind === "interrupt") {
        if (reading.text === "" && isWarned) return talk;
        isWarned = reading.text === "";
        if (isWarned) note("Ctrl-C once more, or Ctrl-D, leaves");
        continue;
      }
      isWarned = false;
      const { text } = reading;
      if (text.trim() === "") continue;
      history.add(text);
      try {
        const message = await messageOf(talk, text, (said) => process.stdout.write(`${said}\n`));
        if (message === LEAVE) return talk;
        const outcome = message === undefined ? undefined : await talk.answer(message);
        if (outcome === "stopped") {
          isWarned = true;
          note("stopped; Ctrl-C once more leaves");
        } else if (outcome === "complete" && talk.last?.finishReason === "length") note(whyCutOff(talk));
        process.stdout.write("\n");
      } catch (error) {
        if (!isPassing(error)) throw error;
        const { message } = error as Error;
        note(
          printable(message, Number.POSITIVE_INFINITY) + (error instanceof ContextError ? "; /clear begins anew" : ""),
        );
        process.stdout.write("\n");
      }
    }
  } finally {
    terminal.close();
  }
}

/** Why the last answer has no end. */
function whyCutOff({ last, contextSize }: Talk): string {
  const { promptTokens, completionTokens } = last!.usage;
  const isFull = contextSize !== undefined && promptTokens + completionTokens >= contextSize - 1;
  return isFull
    ? `cut off: the context of ${contextSize} tokens is full; /clear begins anew, -c sets its size`
    : `cut off after ${completionTokens} tokens; -n sets how many there are at most`;
}

/** Of a pipe, each line is a message. What commands say goes to stderr. */
export async function converseByLines(talk: Talk): Promise<"complete" | "stopped"> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  try {
    for await (const line of lines) {
      if (line.trim() === "") continue;
      const message = await messageOf(talk, line, (said) => process.stderr.write(`${said}\n`));
      if (message === LEAVE) break;
      if (message !== undefined && (await talk.answer(message)) === "stopped") return "stopped";
    }
    return "complete";
  } finally {
    lines.close();
  }
}

const LEAVE = Symbol("leave");

/** The message that is to be answered, of what was typed; a command is run. */
async function messageOf(
  talk: Talk,
  typed: string,
  say: (text: string) => void,
): Promise<string | typeof LEAVE | undefined> {
  const command = typedCommand(typed);
  if (command === undefined) return typed.trim();
  const { say: said, ask, leave } = await runTyped(talk, command.name, command.rest);
  if (said !== undefined) say(said);
  return leave === true ? LEAVE : ask;
}

/** Whether the conversation goes on after a failure. */
function isPassing(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof CriaError && !(error instanceof WorkerError));
}

function note(text: string): void {
  process.stderr.write(`${styled(process.stderr, "faint", text)}\n`);
}
