// Opens the draft model of a model.

import { type Gguf, openGguf } from "../../gguf/index.js";
import { downloadModel, isRemote, withoutAlias } from "../../hub/index.js";
import { loadedSpeculation } from "../speculation.js";
import type { LoadOptions, LoadSource } from "./load-options.js";

/** A draft model whose header is read. */
export interface OpenedDraft {
  readonly gguf: Gguf;
  readonly source: LoadSource;
}

/** Opens the draft model that the options name, if they do; one from the network after it was brought. The caller closes it. */
export async function openDraft({
  speculate,
  offline,
  onDownload,
  signal,
}: LoadOptions): Promise<OpenedDraft | undefined> {
  const asked = loadedSpeculation<LoadSource>(speculate);
  if (typeof asked === "string") return undefined;
  const draft = await withoutAlias(asked.draft);
  const source = isRemote(draft) ? await downloadModel(draft, { offline, onProgress: onDownload, signal }) : draft;
  return { gguf: await openGguf(source), source };
}
