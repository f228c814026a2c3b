// Where the bytes of a GGUF file come from: a file (positioned reads), a Blob, or memory. Only the file needs Node, and
// loads its modules when one is opened.

import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { GgufError, printable, printableUrl } from "../errors.js";
import { giveWay } from "../event-loop.js";
import { fileIdentity } from "../file-identity.js";

/** Bytes that can be read at any place. */
export interface Source {
  /** What errors call it. */
  readonly name: string;
  /** The path, where it is a file. */
  readonly path?: string;
  /** Bytes it had when it was opened. */
  readonly size: number;
  /** When the file was last modified, in ms since 1970, where it is a file. */
  readonly modified?: number;
  /** Which file it is, and in which state, where it is a file. */
  readonly identity?: string;
  /** Fills `target` with the bytes from `offset`; fails with GgufError where they are not all there. */
  read(offset: number, target: Uint8Array): Promise<void>;
  /** Fails with GgufError where the bytes behind it are no longer those that were opened. */
  verifyUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** What `openGguf` takes as one file. A string or a `file:` URL is a local path. */
export type GgufSource = string | URL | Blob | Uint8Array;

// libuv reads at most 2^31 - 1 bytes at a time.
const LARGEST_READ = 2 ** 30;

export async function openSource(source: GgufSource): Promise<Source> {
  if (source instanceof Uint8Array) return new MemorySource(source);
  if (typeof Blob !== "undefined" && source instanceof Blob) return new BlobSource(source);
  if (typeof source === "string" || source instanceof URL) return openFile(await localPath(source));
  throw new GgufError("GGUF_SOURCE", "the source must be a path, a file: URL, a Blob or a Uint8Array");
}

async function localPath(source: string | URL): Promise<string> {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(String(source))?.[1];
  if (typeof source === "string" && scheme === undefined) return source;
  if (scheme?.toLowerCase() !== "file") {
    throw new GgufError(
      "GGUF_SOURCE",
      `${printableUrl(source)} is not a local file: download it first; this reader takes paths and file: URLs`,
    );
  }
  const { fileURLToPath } = await import("node:url");
  try {
    return fileURLToPath(source);
  } catch (cause) {
    throw new GgufError("GGUF_SOURCE", `${printableUrl(source)} is not the URL of a local file`, { cause });
  }
}

async function openFile(path: string): Promise<Source> {
  const { constants, promises } = await import("node:fs");
  const name = printable(path.replace(/^.*[/\\]/, "") || path);
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a FIFO that nobody writes to would wait for ever. Windows has neither.
    handle = await promises.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = await handle.stat({ bigint: true });
    if (stat.isFile()) return new FileSource(handle, path, name, stat);
    throw notAFile(path, stat.isDirectory() ? "directory" : stat.isFIFO() ? "FIFO" : "device");
  } catch (cause) {
    await handle?.close();
    if (cause instanceof GgufError) throw cause;
    const code = errorCode(cause);
    if (code === "ENOENT")
      throw new GgufError("GGUF_NOT_FOUND", `${printable(path)} does not exist${hubHint(path)}`, { cause });
    if (code === "EISDIR") throw notAFile(path, "directory");
    if (code === "ENXIO") throw notAFile(path, "socket");
    throw new GgufError("GGUF_UNREADABLE", `${printable(path)} cannot be read: ${code}`, { cause });
  }
}

/** What looks like a repository of the hub may have been meant as one: user/repo, user/repo:Q4_K_M, user/repo@revision. */
function hubHint(path: string): string {
  const isRepository = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*([:@][\w.-]+)?$/.test(path) && !/\.gguf$/i.test(path);
  return isRepository ? `; a model of the Hugging Face hub is named hf:${path}` : "";
}

function notAFile(path: string, kind: string): GgufError {
  return new GgufError("GGUF_NOT_A_FILE", `${printable(path)} is a ${kind}, not a file`);
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

class FileSource implements Source {
  readonly path: string;
  readonly name: string;
  readonly size: number;
  readonly modified: number;
  readonly identity: string;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, path: string, name: string, stat: BigIntStats) {
    this.#handle = handle;
    this.path = path;
    this.name = name;
    this.size = Number(stat.size);
    this.modified = Number(stat.mtimeNs) / 1e6;
    this.identity = fileIdentity(stat);
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    let done = 0;
    while (done < target.length) {
      const wanted = Math.min(target.length - done, LARGEST_READ);
      const { bytesRead } = await this.#handle
        .read(target, done, wanted, offset + done)
        .catch((cause) => this.#unreadable(cause, offset + done));
      if (bytesRead === 0) {
        throw new GgufError("GGUF_CHANGED", `${this.name}: became shorter while it was read`, {
          offset: offset + done,
        });
      }
      done += bytesRead;
    }
  }

  async verifyUnchanged(): Promise<void> {
    const stat = await this.#handle.stat({ bigint: true }).catch((cause) => this.#unreadable(cause));
    if (fileIdentity(stat) !== this.identity) {
      throw new GgufError("GGUF_CHANGED", `${this.name}: was modified after it was opened (${this.size} bytes then)`);
    }
  }

  #unreadable(cause: unknown, offset?: number): never {
    const where = offset === undefined ? { cause } : { offset, cause };
    throw new GgufError("GGUF_UNREADABLE", `${this.name} cannot be read: ${errorCode(cause)}`, where);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

class BlobSource implements Source {
  readonly name: string;
  readonly size: number;
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.#blob = blob;
    this.size = blob.size;
    this.name = "name" in blob && typeof blob.name === "string" ? printable(blob.name) : "Blob";
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    let buffer: ArrayBuffer;
    try {
      buffer = await this.#blob.slice(offset, offset + target.length).arrayBuffer();
    } catch (cause) {
      throw new GgufError("GGUF_CHANGED", `${this.name}: can no longer be read`, { offset, cause });
    }
    if (buffer.byteLength !== target.length) {
      throw new GgufError("GGUF_CHANGED", `${this.name}: became shorter while it was read`, { offset });
    }
    target.set(new Uint8Array(buffer));
  }

  // A Blob is immutable; one over a file that has changed fails in `read`.
  async verifyUnchanged(): Promise<void> {}

  async close(): Promise<void> {}
}

class MemorySource implements Source {
  readonly name = "Uint8Array";
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    if (this.#bytes.length < offset + target.length) {
      throw new GgufError("GGUF_CHANGED", "Uint8Array: its buffer was detached or became shorter", { offset });
    }
    target.set(this.#bytes.subarray(offset, offset + target.length));
    await giveWay(); // reads of other sources do, too
  }

  // The caller owns the bytes.
  async verifyUnchanged(): Promise<void> {}

  async close(): Promise<void> {}
}
