// A model of the hub: which file, from the cache or the network, into the cache.

import { join } from "node:path";
import { DownloadError, printable } from "../errors.js";
import { makeFolder } from "../make-folder.js";
import { chooseFile, modelFiles, partsOf } from "./choose-file.js";
import { downloadFile } from "./download-file.js";
import { folderFailure } from "./folder-failure.js";
import { HubCache } from "./hub-cache.js";
import { type HubFile, type HubListing, listRepository } from "./hub-listing.js";
import { withLock } from "./lock.js";
import type { DownloadOptions } from "./options.js";
import { byteReporter } from "./progress.js";
import type { HubReference } from "./reference.js";
import { checkHubStatus } from "./refusals.js";
import { Interruption } from "./request.js";
import { withRetries } from "./retries.js";
import type { Settings } from "./settings.js";

/** Brings a model into the cache, and returns its path there. @throws DownloadError, or the signal's reason */
export async function hubModel(reference: HubReference, settings: Settings, options: DownloadOptions): Promise<string> {
  const cache = new HubCache(settings.hubCache, reference.repo);
  const known = await cache.commitOf(reference.revision);
  const cached = known === undefined ? undefined : await cache.find(known, reference);
  // A commit does not change: what is there of it by name is what the hub has.
  const settled = known === reference.revision && reference.file !== undefined;
  if (cached !== undefined && (settled || settings.offline)) return cached;
  if (settings.offline) throw notCached(reference, cache);
  const listing = await currentListing(reference, settings, cached !== undefined, options.signal);
  if (listing === undefined) return cached!;
  const { commit } = listing;
  const files = filesOf(reference, listing);
  const context: Context = { reference, settings, cache, commit, options };
  for (const [index, file] of files.entries()) await bring(context, file, index, files.length);
  await cache.setCommit(reference.revision, commit);
  return cache.snapshotPath(commit, files[0]!.path);
}

/** What the hub has; undefined where it cannot be reached and the cache will do. */
async function currentListing(
  reference: HubReference,
  settings: Settings,
  isCached: boolean,
  signal: AbortSignal | undefined,
): Promise<HubListing | undefined> {
  const list = () => listRepository(reference, settings, signal);
  if (!isCached) return withRetries(signal, list, settings.watch);
  return list().catch((error) => {
    if (error instanceof Interruption) return undefined;
    throw error;
  });
}

/** The file that a reference means, with all its parts. */
export function filesOf({ repo, file, quant }: HubReference, { files }: HubListing): readonly HubFile[] {
  const paths = [...files.keys()];
  const chosen = file ?? chooseFile(paths, quant);
  if (chosen === undefined) {
    const models = modelFiles(paths);
    const what = quant === undefined || models.length === 0 ? "GGUF file" : `file of "${printable(quant)}"`;
    const others =
      models.length === 0
        ? ""
        : `; it has ${models
            .slice(0, 50)
            .map((path) => printable(path))
            .join(", ")}`;
    throw new DownloadError("HUB_NOT_FOUND", `${repo} has no ${what}${others}`);
  }
  return partsOf(chosen).map((path) => {
    const found = files.get(path);
    if (found !== undefined) return found;
    throw new DownloadError("HUB_NOT_FOUND", `${repo} has no file "${printable(path)}"`);
  });
}

interface Context {
  readonly reference: HubReference;
  readonly settings: Settings;
  readonly cache: HubCache;
  readonly commit: string;
  readonly options: DownloadOptions;
}

async function bring(context: Context, file: HubFile, index: number, count: number): Promise<void> {
  const { reference, settings, cache, commit, options } = context;
  if (await cache.has(commit, file)) return;
  const path = cache.blobPath(file);
  await makeFolder(join(cache.folder, "blobs")).catch((error) => {
    throw folderFailure(path, error);
  });
  await withLock(`${path}.cria-lock`, options.signal, settings.watch, async () => {
    if (await cache.has(commit, file)) return;
    if (!(await cache.hasBlob(file))) {
      const name = file.path.split("/").map(encodeURIComponent).join("/");
      const report = byteReporter(options.onProgress, file.path, index + 1, count);
      await downloadFile({
        url: new URL(`${settings.endpoint}/${reference.repo}/resolve/${commit}/${name}`),
        token: settings.token,
        path,
        expected: { size: file.size, digest: file.digest },
        idleMilliseconds: settings.idleMilliseconds,
        watch: settings.watch,
        signal: options.signal,
        checkStatus: (answer) => checkHubStatus({ ...reference, file: file.path }, settings.token, answer),
        onBytes: report,
      });
    }
    await cache.link(commit, file);
  });
}

function notCached({ repo, revision, file, quant }: HubReference, cache: HubCache): DownloadError {
  const what = file ?? quant ?? "a model";
  const at = revision === "main" ? "" : ` at "${printable(revision)}"`;
  const message = `${printable(what)} of ${repo}${at} is not in the cache (${cache.folder}), and nothing is fetched offline`;
  return new DownloadError("DOWNLOAD_OFFLINE", message);
}
