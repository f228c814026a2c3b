// Text that a command works on: from a file, or from stdin where that is not the terminal.

import { readFile } from "node:fs/promises";
import { CriaError } from "../errors.js";
import { UsageError } from "./failure.js";

/** The text of a file, without its last newline, as llama.cpp reads prompts. "-" is stdin. */
export async function readTextFile(path: string): Promise<string> {
  if (path === "-") return readStdin();
  try {
    return withoutLastNewline(await readFile(path, "utf8"));
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    const reason =
      code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a directory" : `cannot be read: ${code}`;
    throw new CriaError("INPUT_UNREADABLE", `${path} ${reason}`, { cause });
  }
}

/** Texts that are arguments; without any, each line of a file, or of stdin, is one. `what` one of them is called. */
export async function readLines(
  what: string,
  given: readonly string[],
  file: string | undefined,
): Promise<readonly string[]> {
  if (given.length > 0) {
    if (file !== undefined) throw new UsageError(`${what} is an argument, or a line of a file (-f): not both`);
    return given;
  }
  const text = file === undefined ? await readPipe(what) : await readTextFile(file);
  if (text === "") throw new UsageError(`${what} is missing: the input is empty`);
  return text.split(/\r?\n/);
}

/** All of stdin, without its last newline. @throws UsageError at a terminal, where nobody would know what is waited for */
export async function readPipe(what: string): Promise<string> {
  if (process.stdin.isTTY)
    throw new UsageError(`${what} is missing: give it as an argument, in a file (-f), or on stdin`);
  return readStdin();
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return withoutLastNewline(Buffer.concat(chunks).toString("utf8"));
}

function withoutLastNewline(text: string): string {
  return text.replace(/\r?\n$/, "");
}
