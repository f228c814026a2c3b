// How a command fails: one line on stderr, and an exit code.

import { CriaError } from "../errors.js";
import { printable } from "../gguf/index.js";

/** The arguments make no sense. */
export class UsageError extends Error {}

/** Ctrl-C. */
export class Interrupted extends Error {}

/** The exit code: 2 for arguments that make no sense, 130 for Ctrl-C as shells have it, 1 for all else. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  return isUsage(error) ? 2 : 1;
}

/** The line for stderr. Messages quote files: what could steer a terminal is escaped. */
export function failureLine(error: unknown, commandName: string | undefined): string {
  const message = error instanceof Error ? error.message : String(error);
  const name = commandName === undefined ? "cria" : `cria ${commandName}`;
  const hint = isUsage(error) ? ` (${name} --help)` : "";
  return `cria: ${printable(message, Number.POSITIVE_INFINITY)}${hint}`;
}

/** Options that the library refuses came from the command line. */
function isUsage(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof CriaError && error.code === "INVALID_OPTION");
}
