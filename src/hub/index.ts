// Models from the network: brings them into a cache and tells their paths. This file is only the door, so that hosts without files can
// have it in their programs; the work is done by modules that need Node.

import { abortable } from "../abort.js";
import { DownloadError, UnsupportedError } from "../errors.js";
import type { Gguf } from "../gguf/index.js";
import { checkBoolean, checkCallback, checkSignal, namesOf, optionsOf } from "../options.js";
import type { DownloadOptions } from "./options.js";

export type { DownloadOptions, DownloadProgress, DownloadWait } from "./options.js";

const optionNames = namesOf<DownloadOptions>({ offline: true, onProgress: true, onWait: true, signal: true });

/** Whether a source is a model on the network: `hf:user/repo`, or an `https:` or `http:` URL. */
export function isRemote(source: unknown): source is string | URL {
  return (typeof source === "string" || source instanceof URL) && /^(hf|https?):/i.test(String(source));
}

/**
 * What a source stands for: of an alias (`cria pull hf:user/repo --as qwen`), the model that it was given to, unless there is a file of
 * that name. All else is returned as it is.
 */
export async function withoutAlias<Source>(source: Source): Promise<Source | string> {
  if (typeof source !== "string" || /[/\\:]/.test(source)) return source;
  if (typeof process === "undefined" || process.versions?.node === undefined) return source;
  const { aliasOf } = await import("./aliases.js");
  return (await aliasOf(source)) ?? source;
}

/**
 * Brings a model into the cache, all parts of a split one, and returns the path of its (first) file. What is there already is not
 * fetched again; a download that broke off goes on where it was.
 *
 * @param source `hf:user/repo`, `hf:user/repo:quant`, `hf:user/repo/file.gguf` (each with `@revision` behind the repo), or a URL
 * @throws DownloadError, with a code for each thing that can go wrong; UnsupportedError in hosts without files; the signal's reason
 */
export async function downloadModel(source: string | URL, given: DownloadOptions = {}): Promise<string> {
  const options = optionsOf("downloadModel", given, optionNames);
  checkCallback("onProgress", options.onProgress);
  checkCallback("onWait", options.onWait);
  checkSignal(options.signal);
  if (options.offline !== undefined) checkBoolean("offline", options.offline);
  options.signal?.throwIfAborted();
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    throw new UnsupportedError(
      "UNSUPPORTED_HOST",
      "this host has no files to keep a model in: fetch it to a Blob, and load that",
    );
  }
  const { bringModel } = await import("./bring-model.js");
  return abortable(bringModel(source, options), options.signal);
}

/**
 * Reads the header of a model: of what is in the cache already, else from the network, which brings nothing but the header.
 *
 * @throws GgufError, DownloadError, or the signal's reason
 */
export async function openHeader(source: string | URL, options: DownloadOptions = {}): Promise<Gguf> {
  const { openGguf } = await import("../gguf/index.js");
  try {
    return await openGguf(await downloadModel(source, { ...options, offline: true }));
  } catch (error) {
    if (!(error instanceof DownloadError) || error.code !== "DOWNLOAD_OFFLINE" || options.offline === true) throw error;
    const { openRemote } = await import("./remote-model.js");
    return abortable(openRemote(source, options), options.signal);
  }
}
