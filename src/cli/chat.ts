// cria chat: a conversation, at the terminal or with one message per line on stdin.

import { UnsupportedError } from "../errors.js";
import type { TemplateVariables } from "../index.js";
import type { Answering } from "./answering.js";
import { converseAtTerminal, converseByLines, isTerminal } from "./chat/conversation.js";
import { Talk } from "./chat/talk.js";
import { command } from "./command.js";
import { Interrupted, UsageError } from "./failure.js";
import { generateOptions, toGenerateOptions } from "./generate-options.js";
import { grammarOptions, toGrammarOptions } from "./grammar-options.js";
import { interruptible } from "./interrupt.js";
import { answeringOptions, openAnswering } from "./open-answering.js";

export const chat = command({
  usage: "[options]",
  about: `Talks, by the chat template of the model's file. At a terminal: /help lists what can be typed besides messages, such as
/system, /save and /stats. A backslash at the end of a line asks for another line, a paste stays one message, the arrow keys
call earlier messages back, Ctrl-C stops an answer. Thoughts before an answer are shown faintly.

Where stdin is not a terminal, each line is a message, and only the answers are printed.

Messages are kept for the arrow keys in ~/.local/state/cria/chat-history, which only you can read; CRIA_HISTORY names
another file, and CRIA_HISTORY=off, or --no-history, keeps none.`,
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
    noHistory: {
      flags: ["--no-history"],
      type: "boolean",
      help: "do not read or keep the messages for the arrow keys of the next time",
    },
    ...answeringOptions,
    ...generateOptions,
    ...grammarOptions,
  },
  async run(values, positionals) {
    if (positionals.length > 0) throw new UsageError("chat reads its messages from the terminal or from stdin");
    const options = { ...toGenerateOptions(values), ...(await toGrammarOptions(values)) };
    const templateVariables = parseVariables(values.templateVariables);
    let answering: Answering | undefined;
    const open = async () => {
      answering = await interruptible((signal) => openAnswering(values, signal));
      try {
        return new Talk(answering, { system: values.system, templateVariables, generate: options });
      } catch (error) {
        if (!(error instanceof UnsupportedError) || error.code !== "NO_CHAT_TEMPLATE") throw error;
        throw new UnsupportedError(error.code, `${error.message}; cria run continues texts with it`);
      }
    };
    try {
      if (isTerminal()) {
        const talk = await converseAtTerminal(open, values.noHistory !== true);
        talk.timings.print();
      } else {
        const talk = await open();
        if ((await converseByLines(talk)) === "stopped") throw new Interrupted();
        talk.timings.print();
      }
    } finally {
      await answering?.dispose();
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
