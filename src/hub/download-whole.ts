// A file in one answer, for servers without ranges, or whose files tell no version: a connection that breaks off begins anew.

import { open } from "node:fs/promises";
import {
  ask,
  brokenOff,
  checkMagic,
  checkSize,
  type FileDownload,
  MAGIC_BYTES,
  notGguf,
  rangeError,
  validatorOf,
} from "./answers.js";
import { folderFailure } from "./folder-failure.js";
import { checkSpace, incompletePath, removeIncomplete } from "./partial-file.js";
import type { Answer } from "./request.js";
import { withRetries } from "./retries.js";

/** Brings a file. @throws DownloadError, or the signal's reason */
export async function downloadWhole(download: FileDownload) {
  return withRetries(
    download.signal,
    async () => {
      const answer = await ask(download, {});
      if (answer.status !== 200) throw rangeError(download, answer, "the whole file was asked for");
      const length = answer.headers.get("content-length");
      const total = length === null ? undefined : Number(length);
      checkSize(download, answer, total);
      const size = await writeBody(download, answer, total);
      checkSize(download, answer, size);
      return { size, validator: validatorOf(answer) };
    },
    download.watch,
  );
}

async function writeBody(download: FileDownload, answer: Answer, total: number | undefined): Promise<number> {
  const path = incompletePath(download.path);
  /** Does something with the file. */
  const onDisk = <Result>(work: Promise<Result>): Promise<Result> => {
    return work.catch((error) => {
      answer.cancel();
      throw folderFailure(path, error);
    });
  };
  await onDisk(removeIncomplete(download.path));
  const handle = await onDisk(open(path, "wx"));
  let written = 0;
  let head: Uint8Array | undefined = new Uint8Array(0);
  try {
    if (total !== undefined) await onDisk(checkSpace(path, total));
    for await (const chunk of answer.body) {
      if (head !== undefined) {
        head = Buffer.concat([head, chunk]);
        if (head.length < MAGIC_BYTES) continue;
      }
      const bytes: Uint8Array = head ?? chunk;
      if (head !== undefined) checkMagic(download, head);
      head = undefined;
      await onDisk(handle.writeFile(bytes));
      written += bytes.length;
      download.onBytes(written, total);
    }
    if (total !== undefined && written < total) throw brokenOff(download, written, total);
    if (head !== undefined) throw notGguf(download, head);
    await onDisk(handle.datasync());
    return written;
  } catch (error) {
    answer.cancel();
    throw error;
  } finally {
    await onDisk(handle.close());
  }
}
