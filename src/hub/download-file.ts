// One file from a server to the disk.
//
//   1  ask for the first bytes: are there ranges? how long is it? which version? is it GGUF at all?
//   2  ranges, and a version that shows when the file changes: in parts. Otherwise: in one answer
//   3  check the digest, if it is known, and give the file its name

import { DownloadError, printableUrl } from "../errors.js";
import {
  ask,
  brokenOff,
  checkMagic,
  checkSize,
  contentRange,
  type FileDownload,
  notGguf,
  rangeError,
  validatorOf,
} from "./answers.js";
import { digestOf } from "./digest.js";
import { downloadParts } from "./download-parts.js";
import { downloadWhole } from "./download-whole.js";
import { folderFailure } from "./folder-failure.js";
import {
  finishFile,
  incompletePath,
  isResumable,
  LEAST_PART_BYTES,
  PartialFile,
  removeIncomplete,
} from "./partial-file.js";
import { withRetries } from "./retries.js";

/** A file as the server has it: both tell one version from another. */
export interface FileVersion {
  readonly size: number;
  /** Undefined where the server names none. */
  readonly validator: string | undefined;
}

/** Brings a file. What a later try cannot use is removed when it fails. @throws DownloadError, or the signal's reason */
export async function downloadFile(download: FileDownload): Promise<FileVersion> {
  const { path, signal } = download;
  const start = await withRetries(signal, () => firstBytes(download), download.watch);
  const validator = download.expected?.digest.hex ?? start?.validator;
  try {
    let version: FileVersion;
    if (start === undefined || validator === undefined) {
      version = await downloadWhole(download);
    } else {
      version = { size: start.size, validator: start.validator };
      await inParts(download, start, validator);
    }
    await checkDigest(download);
    await finishFile(path);
    return version;
  } catch (error) {
    const wrong = error instanceof DownloadError && ["DOWNLOAD_CHANGED", "DOWNLOAD_CHECKSUM"].includes(error.code);
    if (wrong || !(await isResumable(path))) await removeIncomplete(path).catch(() => undefined);
    throw error;
  }
}

async function inParts(download: FileDownload, start: { size: number; bytes: Uint8Array }, validator: string) {
  const { size, bytes } = start;
  const file = await PartialFile.open(download.path, size, validator);
  try {
    const [first] = file.parts;
    if (first!.done < bytes.length) {
      first!.done = 0;
      await file.append(first!, bytes);
    }
    await downloadParts(download, file, { size, validator });
  } finally {
    await file.close();
  }
}

/** The first bytes; undefined where the server has no ranges. */
async function firstBytes(download: FileDownload) {
  const answer = await ask(download, { range: `bytes=0-${LEAST_PART_BYTES - 1}` });
  if (answer.status === 416) throw notGguf(download, new Uint8Array(0));
  if (answer.status !== 206) {
    answer.cancel();
    return undefined;
  }
  const { from, to, size } = contentRange(download, answer);
  if (from !== 0 || to !== Math.min(size, LEAST_PART_BYTES)) {
    throw rangeError(download, answer, `bytes 0 to ${LEAST_PART_BYTES - 1} were asked for`);
  }
  checkSize(download, answer, size);
  const bytes = new Uint8Array(to);
  let filled = 0;
  for await (const chunk of answer.body) {
    if (filled + chunk.length > to) throw rangeError(download, answer, `more than ${to} bytes arrived`);
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled < to) throw brokenOff(download, filled, to);
  checkMagic(download, bytes);
  return { size, bytes, validator: validatorOf(answer) };
}

async function checkDigest({ path, url, expected, signal, watch }: FileDownload): Promise<void> {
  if (expected === undefined) return;
  watch?.waitFor("the check of the file that has arrived");
  const { algorithm, hex } = expected.digest;
  const actual = await digestOf(incompletePath(path), algorithm, signal).catch((error) => {
    signal?.throwIfAborted();
    throw folderFailure(path, error);
  });
  if (actual === hex) return;
  const what = algorithm === "git" ? "git hash" : "sha256";
  const message = `${printableUrl(url)}: the ${what} of what arrived is ${actual}, the hub says ${hex}; it was removed`;
  throw new DownloadError("DOWNLOAD_CHECKSUM", message);
}
