// Where the workers read the weights: from the model's files, or from a copy of its bytes in shared memory.

import { giveWay } from "../../event-loop.js";
import type { Gguf } from "../../gguf/index.js";
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

/** Bytes of a model in memory that are copied before the event loop gets its turn. */
const COPIED_AT_ONCE = 2 ** 22;

export async function modelSource(gguf: Gguf, source: LoadSource): Promise<ModelSource> {
  const paths = gguf.parts.map((part) => part.path);
  if (paths.every((path) => path !== undefined)) return { kind: "files", paths };
  const part = new SharedArrayBuffer(gguf.parts[0]!.size);
  const bytes = new Uint8Array(part);
  for (let at = 0; at < part.byteLength; at += COPIED_AT_ONCE) {
    if (source instanceof Uint8Array) {
      bytes.set(source.subarray(at, at + COPIED_AT_ONCE), at);
      await giveWay();
    } else {
      bytes.set(new Uint8Array(await (source as Blob).slice(at, at + COPIED_AT_ONCE).arrayBuffer()), at);
    }
  }
  return { kind: "bytes", parts: [part] };
}
