// cria run: continues a text.

import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { generateOptions, toGenerateOptions } from "./generate-options.js";
import { grammarOptions, toGrammarOptions } from "./grammar-options.js";
import { readPipe, readTextFile } from "./input.js";
import { interruptible } from "./interrupt.js";
import { answeringOptions, openAnswering } from "./open-answering.js";
import { outputText } from "./terminal-text.js";
import { Timings } from "./timings.js";

export const run = command({
  usage: '[options] "prompt"',
  about: `Continues a text. The prompt is an argument, a file (-f), or stdin. The text goes to stdout as it comes, after
the prompt where stdout is a terminal; timings go to stderr.`,
  options: {
    prompt: { flags: ["-p", "--prompt"], type: "string", value: "TEXT", help: "the prompt, instead of an argument" },
    file: { flags: ["-f", "--file"], type: "string", value: "FILE", help: "read the prompt from a file; -: stdin" },
    hidePrompt: { flags: ["--no-display-prompt"], type: "boolean", help: "do not repeat the prompt on the terminal" },
    ...answeringOptions,
    ...generateOptions,
    ...grammarOptions,
  },
  async run(values, positionals) {
    const prompt = await promptOf(values, positionals);
    const options = { ...toGenerateOptions(values), ...(await toGrammarOptions(values)) };
    const shown = process.stdout.isTTY && values.hidePrompt !== true ? prompt : "";
    await interruptible(async (signal) => {
      const answering = await openAnswering(values, signal);
      const timings = new Timings(answering);
      let begun = false;
      try {
        for await (const part of answering.generate(prompt, { ...options, signal })) {
          process.stdout.write(outputText(begun ? part.text : shown + part.text));
          begun = true;
          if (part.done !== undefined) timings.add(part.done);
        }
      } finally {
        if (begun) process.stdout.write("\n");
        await answering.dispose();
      }
      timings.print();
    });
  },
});

async function promptOf(
  values: { readonly prompt?: string; readonly file?: string },
  positionals: readonly string[],
): Promise<string> {
  const given = [...positionals, ...[values.prompt, values.file].filter((source) => source !== undefined)];
  if (given.length > 1) {
    throw new UsageError(`${given.length} prompts: give one, in quotes`);
  }
  if (values.file !== undefined) return readTextFile(values.file);
  return given[0] ?? readPipe("the prompt");
}
