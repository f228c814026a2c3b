// What was found out about wide kernels, on disk: one small file for each V8, processor and pair of modules. A file that cannot be read or
// is damaged counts as missing. Two processes that ask at the same time write the same; renaming is atomic.

import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../../cache-folder.js";
import type { Answer } from "./probe.js";

/** All that an answer depends on, as text. @param digest sha256 of the modules and of the program that tries them */
export async function questionOf(digest: string): Promise<string> {
  const { platform, arch, versions } = process;
  // A virtual machine may hide what a processor of this name has.
  const info = await readFile("/proc/cpuinfo", "latin1").catch(() => "");
  const flags = /^flags\s*:(.*)$/m.exec(info)?.[1]?.trim();
  return JSON.stringify({ v8: versions.v8, platform, arch, processor: cpus()[0]?.model, flags, digest });
}

/** The answer of an earlier process. */
export async function recall(question: string): Promise<Answer | undefined> {
  try {
    const kept = JSON.parse(await readFile(fileOf(question), "utf8")) as { question?: unknown; answer?: Answer } | null;
    if (kept?.question !== question) return undefined;
    const { answer } = kept;
    if (answer?.runs === true) return { runs: true };
    return answer?.runs === false && typeof answer.why === "string" ? { runs: false, why: answer.why } : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps an answer. Returns why that was not possible. */
export async function remember(question: string, answer: Answer): Promise<string | undefined> {
  const file = fileOf(question);
  const draft = `${file}.${randomUUID()}`;
  try {
    await mkdir(folder(), { recursive: true });
    await writeFile(draft, `${JSON.stringify({ question, answer })}\n`, { flag: "wx" });
    await rename(draft, file);
    return undefined;
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

function folder(): string {
  return join(cacheFolder(), "wide-kernels");
}

function fileOf(question: string): string {
  return join(folder(), `${createHash("sha256").update(question).digest("hex")}.json`);
}
