// What the hub knows a file's content by: its sha256 where git keeps large files elsewhere, as it does models; else git's own hash.

import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

export interface Digest {
  readonly algorithm: "sha256" | "git";
  readonly hex: string;
}

const CHUNK_BYTES = 2 ** 20;

/** The digest of a file, by the same algorithm as another. @throws the signal's reason, or the file system's error */
export async function digestOf(
  path: string,
  algorithm: Digest["algorithm"],
  signal: AbortSignal | undefined,
): Promise<string> {
  const handle = await open(path, "r");
  try {
    const hash = createHash(algorithm === "git" ? "sha1" : "sha256");
    if (algorithm === "git") hash.update(`blob ${(await handle.stat()).size}\0`);
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(chunk.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
