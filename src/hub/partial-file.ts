// A file that is not all there yet, and what of it is: it is cut into parts that arrive side by side, each from its beginning on. A
// journal beside it says how much of each has arrived, so that a later process goes on there. The journal is written after the bytes
// have reached the disk, and so never tells of bytes that a crash could lose.
//
//   NAME.cria-incomplete         the bytes, in their places: as long as the whole file from the start
//   NAME.cria-incomplete.json    { size, validator, done: [bytes of part 0, of part 1, ...] }
//
// (Hugging Face's own name, NAME.incomplete, is one whose length tells how much has arrived: another tool would take ours for whole.)

import { access, type FileHandle, open, readFile, rename, rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { DownloadError, printable } from "../errors.js";
import { makeFolder } from "../make-folder.js";
import { folderFailure } from "./folder-failure.js";

/** The least and the most bytes of a part. Small files have 16 parts; the larger a part, the fewer requests. */
export const LEAST_PART_BYTES = 2 ** 18;
const MOST_PART_BYTES = 2 ** 25;
/** Beyond 2 TiB, which no model has but a server may claim, parts are larger: their list must not take the memory. */
const MOST_PARTS = 2 ** 16;
const SAVE_MILLISECONDS = 1000;

export interface Part {
  readonly from: number;
  /** The byte after its last. */
  readonly to: number;
  /** Bytes from `from` on that are there. */
  done: number;
}

export class PartialFile {
  readonly parts: readonly Part[];
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #version: { readonly size: number; readonly validator: string };
  readonly #timer: ReturnType<typeof setInterval>;
  #saving: Promise<void> | undefined;
  #failure: unknown;

  private constructor(path: string, handle: FileHandle, size: number, validator: string, parts: readonly Part[]) {
    this.#path = path;
    this.#handle = handle;
    this.#version = { size, validator };
    this.parts = parts;
    this.#timer = setInterval(() => {
      this.#save().catch((error) => {
        this.#failure = error;
      });
    }, SAVE_MILLISECONDS);
  }

  /**
   * Opens what there is of a file, or begins it. `validator` changes when the file does: what belongs to another one is removed.
   *
   * @throws DownloadError DOWNLOAD_NO_SPACE, DOWNLOAD_FOLDER
   */
  static async open(name: string, size: number, validator: string): Promise<PartialFile> {
    const path = incompletePath(name);
    let handle: FileHandle | undefined;
    try {
      await makeFolder(dirname(path));
      const done = await readJournal(path, size, validator);
      if (done === undefined) await removeIncomplete(name);
      await checkSpace(path, size - (done ?? []).reduce((sum, bytes) => sum + bytes, 0));
      handle = await open(path, done === undefined ? "wx" : "r+");
      await handle.truncate(size); // to its full length: no block is taken yet
      return new PartialFile(path, handle, size, validator, cut(size, done ?? []));
    } catch (error) {
      await handle?.close();
      throw folderFailure(path, error);
    }
  }

  /** Bytes that are there. */
  get received(): number {
    return this.parts.reduce((sum, part) => sum + part.done, 0);
  }

  /** Adds bytes to a part, where it ends now. @throws DownloadError DOWNLOAD_NO_SPACE, DOWNLOAD_FOLDER */
  async append(part: Part, bytes: Uint8Array): Promise<void> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      // A disk that is about to be full takes a piece of them first.
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, part.from + part.done);
        part.done += bytesWritten;
        at += bytesWritten;
      }
    } catch (error) {
      throw folderFailure(this.#path, error);
    }
  }

  /** Sees to it that the bytes are on the disk, and closes the file. @throws DownloadError DOWNLOAD_NO_SPACE, DOWNLOAD_FOLDER */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.#saving;
      if (this.received < this.#version.size) await this.#save();
      else await this.#handle.datasync(); // whole: it is about to have its name, and needs no journal
    } catch (error) {
      throw folderFailure(this.#path, error);
    } finally {
      await this.#handle.close();
    }
  }

  /** Writes the journal; one write at a time. */
  #save(): Promise<void> {
    this.#saving ??= this.#write().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #write(): Promise<void> {
    const done = this.parts.map((part) => part.done);
    await this.#handle.datasync();
    await writeWhole(journalPath(this.#path), JSON.stringify({ ...this.#version, done }));
  }
}

/** Where the bytes of an incomplete file are. */
export function incompletePath(name: string): string {
  return `${name}.cria-incomplete`;
}

/** Whether a later try can go on with what there is of a file. */
export async function isResumable(name: string): Promise<boolean> {
  return access(journalPath(incompletePath(name))).then(
    () => true,
    () => false,
  );
}

/** Removes what there is of a file. */
export async function removeIncomplete(name: string): Promise<void> {
  const path = incompletePath(name);
  await rm(journalPath(path), { force: true });
  await rm(path, { force: true });
}

/** Gives a file that is all there its name. @throws DownloadError DOWNLOAD_FOLDER */
export async function finishFile(name: string): Promise<void> {
  const path = incompletePath(name);
  try {
    await rename(path, name);
    await rm(journalPath(path), { force: true });
  } catch (error) {
    throw folderFailure(name, error);
  }
}

/** Writes a small file so that others see all of it or nothing. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** @throws DownloadError DOWNLOAD_NO_SPACE where the disk has no room for so many bytes more */
export async function checkSpace(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  if (bytes <= bavail * bsize) return;
  throw new DownloadError(
    "DOWNLOAD_NO_SPACE",
    `${printable(dirname(path), 200)}: ${bytes} bytes are to come, ${bavail * bsize} are free`,
  );
}

function journalPath(path: string): string {
  return `${path}.json`;
}

function cut(size: number, done: readonly number[]): Part[] {
  const usual = Math.min(Math.max(Math.ceil(size / 16), LEAST_PART_BYTES), MOST_PART_BYTES);
  const bytes = Math.max(usual, Math.ceil(size / MOST_PARTS));
  return Array.from({ length: Math.ceil(size / bytes) }, (_, i) => {
    return { from: i * bytes, to: Math.min(size, (i + 1) * bytes), done: done[i] ?? 0 };
  });
}

/** Bytes of each part that an earlier process has left; undefined where there is nothing that can be used. */
async function readJournal(path: string, size: number, validator: string): Promise<readonly number[] | undefined> {
  let journal: { size?: unknown; validator?: unknown; done?: unknown };
  try {
    journal = JSON.parse(await readFile(journalPath(path), "utf8")) ?? {};
    await access(path);
  } catch {
    return undefined;
  }
  const { done } = journal;
  if (journal.size !== size || journal.validator !== validator || !Array.isArray(done)) return undefined;
  const fits = cut(size, []).every(
    ({ from, to }, i) => Number.isInteger(done[i]) && done[i] >= 0 && done[i] <= to - from,
  );
  return fits ? (done as number[]) : undefined;
}
