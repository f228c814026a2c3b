// cria chat: a conversation, at the terminal or with one message per line on stdin.

import { createInterface } from "node:readline";
import { ContextError, type GenerateOptions, TemplateError, type TemplateVariables } from "../index.js";
import type { Conversation } from "./answering.js";
import { command } from "./command.js";
import { failureLine, Interrupted, UsageError } from "./failure.js";
import { generateOptions, toGenerateOptions } from "./generate-options.js";
import { grammarOptions, toGrammarOptions } from "./grammar-options.js";
import { interruptible } from "./interrupt.js";
import { answeringOptions, openAnswering } from "./open-answering.js";
import { outputText } from "./terminal-text.js";
import { Timings } from "./timings.js";

/** How a terminal is told to write faintly, and as before. */
const GREY = "\x1b[2m";
const PLAIN = "\x1b[22m";

const typedCommands = `/help   this text
/clear  forget the conversation and begin anew (also /reset)
/exit   leave (also /quit, Ctrl-D, and Ctrl-C before an answer)
Ctrl-C during an answer ends it; question and answer are then forgotten
`;

export const chat = command({
  usage: "[options]",
  about: `Talks, by the chat template of the model's file. At a terminal: /help lists what can be typed besides messages.
Where stdin is not a terminal, each line is a message, and only the answers are printed. Thoughts before an
answer are shown where stdout is a terminal, in grey.`,
  options: {
    system: {
      flags: ["-sys", "--system-prompt", "--system"],
      type: "string",
      value: "TEXT",
      help: "what the system message says (default: none)",
    },
    templateVariables: {
      flags: ["--chat-template-kwargs"],
      type: "string",
      value: "JSON",
      help: 'variables of the chat template, such as {"enable_thinking": false}',
    },
    ...answeringOptions,
    ...generateOptions,
    ...grammarOptions,
  },
  async run(values, positionals) {
    if (positionals.length > 0) throw new UsageError("chat reads its messages from the terminal or from stdin");
    const options = { ...toGenerateOptions(values), ...(await toGrammarOptions(values)) };
    const templateVariables = parseVariables(values.templateVariables);
    const answering = await interruptible((signal) => openAnswering(values, signal));
    try {
      const timings = new Timings(answering);
      await converse(() => answering.chat({ system: values.system, templateVariables }), options, timings);
      timings.print();
    } finally {
      await answering.dispose();
    }
  },
});

function parseVariables(json: string | undefined): TemplateVariables | undefined {
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new UsageError(`--chat-template-kwargs is not JSON: ${(error as Error).message}`);
  }
}

/** Reads messages and answers them until there are no more. */
async function converse(begin: () => Conversation, options: GenerateOptions, timings: Timings): Promise<void> {
  let conversation = begin();
  const terminal = process.stdin.isTTY && process.stdout.isTTY;
  const lines = createInterface({ input: process.stdin, output: terminal ? process.stdout : undefined, terminal });
  let open = true;
  let answering = false;
  lines.on("close", () => {
    open = false;
  });
  const onInterrupt = () => {
    if (!answering) lines.close();
  };
  process.on("SIGINT", onInterrupt);
  // At a terminal readline takes the key before it can become a signal.
  lines.on("SIGINT", () => process.emit("SIGINT"));
  const ask = () => {
    if (terminal && open) lines.prompt();
  };
  try {
    if (terminal) process.stdout.write("/help lists what can be typed besides messages\n");
    ask();
    for await (const line of lines) {
      const word = line.trim();
      if (word === "/exit" || word === "/quit") break;
      if (word === "/help") {
        process.stdout.write(typedCommands);
      } else if (word === "/clear" || word === "/reset") {
        conversation.dispose();
        conversation = begin();
      } else if (word !== "") {
        answering = true;
        await answer(conversation, line, options, timings).catch((error) => {
          if (!terminal || !isOver(error)) throw error;
        });
        answering = false;
      }
      ask();
    }
  } finally {
    process.off("SIGINT", onInterrupt);
    lines.close();
  }
}

async function answer(
  conversation: Conversation,
  message: string,
  options: GenerateOptions,
  timings: Timings,
): Promise<void> {
  let begun = false;
  let thought = false;
  try {
    await interruptible(async (signal) => {
      for await (const part of conversation.send(message, { ...options, signal })) {
        if (part.reasoning !== undefined && process.stdout.isTTY) {
          process.stdout.write(`${GREY}${outputText(part.reasoning)}${PLAIN}`);
          thought = true;
        }
        if (thought && part.text !== "") process.stdout.write("\n\n");
        if (part.text !== "") thought = false;
        process.stdout.write(outputText(part.text));
        begun = true;
        if (part.done !== undefined) timings.add(part.done);
      }
    });
  } finally {
    if (begun) process.stdout.write("\n");
  }
}

/** Whether a failure ends an answer but not the conversation; prints it if so. */
function isOver(error: unknown): boolean {
  if (error instanceof Interrupted) return true;
  if (!(error instanceof ContextError || error instanceof TemplateError)) return false;
  process.stderr.write(`${failureLine(error, "chat")} (/clear begins anew)\n`);
  return true;
}
