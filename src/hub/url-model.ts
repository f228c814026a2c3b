// A model of a plain URL, kept in a cache of our own.
//
//   URLS/DIGEST OF THE URL/model.gguf        the file, under the name that the URL has for it; the parts of a split model side by side
//   URLS/DIGEST OF THE URL/model.gguf.json   { url, size, validator }: what was brought, to ask whether it has changed

import { createHash } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { DownloadError, printableUrl } from "../errors.js";
import { makeFolder } from "../make-folder.js";
import { validatorOf } from "./answers.js";
import { partsOf } from "./choose-file.js";
import { downloadFile, type FileVersion } from "./download-file.js";
import { folderFailure } from "./folder-failure.js";
import { withLock } from "./lock.js";
import type { DownloadOptions } from "./options.js";
import { writeWhole } from "./partial-file.js";
import { byteReporter } from "./progress.js";
import { checkUrlStatus } from "./refusals.js";
import { Interruption, request } from "./request.js";
import type { Settings } from "./settings.js";

/** Brings a model into the cache, and returns its (first) file's path there. @throws DownloadError, or the signal's reason */
export async function urlModel(url: URL, settings: Settings, options: DownloadOptions): Promise<string> {
  const folder = urlFolder(settings.urlCache, url);
  const parts = partsOf(url.pathname);
  const paths: string[] = [];
  for (const [index, pathname] of parts.entries()) {
    const partUrl = new URL(url);
    partUrl.pathname = pathname;
    const path = join(folder, nameOf(partUrl));
    paths.push(path);
    await bring(partUrl, path, settings, options, byteReporter(options.onProgress, path, index + 1, parts.length));
  }
  return paths[0]!;
}

/** Where the files of a URL are kept. */
export function urlFolder(urlCache: string, { href }: URL): string {
  return join(urlCache, createHash("sha256").update(href).digest("hex").slice(0, 32));
}

async function bring(
  url: URL,
  path: string,
  settings: Settings,
  options: DownloadOptions,
  onBytes: (received: number, total: number | undefined) => void,
): Promise<void> {
  const { idleMilliseconds, offline, watch } = settings;
  const { signal } = options;
  const cached = await readCached(path);
  if (cached !== undefined && (offline || (await isCurrent(url, cached, settings, signal)))) return;
  if (offline) {
    const message = `${printableUrl(url)} is not in the cache (${path}), and nothing is fetched offline`;
    throw new DownloadError("DOWNLOAD_OFFLINE", message);
  }
  await makeFolder(join(path, "..")).catch((error) => {
    throw folderFailure(path, error);
  });
  await withLock(`${path}.cria-lock`, signal, watch, async () => {
    // Whoever had the lock before may just have brought it.
    const now = await readCached(path);
    if (now !== undefined && !isSame(now, cached)) return;
    const version = await downloadFile({
      url,
      token: undefined,
      path,
      expected: undefined,
      idleMilliseconds,
      watch,
      signal,
      checkStatus: (answer) => checkUrlStatus(url, answer),
      onBytes,
    });
    await writeWhole(recordPath(path), JSON.stringify({ url: printableUrl(url), ...version })).catch(async (error) => {
      await rm(path, { force: true }).catch(() => undefined); // without a record it would be fetched again
      throw folderFailure(path, error);
    });
  });
}

/** The version that is in the cache; undefined where there is none, or not all of it. */
async function readCached(path: string): Promise<FileVersion | undefined> {
  try {
    const { size, validator } = JSON.parse(await readFile(recordPath(path), "utf8")) as FileVersion;
    return (await stat(path)).size === size ? { size, validator } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the server has the version that is in the cache. If it cannot be reached, or names no versions, the cache will do. */
async function isCurrent(
  url: URL,
  { size, validator }: FileVersion,
  { idleMilliseconds, watch }: Settings,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const headers: Record<string, string> = { range: "bytes=0-0" };
  if (validator !== undefined && /^(W\/)?"/.test(validator)) headers["if-none-match"] = validator;
  try {
    const answer = await request(url, { headers, signal, idleMilliseconds, watch });
    answer.cancel();
    if (answer.status === 304) return true;
    checkUrlStatus(url, answer);
    const total =
      /\/(\d+)$/.exec(answer.headers.get("content-range") ?? "")?.[1] ?? answer.headers.get("content-length");
    return validatorOf(answer) === validator && (total === null || Number(total) === size);
  } catch (error) {
    if (error instanceof Interruption) return true;
    throw error;
  }
}

function isSame(a: FileVersion, b: FileVersion | undefined): boolean {
  return a.size === b?.size && a.validator === b.validator;
}

function recordPath(path: string): string {
  return `${path}.json`;
}

/** The name that a URL has for its file, in letters that every system takes. */
function nameOf(url: URL): string {
  const name = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  return name.replace(/^\.+|[^\w.-]/g, "_").slice(-200) || "model.gguf";
}
