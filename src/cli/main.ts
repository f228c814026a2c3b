#!/usr/bin/env node
// The command line's entry: finds the command, parses its arguments, runs it, and turns a failure into one line and an exit code.

import { checkChoice } from "../options.js";
import { parseArguments } from "./arguments.js";
import { chooseColor, colorOption, styled } from "./color.js";
import { commands } from "./commands.js";
import { commonOptions } from "./common-options.js";
import { exitCodeOf, failureLine, Interrupted, UsageError } from "./failure.js";
import { isModel } from "./model-source.js";
import { nearest } from "./nearest.js";

/** What other programs call commands of ours. */
const otherNames: Readonly<Record<string, string>> = {
  ...{ ls: "list", models: "list", delete: "rm", remove: "rm", download: "pull", info: "show" },
  ...{ generate: "run", complete: "run", server: "serve", embeddings: "embed", benchmark: "bench" },
};

// The reader of our output (`| head`) has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`cria: the output cannot be written: ${error.message}\n`);
  process.exit(1);
});
// That nobody can read the timings and the progress is not a reason to end.
process.stderr.on("error", () => undefined);

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  const known = first !== undefined && Object.hasOwn(commands, first) ? first : undefined;
  try {
    if (known !== undefined) await runCommand(known, rest);
    else await withoutCommand(first, rest);
    return 0;
  } catch (error) {
    if (!(error instanceof Interrupted)) {
      const options = known === undefined ? undefined : (await commands[known]!.load()).options;
      const line = failureLine(error, known, options).replace(/^cria:/, (name) => styled(process.stderr, "red", name));
      process.stderr.write(`${line}\n`);
    }
    return exitCodeOf(error);
  }
}

async function runCommand(name: string, args: readonly string[]): Promise<void> {
  const command = await commands[name]!.load();
  const options = { ...command.options, ...commonOptions };
  const { values, positionals } = parseArguments(args, options);
  if (values["color"] !== undefined) chooseColor(checkChoice("--color", values["color"], colorOption.choices));
  if (values["help"] === true) {
    const { commandHelp } = await import("./help.js");
    process.stdout.write(commandHelp(name, { ...command, options }));
    return;
  }
  if (
    command.takesModel !== true &&
    "model" in options &&
    values["model"] === undefined &&
    values["hubRepo"] === undefined
  ) {
    const word = positionals.find(isModel);
    if (word !== undefined) {
      const example = `cria ${name} -m ${quoted(word)}${command.usage.replace("[options]", "")}`;
      throw new UsageError(`"${word}" is a model, and a model is named with -m: ${example}`);
    }
  }
  await command.run(values, positionals, commands);
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** `cria`, `cria --help`, `cria help run`, `cria --version`, and mistakes. */
async function withoutCommand(first: string | undefined, rest: readonly string[]): Promise<void> {
  const { globalHelp } = await import("./help.js");
  if (first === "help" && rest[0] !== undefined && Object.hasOwn(commands, rest[0])) {
    await runCommand(rest[0], ["--help"]);
  } else if (first === "help" && rest[0] !== undefined && !rest[0].startsWith("-")) {
    throw unknownCommand(rest[0]);
  } else if (first === undefined || first === "help" || first === "--help" || first === "-h") {
    process.stdout.write(globalHelp());
  } else if (first === "--version" || first === "-v" || first === "version") {
    const { version } = await import("./version.js");
    process.stdout.write(`cria ${version()}\n`);
  } else {
    if (isModel(first)) {
      throw new UsageError(`"${first}" is a model, and a command comes first: cria run -m ${quoted(first)} "prompt"`);
    }
    const mistyped = nearest(first, ["--version", "--help"]);
    if (first.startsWith("-")) {
      throw new UsageError(`unknown option ${first}${mistyped || `; a command comes first, as in cria run ${first}`}`);
    }
    throw unknownCommand(first);
  }
}

function unknownCommand(name: string): UsageError {
  const other = Object.hasOwn(otherNames, name) ? `; did you mean ${otherNames[name]}?` : undefined;
  return new UsageError(`unknown command ${name}${other ?? nearest(name, Object.keys(commands))}`);
}
