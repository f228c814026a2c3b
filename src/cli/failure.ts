// How a command fails: one line on stderr, and an exit code.

import { CriaError } from "../errors.js";
import { printable } from "../gguf/index.js";
import type { OptionTable } from "./command.js";

/** The arguments make no sense. */
export class UsageError extends Error {}

/** Ctrl-C. */
export class Interrupted extends Error {}

/** The exit code: 2 for arguments that make no sense, 130 for Ctrl-C as shells have it, 1 for all else. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  return isUsage(error) ? 2 : 1;
}

/** The line for stderr. Messages quote files: what could steer a terminal is escaped. `options` are those of the command. */
export function failureLine(error: unknown, commandName: string | undefined, options: OptionTable = {}): string {
  const message = error instanceof CriaError ? withFlags(error, options) : messageOf(error);
  const name = commandName === undefined ? "cria" : `cria ${commandName}`;
  const hint = isUsage(error) ? ` (${name} --help)` : "";
  return `cria: ${printable(message, Number.POSITIVE_INFINITY)}${hint}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the library says of its options, and which others would do, in the words of the command line. */
function withFlags({ code, message }: CriaError, options: OptionTable): string {
  const flagOf = (name: string) =>
    [name, `sampling.${name}`].flatMap((key) => (Object.hasOwn(options, key) ? options[key]!.flags : []))[0];
  if (code === "INVALID_OPTION") return message.replace(/^\w+(?= must be | is set,)/, (name) => flagOf(name) ?? name);
  if (code !== "MEMORY_EXCEEDED") return message;
  return message
    .replace(/(\w+): true\b/g, (text, name) => flagOf(name) ?? text)
    .replace(/(\w+) (?:"(\w+)"|(\d+))(?![.\d])/g, (text, name, word, count) =>
      flagOf(name) === undefined ? text : `${flagOf(name)} ${word ?? count}`,
    );
}

/** Options that the library refuses came from the command line. */
function isUsage(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof CriaError && error.code === "INVALID_OPTION");
}
