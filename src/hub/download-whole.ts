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
  validatorOf,
} from "./answers.js";
import { folderFailure } from "./folder-failure.js";
import { checkSpace, incompletePath, removeIncomplete } from "./partial-file.js";
import type { Answer } from "./request.js";
import { withRetries } from "./retries.js";

/** Brings a file. @throws DownloadError, or the signal's reason */
export async function downloadWhole(download: FileDownload) {
  return withRetries(download.signal, async () => {
    const answer = await ask(download, {});
    const length = answer.headers.get("content-length");
    const total = length === null ? undefined : Number(length);
    checkSize(download, answer, total);
    const size = await writeBody(download, answer, total);
    checkSize(download, answer, size);
    return { size, validator: validatorOf(answer) };
  });
}

async function writeBody(download: FileDownload, answer: Answer, total: number | undefined): Promise<number> {
  await removeIncomplete(download.path);
  const path = incompletePath(download.path);
  const handle = await open(path, "wx").catch((error) => {
    answer.cancel();
    throw folderFailure(path, error);
  });
  let written = 0;
  let head: Uint8Array | undefined = new Uint8Array(0);
  try {
    if (total !== undefined) await checkSpace(path, total);
    for await (const chunk of answer.body) {
      if (head !== undefined) {
        head = Buffer.concat([head, chunk]);
        if (head.length < MAGIC_BYTES) continue;
      }
      const bytes: Uint8Array = head ?? chunk;
      if (head !== undefined) checkMagic(download, head);
      head = undefined;
      await handle.write(bytes).catch((error) => {
        throw folderFailure(path, error);
      });
      written += bytes.length;
      download.onBytes(written, total);
    }
    if (total !== undefined && written < total) throw brokenOff(download, written, total);
    if (head !== undefined) throw notGguf(download, head);
    await handle.datasync();
    return written;
  } catch (error) {
    answer.cancel();
    throw error;
  } finally {
    await handle.close();
  }
}
