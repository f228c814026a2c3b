// From a source to a path: what the door opens to, in hosts with files.

import { DownloadError } from "../errors.js";
import { splitPartName } from "../gguf/split.js";
import { hubModel } from "./hub-model.js";
import type { DownloadOptions } from "./options.js";
import { parseReference } from "./reference.js";
import { readSettings, type Settings } from "./settings.js";
import { SilenceWatch } from "./silence.js";
import { urlModel } from "./url-model.js";

/** See `downloadModel`. */
export async function bringModel(source: string | URL, options: DownloadOptions): Promise<string> {
  const environment = await readSettings();
  const { onWait } = options;
  const watch = onWait && new SilenceWatch(onWait, environment.idleMilliseconds);
  const settings = { ...environment, offline: options.offline ?? environment.offline, watch };
  try {
    return await bring(source, settings, options);
  } finally {
    watch?.end();
  }
}

async function bring(source: string | URL, settings: Settings, options: DownloadOptions): Promise<string> {
  const reference = parseReference(source, settings.endpoint);
  const split = splitPartName((reference.kind === "url" ? reference.url.pathname : reference.file) ?? "");
  if (split !== undefined && split.part !== 1) {
    const message = `this is part ${split.part} of ${split.parts} of a split model: name its first part`;
    throw new DownloadError("DOWNLOAD_SOURCE", message);
  }
  if (reference.kind === "url") return urlModel(reference.url, settings, options);
  return hubModel(reference, settings, options);
}
