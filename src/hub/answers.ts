// The answers of a server that a file comes from, held against what was asked for. Whoever throws drops the connection.

import { DownloadError, printable, printableUrl } from "../errors.js";
import { likelyMistake } from "../gguf/magic.js";
import type { Digest } from "./digest.js";
import { type Answer, Interruption, request } from "./request.js";
import type { SilenceWatch } from "./silence.js";

/** One file that is to be brought. */
export interface FileDownload {
  readonly url: URL;
  readonly token: string | undefined;
  /** Where the file goes. */
  readonly path: string;
  /** What is known of it beforehand. */
  readonly expected: { readonly size: number; readonly digest: Digest } | undefined;
  readonly idleMilliseconds: number;
  readonly watch: SilenceWatch | undefined;
  readonly signal: AbortSignal | undefined;
  /** Throws where an answer's status is a refusal. */
  readonly checkStatus: (answer: Answer) => void;
  /** Bytes that are there, and how many there are to be. */
  readonly onBytes: (received: number, total: number | undefined) => void;
}

/** Bytes that tell what a file is that is not GGUF. */
export const MAGIC_BYTES = 24;

/** Asks for a file or a range of it. @throws Interruption, DownloadError, or the signal's reason */
export async function ask(download: FileDownload, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const { url, token, signal, idleMilliseconds, watch } = download;
  const answer = await request(url, { headers, token, signal, idleMilliseconds, watch });
  try {
    if (answer.status !== 416) download.checkStatus(answer);
    const encoding = answer.headers.get("content-encoding") ?? "identity";
    if (encoding !== "identity")
      throw rangeError(download, answer, `it comes as ${printable(encoding)}, which was not asked for`);
    return answer;
  } catch (error) {
    answer.cancel();
    throw error;
  }
}

/** What changes when the file does: its entity tag, else its date. */
export function validatorOf({ headers }: Answer): string | undefined {
  return headers.get("etag") ?? headers.get("last-modified") ?? undefined;
}

/** Which bytes an answer of status 206 has: `from` to before `to`, of `size`. */
export function contentRange(download: FileDownload, answer: Answer) {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.headers.get("content-range") ?? "");
  const [from, last, size] = (match ?? []).slice(1).map(Number);
  if (from === undefined || last === undefined || !Number.isSafeInteger(size)) {
    throw rangeError(download, answer, "Content-Range must be bytes N-M/SIZE");
  }
  return { from, to: last + 1, size: size! };
}

/** Holds a size that the server tells against the one that is known. */
export function checkSize({ url, expected }: FileDownload, answer: Answer, size: number | undefined): void {
  if (expected === undefined || size === undefined || size === expected.size) return;
  answer.cancel();
  throw new DownloadError(
    "DOWNLOAD_SIZE",
    `${printableUrl(url)}: the hub says ${expected.size} bytes, the server ${size}`,
  );
}

/** @throws DownloadError DOWNLOAD_NOT_GGUF where a file begins with other bytes than a model */
export function checkMagic(download: FileDownload, bytes: Uint8Array): void {
  if (Buffer.from(bytes.subarray(0, 4)).toString("latin1") !== "GGUF") throw notGguf(download, bytes);
}

export function notGguf({ url }: FileDownload, bytes: Uint8Array): DownloadError {
  const what = bytes.length === 0 ? "it is empty" : likelyMistake(bytes.subarray(0, MAGIC_BYTES));
  return new DownloadError("DOWNLOAD_NOT_GGUF", `${printableUrl(url)} is not a GGUF file: ${what}`);
}

export function rangeError({ url }: FileDownload, answer: Answer, message: string): DownloadError {
  answer.cancel();
  const range = printable(answer.headers.get("content-range") ?? "no Content-Range");
  return new DownloadError("DOWNLOAD_RANGE", `${printableUrl(url)}: status ${answer.status}, ${range}: ${message}`);
}

export function changed({ url }: FileDownload, answer: Answer, message: string): DownloadError {
  answer.cancel();
  return new DownloadError("DOWNLOAD_CHANGED", `${printableUrl(url)} was changed while it was downloaded: ${message}`);
}

/** Fewer bytes than were announced, and no error of the connection. */
export function brokenOff({ url }: FileDownload, received: number, expected: number): Interruption {
  const message = `${printableUrl(url)}: the connection ended after ${received} of ${expected} bytes`;
  return new Interruption(new DownloadError("DOWNLOAD_CONNECTION", message));
}
