// A file in parts that arrive side by side. Each part goes on where its connection broke off.

import { printable } from "../errors.js";
import { ask, brokenOff, changed, contentRange, type FileDownload, rangeError, validatorOf } from "./answers.js";
import type { Part, PartialFile } from "./partial-file.js";
import { withRetries } from "./retries.js";

const CONNECTIONS = 4;

interface Version {
  readonly size: number;
  readonly validator: string;
}

/** Brings what is missing of a file. @throws DownloadError, or the signal's reason */
export async function downloadParts(download: FileDownload, file: PartialFile, version: Version): Promise<void> {
  const report = () => download.onBytes(file.received, version.size);
  const missing = file.parts.filter((part) => part.done < part.to - part.from);
  // One part that fails ends the others.
  const controller = new AbortController();
  const abort = () => controller.abort(download.signal?.reason);
  download.signal?.addEventListener("abort", abort, { once: true });
  if (download.signal?.aborted) abort();
  const partDownload = { ...download, signal: controller.signal };
  const connection = async () => {
    for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
      await downloadPart(partDownload, file, part, version, report);
    }
  };
  try {
    report();
    const connections = Array.from({ length: CONNECTIONS }, async () => {
      try {
        await connection();
      } catch (error) {
        controller.abort(error);
        throw error;
      }
    });
    const results = await Promise.allSettled(connections);
    if (results.some(({ status }) => status === "rejected")) throw controller.signal.reason;
  } finally {
    download.signal?.removeEventListener("abort", abort);
  }
}

async function downloadPart(
  download: FileDownload,
  file: PartialFile,
  part: Part,
  version: Version,
  report: () => void,
): Promise<void> {
  // The digest tells versions apart for certain; without one each answer is held against the first one's validator.
  const watched = download.expected === undefined;
  const strong = watched && version.validator.startsWith('"');
  await withRetries(
    download.signal,
    async (progress) => {
      const from = part.from + part.done;
      const answer = await ask(download, {
        range: `bytes=${from}-${part.to - 1}`,
        ...(strong && { "if-range": version.validator }),
      });
      if (answer.status === 416 || (watched && validatorOf(answer) !== version.validator)) {
        throw changed(
          download,
          answer,
          `${printable(version.validator)} then, ${printable(validatorOf(answer) ?? "no version")} now`,
        );
      }
      if (answer.status !== 206) throw rangeError(download, answer, "the first range came, a later one did not");
      const range = contentRange(download, answer);
      if (range.size !== version.size) {
        throw changed(download, answer, `${version.size} bytes then, ${range.size} now`);
      }
      if (range.from !== from || range.to !== part.to) {
        throw rangeError(download, answer, `bytes ${from} to ${part.to - 1} were asked for`);
      }
      for await (const chunk of answer.body) {
        if (part.from + part.done + chunk.length > part.to) {
          throw rangeError(download, answer, `more than ${part.to - from} bytes arrived`);
        }
        await file.append(part, chunk);
        progress();
        report();
      }
      if (part.from + part.done < part.to) throw brokenOff(download, part.from + part.done - from, part.to - from);
    },
    download.watch,
  );
}
