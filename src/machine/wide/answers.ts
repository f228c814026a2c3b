// What was found out about wide kernels, on disk: one small file for each V8, processor and pair of modules.

import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { recall as recallFrom, remember as rememberIn } from "../../cache-folder.js";
import type { Answer } from "./probe.js";

/** In the cache folder. */
const FOLDER = "wide-kernels";

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
  const answer = (await recallFrom(FOLDER, question)) as Answer | null | undefined;
  if (answer?.runs === true) return { runs: true };
  return answer?.runs === false && typeof answer.why === "string" ? { runs: false, why: answer.why } : undefined;
}

/** Keeps an answer. Returns why that was not possible. */
export function remember(question: string, answer: Answer): Promise<string | undefined> {
  return rememberIn(FOLDER, { question, answer });
}
