// What all ways of loading a model begin with: the options are checked, the file is brought and opened, the kernels are compiled.

import { abortable } from "../../abort.js";
import { UnsupportedError } from "../../errors.js";
import { type Gguf, openGguf } from "../../gguf/index.js";
import { downloadModel, isRemote, withoutAlias } from "../../hub/index.js";
import { type KernelModule, kernelChoices } from "../../machine/kernels.js";
import { loadKernels } from "../../machine/load-kernels.js";
import type { Lora } from "../../model/plan/lora.js";
import { checkBoolean, checkCallback, checkChoice, checkFolderUrl, checkSignal } from "../../options.js";
import { checkAssets } from "../../protocol/worker-entry.js";
import { BackgroundTokenizer } from "../../tokenizer/background-tokenizer.js";
import { loadedSpeculation } from "../speculation.js";
import { checkByteOrder, checkNode } from "./host-memory.js";
import type { LoadOptions, LoadSource } from "./load-options.js";
import { checkLora, closeLoras, openLoras } from "./lora-files.js";
import { bytesOf } from "./model-source.js";
import { type OpenedDraft, openDraft } from "./open-draft.js";
import type { KeptTuning } from "./tunings.js";

/** A model whose header is read. Its files are open. */
export interface OpenedModel {
  readonly gguf: Gguf;
  /** Where it is now: what was on the network is in the cache. */
  readonly source: LoadSource;
  readonly loras: readonly Lora[];
  readonly draft: OpenedDraft | undefined;
  readonly kernels: KernelModule;
  /** What was kept for the option `tune`; undefined: without it. */
  readonly tuning: KeptTuning | undefined;
  /** When it began, in milliseconds of `performance.now()`; a download does not count. */
  readonly begin: number;
}

/** A model of this many bytes most likely has a vocabulary so large that the text worker makes its tables. */
const LARGE_MODEL = 2 ** 26;

/** Opens a model, has something done with it, and closes it again. */
export async function withOpenedModel<Result>(
  given: LoadSource,
  options: LoadOptions,
  use: (model: OpenedModel) => Promise<Result>,
): Promise<Result> {
  const { signal } = options;
  checkSignal(signal);
  checkCallback("onProgress", options.onProgress);
  checkCallback("onDownload", options.onDownload);
  checkCallback("onDisturbance", options.onDisturbance);
  if (options.offline !== undefined) checkBoolean("offline", options.offline);
  if (options.ignoreMemory !== undefined) checkBoolean("ignoreMemory", options.ignoreMemory);
  checkAssets(checkFolderUrl("assets", options.assets));
  if (options.tune !== undefined) checkBoolean("tune", options.tune);
  if (options.kernels !== undefined) checkChoice("kernels", options.kernels, kernelChoices);
  const adapters = checkLora(options.lora);
  loadedSpeculation(options.speculate);
  signal?.throwIfAborted();
  checkByteOrder();
  checkNode();
  const { offline, onDownload } = options;
  const source = await abortable(withoutAlias(given), signal);
  const local = isRemote(source) ? await downloadModel(source, { offline, onProgress: onDownload, signal }) : source;
  const begin = performance.now();
  // It starts while this thread reads the header, because the processors are idle then.
  if ((await bytesOf(local)) >= LARGE_MODEL) BackgroundTokenizer.prepare(options.assets);
  const tuning = options.tune === true ? await abortable(tuningFor(local, options), signal) : undefined;
  const wanted = options.kernels ?? tuning?.settings.kernels;
  const kernels = await abortable(loadKernels(options.assets, wanted), signal);
  const gguf = await openGguf(local);
  let loras: readonly Lora[] = [];
  let draft: OpenedDraft | undefined;
  try {
    loras = await openLoras(adapters, options);
    draft = await openDraft(options);
    return await use({ gguf, source: local, loras, draft, kernels, tuning, begin });
  } finally {
    await Promise.all([gguf.close(), closeLoras(loras), draft?.gguf.close()]);
  }
}

/** The tuning that is kept for a model. @throws CriaError NOT_TUNED, UnsupportedError in hosts without files, GgufError */
async function tuningFor(source: LoadSource, { quantize }: LoadOptions): Promise<KeptTuning> {
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    throw new UnsupportedError("UNSUPPORTED_HOST", "tune is set, but this host has no files to keep a tuning in");
  }
  const { neededTuning } = await import("./tunings.js");
  const gguf = await openGguf(source);
  try {
    return await neededTuning(gguf, quantize);
  } finally {
    await gguf.close();
  }
}
