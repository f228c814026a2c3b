// What --help prints, in lines that fit the terminal.

import { styled } from "./color.js";
import type { Command, Option } from "./command.js";
import { commands } from "./commands.js";
import { version } from "./version.js";
import { columnsOf, wrapped } from "./wrap.js";

/** Wider lines are hard to read. */
const MOST_COLUMNS = 120;
/** The first column's width, where the second one is still wide enough. */
const WIDE_FLAGS = 36;
const NARROW_FLAGS = 24;

export function globalHelp(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const);
  return [
    `cria ${version()}: a Llama inference engine for Node with no native code`,
    "",
    "usage: cria <command> [options]",
    "",
    ...table(rows),
    "",
    ...wrapped(
      'cria run "Once upon a time" and cria chat need no model of yours: a small one comes with the package. ' +
        "cria <command> --help lists the options of a command; cria --version prints the version.",
      columns(),
    ),
    "",
  ].join("\n");
}

export function commandHelp(name: string, { usage, about, options }: Command): string {
  const rows = Object.values(options).map((option) => [spelling(option), option.help] as const);
  const lines = [`usage: cria ${name} ${usage}`, "", ...wrapped(about, columns()), "", ...table(rows), ""];
  return lines.join("\n");
}

function columns(): number {
  return Math.min(MOST_COLUMNS, columnsOf(process.stdout));
}

/** An option as help names it: "-c, --ctx-size N". */
function spelling({ flags, value }: Option): string {
  const spelled = flags.join(", ");
  return value === undefined ? spelled : `${spelled} ${value}`;
}

/** Two columns; where the first is too wide the second goes below it. */
function table(rows: readonly (readonly [string, string])[]): string[] {
  const most = columns() >= 100 ? WIDE_FLAGS : NARROW_FLAGS;
  const width = Math.min(most, Math.max(...rows.map(([left]) => left.length)));
  const bold = (text: string) => styled(process.stdout, "bold", text);
  return rows.flatMap(([left, right]) => {
    const lines = right.split("\n").flatMap((line) => wrapped(line, columns() - width - 4));
    const below = lines.map((line) => `  ${" ".repeat(width)}  ${line}`);
    if (left.length > width) return [`  ${bold(left)}`, ...below];
    return [`  ${bold(left)}${" ".repeat(width - left.length)}  ${lines[0]}`, ...below.slice(1)];
  });
}
