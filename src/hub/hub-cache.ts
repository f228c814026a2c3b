// Hugging Face's cache, as its own tools and llama.cpp keep it, so that a model is on the disk once.
//
//   models--user--name/
//     refs/main                           the commit that a revision stood at when it was last asked for
//     blobs/DIGEST                        contents
//     snapshots/COMMIT/folder/file.gguf   -> ../../../blobs/DIGEST; where there are no symbolic links, the file itself

import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { makeFolder } from "../make-folder.js";
import { chooseFile, partsOf } from "./choose-file.js";
import { errorCode, folderFailure } from "./folder-failure.js";
import type { HubFile } from "./hub-listing.js";
import { writeWhole } from "./partial-file.js";
import type { HubReference } from "./reference.js";

export class HubCache {
  /** The repository's folder. */
  readonly folder: string;

  constructor(hubCache: string, repo: string) {
    this.folder = join(hubCache, `models--${repo.replace("/", "--")}`);
  }

  /** Where a file's content is, or will be. */
  blobPath({ digest }: HubFile): string {
    return join(this.folder, "blobs", digest.hex);
  }

  /** Where a file of a commit is, or will be. */
  snapshotPath(commit: string, path: string): string {
    return join(this.folder, "snapshots", commit, ...path.split("/"));
  }

  /** Whether a file is there whole. */
  async has(commit: string, file: HubFile): Promise<boolean> {
    return (await sizeOf(this.snapshotPath(commit, file.path))) === file.size;
  }

  /** Whether a file's content is there whole: another commit or another tool may have brought it. */
  async hasBlob(file: HubFile): Promise<boolean> {
    return (await sizeOf(this.blobPath(file))) === file.size;
  }

  /** The commit that a revision stood at; undefined where nobody has asked for it yet. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (/^[0-9a-f]{40}$/.test(revision)) return revision;
    const text = await readFile(this.#refPath(revision), "utf8").catch(() => "");
    return /^[0-9a-f]{40}$/.exec(text.trim())?.[0];
  }

  /** The path of what a reference means among the files that are there; undefined where that is nothing, or not all its parts. */
  async find(commit: string, { file, quant }: HubReference): Promise<string | undefined> {
    const folder = join(this.folder, "snapshots", commit);
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    const paths = names.map((name) => name.split(sep).join("/"));
    const chosen = file ?? chooseFile(paths, quant);
    if (chosen === undefined) return undefined;
    for (const part of partsOf(chosen)) {
      if ((await sizeOf(this.snapshotPath(commit, part))) === undefined) return undefined;
    }
    return this.snapshotPath(commit, chosen);
  }

  /** Notes where a revision stands. @throws DownloadError DOWNLOAD_FOLDER */
  async setCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    const path = this.#refPath(revision);
    try {
      await makeFolder(dirname(path));
      await writeWhole(path, commit);
    } catch (error) {
      throw folderFailure(path, error);
    }
  }

  /** Gives a commit a file whose content is there. @throws DownloadError DOWNLOAD_FOLDER */
  async link(commit: string, file: HubFile): Promise<void> {
    const path = this.snapshotPath(commit, file.path);
    const blob = this.blobPath(file);
    try {
      await makeFolder(dirname(path));
      const temporary = `${path}.${randomUUID()}.tmp`;
      try {
        await symlink(relative(dirname(path), blob), temporary);
      } catch (error) {
        if (errorCode(error) !== "EPERM") throw error;
        await rename(blob, path); // Windows lets not everybody make links
        return;
      }
      await rename(temporary, path).catch(async (error) => {
        await rm(temporary, { force: true }).catch(() => undefined);
        throw error;
      });
    } catch (error) {
      throw folderFailure(path, error);
    }
  }

  #refPath(revision: string): string {
    return join(this.folder, "refs", ...revision.split("/"));
  }
}

/** Bytes of a file; undefined where there is none, or a link to nothing. */
async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true ? found.size : undefined;
}
