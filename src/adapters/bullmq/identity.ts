// What identifies a model in jobs: the file, and the options of loading that change vectors.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { LoadOptions } from "../../index.js";
import { invalidOption } from "../../options.js";

/** Options of `loadModel` that change vectors. */
export interface IdentityOptions extends Pick<LoadOptions, "quantize" | "kvCache" | "contextSize"> {
  readonly lora?: readonly { readonly path: string; readonly scale?: number }[];
  readonly signal?: AbortSignal;
}

/**
 * The identity of a model: the SHA-256 of its file, as `sha256sum` and the Hugging Face hub show it. Where it has several files, or is
 * loaded with adapters or options that change vectors, the SHA-256 of all of these. Kernels are not in it: builds differ in the last
 * bits of vectors, so workers whose results must be the same to the bit need the same build (`kernels`).
 *
 * @param paths the file, by its path or `file:` URL; of a split model all of them, in order
 * @returns hexadecimal
 * @throws CriaError INVALID_OPTION, and what reading a file throws
 */
export async function modelIdentity(
  paths: string | URL | readonly (string | URL)[],
  options: IdentityOptions = {},
): Promise<string> {
  const { quantize, kvCache, contextSize, lora = [], signal } = options;
  const files: string[] = [];
  const list = Array.isArray(paths) ? (paths as readonly (string | URL)[]) : [paths as string | URL];
  for (const path of list) {
    const isLocal = typeof path === "string" || (path instanceof URL && path.protocol === "file:");
    if (!isLocal) throw invalidOption("paths", "a path, a file: URL, or an array of them", path);
    files.push(await digestOf(path, signal));
  }
  const adapters: unknown[] = [];
  for (const { path, scale = 1 } of lora) adapters.push([await digestOf(path, signal), scale]);
  const set = Object.entries({ quantize, kvCache, contextSize }).filter(([, value]) => value !== undefined);
  if (files.length === 1 && adapters.length === 0 && set.length === 0) return files[0]!;
  return createHash("sha256")
    .update(JSON.stringify([files, adapters, set]))
    .digest("hex");
}

async function digestOf(path: string | URL, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash, { signal });
  return hash.digest("hex");
}
