// What --help prints.

import type { Command, Option } from "./command.js";
import { commands } from "./commands.js";
import { version } from "./version.js";

export function globalHelp(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const);
  return [
    `cria ${version()}: a Llama inference engine for Node with no native code`,
    "",
    "usage: cria <command> [options]",
    "",
    ...columns(rows),
    "",
    "cria <command> --help lists the options of a command; cria --version prints the version.",
    "",
  ].join("\n");
}

export function commandHelp(name: string, { usage, about, options }: Command): string {
  const rows = Object.values(options).map((option) => [spelling(option), option.help] as const);
  return [`usage: cria ${name} ${usage}`, "", about, "", ...columns(rows), ""].join("\n");
}

function spelling({ flags, value }: Option): string {
  const spelled = flags.join(", ");
  return value === undefined ? spelled : `${spelled} ${value}`;
}

/** Two columns; where the first is too wide the second goes below it. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(36, Math.max(...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) => {
    const lines = right.split("\n").map((line) => `  ${" ".repeat(width)}  ${line}`);
    if (left.length > width) return [`  ${left}`, ...lines];
    return [`  ${left.padEnd(width)}${lines[0]!.slice(width + 2)}`, ...lines.slice(1)];
  });
}
