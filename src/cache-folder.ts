// Where cria keeps what it can bring or find out again.

import { createHash, randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { makeFolder } from "./make-folder.js";

/** The folder that CRIA_CACHE names, else `cria` in the system's folder of caches. It may not exist yet. */
export function cacheFolder(): string {
  return variable("CRIA_CACHE") ?? join(systemCache(), "cria");
}

/** An environment variable; one that is empty is not set. */
function variable(name: string): string | undefined {
  return process.env[name] || undefined;
}

function systemCache(): string {
  const named = variable("XDG_CACHE_HOME");
  if (named !== undefined) return named;
  if (process.platform === "win32") return variable("LOCALAPPDATA") ?? join(homedir(), "AppData", "Local");
  return process.platform === "darwin" ? join(homedir(), "Library", "Caches") : join(homedir(), ".cache");
}

/** What was found out once: a small file for each question. */
export interface Finding {
  /** All that the answer depends on, as text. */
  readonly question: string;
  readonly answer: unknown;
}

/** The answer to a question, of an earlier process. A file that cannot be read or is damaged counts as missing: undefined. */
export async function recall(folder: string, question: string): Promise<unknown> {
  try {
    const kept = JSON.parse(await readFile(fileOf(folder, question), "utf8")) as Partial<Finding> | null;
    return kept?.question === question ? kept.answer : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Keeps an answer, in a folder of the cache folder. Two processes that do so at the same time do not disturb each other, because renaming
 * is atomic. Returns why it was not possible.
 */
export async function remember(folder: string, { question, answer }: Finding): Promise<string | undefined> {
  const file = fileOf(folder, question);
  const draft = `${file}.${randomUUID()}`;
  try {
    await makeFolder(join(cacheFolder(), folder));
    await writeFile(draft, `${JSON.stringify({ question, answer })}\n`, { flag: "wx" });
    await rename(draft, file);
    return undefined;
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

function fileOf(folder: string, question: string): string {
  return join(cacheFolder(), folder, `${createHash("sha256").update(question).digest("hex")}.json`);
}
