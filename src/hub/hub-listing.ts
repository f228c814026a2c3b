// What is in a repository of the hub: one request tells the commit of a revision and every file with its size and digest.

import { DownloadError } from "../errors.js";
import type { Digest } from "./digest.js";
import { type HubReference, isSafePath } from "./reference.js";
import { checkHubStatus } from "./refusals.js";
import { request } from "./request.js";
import type { Settings } from "./settings.js";

export interface HubFile {
  readonly path: string;
  readonly size: number;
  readonly digest: Digest;
}

export interface HubListing {
  readonly commit: string;
  /** The files that a cache can hold, by path. */
  readonly files: ReadonlyMap<string, HubFile>;
}

const MOST_BYTES = 2 ** 26;

/** @throws Interruption, DownloadError HUB_LISTING, HUB_GATED, HUB_NOT_FOUND, DOWNLOAD_STATUS, or the signal's reason */
export async function listRepository(
  reference: HubReference,
  { endpoint, token, idleMilliseconds, watch }: Settings,
  signal: AbortSignal | undefined,
): Promise<HubListing> {
  const { repo, revision } = reference;
  const url = new URL(`${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`);
  const answer = await request(url, { token, signal, idleMilliseconds, watch });
  const chunks: Uint8Array[] = [];
  try {
    checkHubStatus(reference, token, answer);
    let bytes = 0;
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) throw unusable(repo, `it has more than ${MOST_BYTES} bytes`);
      chunks.push(chunk);
    }
  } finally {
    answer.cancel();
  }
  return readListing(repo, Buffer.concat(chunks).toString("utf8"));
}

function readListing(repo: string, text: string): HubListing {
  let listing: { sha?: unknown; siblings?: unknown };
  try {
    listing = JSON.parse(text) ?? {};
  } catch {
    throw unusable(repo, "it is not JSON");
  }
  const { sha, siblings } = listing;
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) throw unusable(repo, "it names no commit");
  if (!Array.isArray(siblings)) throw unusable(repo, "it lists no files");
  const files = siblings.map((row, i) => readFile(repo, row, i)).filter((file) => file !== undefined);
  return { commit: sha, files: new Map(files.map((file) => [file.path, file])) };
}

interface ListedFile {
  readonly rfilename?: unknown;
  readonly size?: unknown;
  readonly blobId?: unknown;
  readonly lfs?: { readonly sha256?: unknown; readonly size?: unknown } | null;
}

/** A row of the listing; undefined where it is none that could be kept in a folder and checked. */
function readFile(repo: string, row: unknown, index: number): HubFile | undefined {
  if (typeof row !== "object" || row === null) throw unusable(repo, `siblings[${index}] must be an object`);
  const { rfilename: path, lfs, blobId, size: ownSize }: ListedFile = row;
  const size = lfs?.size ?? ownSize;
  if (typeof path !== "string" || !isSafePath(path)) return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
  const sha256 = lfs?.sha256;
  if (typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256)) {
    return { path, size, digest: { algorithm: "sha256", hex: sha256 } };
  }
  if ((lfs ?? undefined) === undefined && typeof blobId === "string" && /^[0-9a-f]{40}$/.test(blobId)) {
    return { path, size, digest: { algorithm: "git", hex: blobId } };
  }
  return undefined;
}

function unusable(repo: string, reason: string): DownloadError {
  return new DownloadError("HUB_LISTING", `the hub's list of the files of ${repo} cannot be used: ${reason}`);
}
