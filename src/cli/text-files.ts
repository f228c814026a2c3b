// Files of texts, read line by line, so that they may be of any size.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { CriaError } from "../errors.js";
import { UsageError } from "./failure.js";

/** A text of a file. */
export interface FileText {
  readonly text: string;
  /** What the file calls it: the field `id` of a line of JSON. */
  readonly id: unknown;
  /** Where it stands, for messages: "texts.jsonl:12". */
  readonly place: string;
}

/**
 * The texts of files, one after another; "-" is stdin. Each line is a text. In a file whose name ends with .jsonl or .ndjson, each line
 * is a string of JSON, or an object with a `text` and perhaps an `id`; empty lines are passed over.
 *
 * @throws CriaError INPUT_UNREADABLE; UsageError for any other line
 */
export async function* textsOfFiles(paths: readonly string[]): AsyncGenerator<FileText> {
  for (const path of paths) {
    const isJson = /\.(jsonl|ndjson)$/i.test(path);
    let line = 0;
    for await (const content of linesOf(path)) {
      const place = `${path}:${++line}`;
      if (!isJson) yield { text: content, id: undefined, place };
      else if (content.trim() !== "") yield { ...jsonText(content, place), place };
    }
  }
}

function jsonText(line: string, place: string): { readonly text: string; readonly id: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UsageError(`${place} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value === "string") return { text: value, id: undefined };
  const { text, id } = (value ?? {}) as { text?: unknown; id?: unknown };
  if (typeof text === "string") return { text, id };
  throw new UsageError(`${place} must be a string, or an object with the string "text"`);
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const input: NodeJS.ReadableStream = path === "-" ? process.stdin : createReadStream(path);
  let failed: NodeJS.ErrnoException | undefined;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  input.on("error", (error: NodeJS.ErrnoException) => {
    failed = error; // which ends the lines without a word
    lines.close();
  });
  yield* lines;
  if (failed === undefined) return;
  const reason = { ENOENT: "does not exist", EISDIR: "is a directory" }[failed.code ?? ""];
  throw new CriaError("INPUT_UNREADABLE", `${path} ${reason ?? `cannot be read: ${failed.code}`}`, { cause: failed });
}
