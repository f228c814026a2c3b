// Files that a caller names: read whole, or written whole. What the file system refuses is one typed error with the path in it.

import type { FileHandle } from "node:fs/promises";
import { FileError, printable } from "./errors.js";
import { checkText, invalidOption, readable } from "./options.js";

/** Which code a failure has, and what the message says of it; all others are FILE_UNREADABLE or FILE_UNWRITABLE. */
const failures: Readonly<Record<string, readonly [code: string, message: string]>> = {
  ENOENT: ["FILE_NOT_FOUND", "does not exist"],
  EISDIR: ["FILE_NOT_A_FILE", "is a folder"],
  ENOSPC: ["FILE_NO_SPACE", "cannot be written: no space is left on the disk"],
  EDQUOT: ["FILE_NO_SPACE", "cannot be written: the user's quota is used up"],
  EFBIG: ["FILE_NO_SPACE", "cannot be written: it would be larger than a file may be"],
};

/** The error of a failed call of the file system. */
function fileError(cause: unknown, path: string, use: "read" | "written"): FileError {
  if (cause instanceof FileError) return cause;
  const system = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const [code, message] = failures[system] ?? [
    use === "read" ? "FILE_UNREADABLE" : "FILE_UNWRITABLE",
    `cannot be ${use}`,
  ];
  // A new file is missing nothing but its folder.
  const missing = use === "written" && system === "ENOENT" ? "cannot be written: its folder does not exist" : message;
  return new FileError(code, path, `${missing} (${printable(system)})`, { cause });
}

/** The path that an option names. @throws CriaError INVALID_OPTION for what is neither a path nor a `file:` URL */
export async function localPath(name: string, value: unknown): Promise<string> {
  if (readable(name, value, () => value instanceof URL) && value instanceof URL) {
    const { fileURLToPath } = await import("node:url");
    try {
      return fileURLToPath(value);
    } catch {
      throw invalidOption(name, "a path or a file: URL", value.href);
    }
  }
  if (typeof value !== "string" || value.includes("\0")) throw invalidOption(name, "a path or a file: URL", value);
  return checkText(name, value, 1);
}

/**
 * Reads a file from its beginning.
 *
 * @param most bytes that it may have; @param tooLarge the error for one that has more
 * @throws FileError FILE_NOT_FOUND, FILE_NOT_A_FILE, FILE_UNREADABLE
 */
export async function readWholeFile(
  path: string,
  most: number,
  tooLarge: (bytes: number) => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const { constants, promises } = await import("node:fs");
  let handle: FileHandle | undefined;
  let size: number;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    // Without O_NONBLOCK, opening a FIFO that nobody writes to would wait for ever. Windows has neither.
    handle = await promises.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = await handle.stat();
    if (!stat.isFile()) throw notAFile(path, stat.isDirectory());
    size = stat.size;
    if (size <= most) {
      bytes = new Uint8Array(size);
      let done = 0;
      while (done < size) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(size - done, LARGEST_READ), done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    }
  } catch (cause) {
    throw fileError(cause, path, "read");
  } finally {
    await handle?.close();
  }
  throw tooLarge(size);
}

// libuv reads at most 2^31 - 1 bytes at a time.
const LARGEST_READ = 2 ** 30;

function notAFile(path: string, isFolder: boolean): FileError {
  return new FileError(
    "FILE_NOT_A_FILE",
    path,
    isFolder ? "is a folder" : "is a device, a socket or a pipe, not a file",
  );
}

/**
 * A file that takes its name when all of it is on the disk. Until then it lies beside that name under another one: who reads the name sees
 * what was there before, or the new file. One that fails is removed.
 */
export class NewFile {
  readonly #path: string;
  /** Where it goes: what `path` means, if that is a link. */
  readonly #target: string;
  readonly #partial: string;
  readonly #handle: FileHandle;

  private constructor(path: string, target: string, partial: string, handle: FileHandle) {
    this.#path = path;
    this.#target = target;
    this.#partial = partial;
    this.#handle = handle;
  }

  /** @throws FileError FILE_NOT_FOUND (of the folder), FILE_NOT_A_FILE, FILE_NO_SPACE, FILE_UNWRITABLE */
  static async create(path: string): Promise<NewFile> {
    const { open, realpath, stat } = await import("node:fs/promises");
    const { basename, dirname, join } = await import("node:path");
    try {
      const target = await realpath(path).catch(() => path);
      const old = await stat(target).catch(() => undefined);
      if (old !== undefined && !old.isFile()) throw notAFile(path, old.isDirectory());
      // Renaming would replace a file that may not be written.
      if (old !== undefined) await (await open(target, "r+")).close();
      const name = basename(target).slice(0, 80);
      const partial = join(dirname(target), `.${name}.${crypto.randomUUID().slice(0, 8)}.partial`);
      return new NewFile(path, target, partial, await open(partial, "wx", old?.mode));
    } catch (cause) {
      throw fileError(cause, path, "written");
    }
  }

  /** Appends bytes. @throws FileError FILE_NO_SPACE, FILE_UNWRITABLE */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) done += (await this.#handle.write(bytes, done)).bytesWritten;
    } catch (cause) {
      throw fileError(cause, this.#path, "written");
    }
  }

  /** Writes the first bytes again, when what they say is known. @throws FileError FILE_NO_SPACE, FILE_UNWRITABLE */
  async rewriteHead(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += (await this.#handle.write(bytes, done, bytes.length - done, done)).bytesWritten;
      }
    } catch (cause) {
      throw fileError(cause, this.#path, "written");
    }
  }

  /** Gives the file its name. @throws FileError FILE_NO_SPACE, FILE_UNWRITABLE */
  async finish(): Promise<void> {
    const { rename } = await import("node:fs/promises");
    try {
      await this.#handle.datasync();
      await this.#handle.close();
      await rename(this.#partial, this.#target);
    } catch (cause) {
      throw fileError(cause, this.#path, "written");
    }
  }

  /** Removes what there is of the file; what was there before stays. */
  async discard(): Promise<void> {
    const { rm } = await import("node:fs/promises");
    await this.#handle.close().catch(() => undefined); // it may be closed already
    await rm(this.#partial, { force: true }).catch(() => undefined);
  }
}
