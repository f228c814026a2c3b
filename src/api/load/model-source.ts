// Where the workers read the weights: from the model's files; from its Blob, in browsers, whose workers can read one without waiting; or
// from a copy of its bytes in shared memory.

import { GgufError } from "../../errors.js";
import { giveWay } from "../../event-loop.js";
import type { KnownFile } from "../../file-identity.js";
import type { Gguf } from "../../gguf/index.js";
import { allocateBuffer } from "../../machine/shared-memory.js";
import type { ModelSource } from "../../model/plan/loading.js";
import type { LoadSource } from "./load-options.js";

/** The size of a local source in bytes. 0 where it cannot be read: opening the source then says why. */
export async function bytesOf(source: LoadSource): Promise<number> {
  if (source instanceof Uint8Array) return source.length;
  if (typeof Blob !== "undefined" && source instanceof Blob) return source.size;
  const { stat } = await import("node:fs/promises");
  return stat(source as string | URL).then(
    ({ size }) => size,
    () => 0,
  );
}

const inBrowser = typeof process === "undefined" || process.versions?.node === undefined;

/** Bytes that `modelSource` will copy. */
export function copiedBytesOf(gguf: Gguf): number {
  return gguf.parts.every(({ path }) => path !== undefined) ? 0 : gguf.parts[0]!.size;
}

/** Bytes of a model in memory that are copied before the event loop gets its turn. */
const COPIED_AT_ONCE = 2 ** 22;

/** @throws GgufError GGUF_CHANGED where the bytes are no longer there, MemoryError MEMORY_REFUSED */
export async function modelSource(gguf: Gguf, source: LoadSource): Promise<ModelSource> {
  const files = gguf.parts.map(({ path, identity }) => ({ path, identity }));
  if (files.every((file): file is KnownFile => file.path !== undefined)) return { kind: "files", files };
  const { size } = gguf.parts[0]!;
  if (inBrowser)
    return { kind: "blob", blob: source instanceof Blob ? source : await blobOf(source as Uint8Array, size) };
  const part = allocateBuffer(size, "a copy of the model");
  const bytes = new Uint8Array(part);
  for (let at = 0; at < size; at += COPIED_AT_ONCE) {
    await giveWay();
    bytes.set(await pieceOf(source as Uint8Array | Blob, at, Math.min(size, at + COPIED_AT_ONCE)), at);
  }
  return { kind: "bytes", parts: [part] };
}

/** A browser keeps Blobs outside of the page, large ones on the disk. */
async function blobOf(bytes: Uint8Array, size: number): Promise<Blob> {
  const pieces: Blob[] = [];
  for (let at = 0; at < size; at += COPIED_AT_ONCE) {
    await giveWay();
    pieces.push(new Blob([(await pieceOf(bytes, at, Math.min(size, at + COPIED_AT_ONCE))) as Uint8Array<ArrayBuffer>]));
  }
  return new Blob(pieces);
}

async function pieceOf(source: Uint8Array | Blob, from: number, to: number): Promise<Uint8Array> {
  try {
    if (source instanceof Uint8Array && source.length >= to) return source.subarray(from, to);
    if (!(source instanceof Uint8Array)) return new Uint8Array(await source.slice(from, to).arrayBuffer());
  } catch (cause) {
    throw new GgufError("GGUF_CHANGED", "the Blob can no longer be read", { offset: from, cause });
  }
  const message = "Uint8Array: its buffer was detached or became shorter while it was being loaded";
  throw new GgufError("GGUF_CHANGED", message, { offset: from });
}
