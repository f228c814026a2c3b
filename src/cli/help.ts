// What --help prints, in lines that fit the terminal.

import type { Command, Option } from "./command.js";
import { commands } from "./commands.js";
import { helpColumns, helpTable } from "./help-table.js";
import { version } from "./version.js";
import { wrapped } from "./wrap.js";

export function globalHelp(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const);
  return [
    `cria ${version()}: a Llama inference engine for Node with no native code`,
    "",
    "usage: cria <command> [options]",
    "",
    ...helpTable(rows),
    "",
    ...wrapped(
      'cria run "Once upon a time" and cria chat need no model of yours: a small one comes with the package. ' +
        "cria <command> --help lists the options of a command; cria --version prints the version.",
      helpColumns(),
    ),
    "",
  ].join("\n");
}

/** What stands below "usage: ". */
const USAGE = " ".repeat("usage: ".length);

export function commandHelp(name: string, { usage, about, options }: Command): string {
  const rows = Object.values(options).map((option) => [spelling(option), option.help] as const);
  const [first, ...others] = wrapped(`usage: cria ${name} ${usage}`, helpColumns() - USAGE.length);
  const lines = [
    first,
    ...others.map((line) => USAGE + line),
    "",
    ...wrapped(about, helpColumns()),
    "",
    ...helpTable(rows),
    "",
  ];
  return lines.join("\n");
}

/** An option as help names it: "-c, --ctx-size N". */
function spelling({ flags, value }: Option): string {
  const spelled = flags.join(", ");
  return value === undefined ? spelled : `${spelled} ${value}`;
}
