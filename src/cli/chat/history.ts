// The messages that were typed in earlier conversations, so that the arrow keys find them again: one file, readable by its owner only.
//
//   "a message"\n           one JSON string in each line, the oldest first: a message may have several lines

import { appendFileSync, chmodSync, lstatSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { makeFolderSync } from "../../make-folder.js";

/** Messages that are kept. */
const MOST = 1000;
const OWNER_ONLY = 0o600;

/** Where the history is kept: where CRIA_HISTORY says, else among what programs remember of their user. Undefined: nowhere. */
function historyPath(environment = process.env): string | undefined {
  const named = environment["CRIA_HISTORY"];
  if (named === "off") return undefined;
  if (named !== undefined && named !== "") return named;
  const state = environment["XDG_STATE_HOME"];
  if (state !== undefined && state !== "") return join(state, "cria", "chat-history");
  if (process.platform === "win32") {
    return join(environment["LOCALAPPDATA"] || join(homedir(), "AppData", "Local"), "cria", "chat-history");
  }
  return join(homedir(), ".local", "state", "cria", "chat-history");
}

export class History {
  /** The oldest first. */
  readonly messages: readonly string[];
  readonly #path: string | undefined;
  readonly #onFailure: (reason: string) => void;
  #hasFailed = false;

  private constructor(messages: readonly string[], path: string | undefined, onFailure: (reason: string) => void) {
    this.messages = messages;
    this.#path = path;
    this.#onFailure = onFailure;
  }

  /** A history that keeps nothing. */
  static none(): History {
    return new History([], undefined, () => undefined);
  }

  /** The one that is kept. `onFailure` is told once why it cannot be read or written: a conversation goes on without. */
  static open(onFailure: (reason: string) => void): History {
    const path = historyPath();
    if (path === undefined) return History.none();
    try {
      if (!lstatSync(path).isFile()) throw new Error("it is not a file"); // such as /dev/null
      const lines = readFileSync(path, "utf8").split("\n");
      const messages = lines.map(messageOf).filter((message) => message !== undefined);
      chmodSync(path, OWNER_ONLY);
      if (messages.length > 2 * MOST) shorten(path, messages);
      return new History(messages.slice(-MOST), path, onFailure);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "ENOENT") onFailure(`${path}: ${code ?? (error as Error).message}`);
      return new History([], code === "ENOENT" ? path : undefined, onFailure);
    }
  }

  add(message: string): void {
    if (this.#path === undefined || this.#hasFailed) return;
    try {
      makeFolderSync(dirname(this.#path), 0o700);
      appendFileSync(this.#path, `${JSON.stringify(message)}\n`, { mode: OWNER_ONLY });
    } catch (error) {
      this.#hasFailed = true;
      this.#onFailure(`${this.#path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    }
  }
}

/** A line's message; undefined for one that was cut off, or that somebody else wrote. */
function messageOf(line: string): string | undefined {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

/** Drops the oldest messages. Whoever reads the file meanwhile has the old one or the new one. */
function shorten(path: string, messages: readonly string[]): void {
  const draft = `${path}.${process.pid}`;
  const lines = messages.slice(-MOST).map((message) => `${JSON.stringify(message)}\n`);
  writeFileSync(draft, lines.join(""), { mode: OWNER_ONLY });
  renameSync(draft, path);
}
