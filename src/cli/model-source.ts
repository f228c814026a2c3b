// Which model a command is given; one on the network is downloaded first.

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isRemote, withoutAlias } from "../hub/index.js";
import { demoModel as demoModelUrl, downloadModel } from "../index.js";
import type { OptionTable, OptionValues } from "./command.js";
import { UsageError } from "./failure.js";
import { mebibytes } from "./mebibytes.js";
import { progressBar, waitingLine } from "./progress-bar.js";

export const offlineOption = {
  offline: {
    flags: ["--offline"],
    type: "boolean",
    help: "make no request: a model from the network must be in the cache (default: HF_HUB_OFFLINE)",
  },
} as const satisfies OptionTable;

export const sourceOptions = {
  model: {
    flags: ["-m", "--model"],
    type: "string",
    value: "FILE",
    help: "GGUF file, of a split one its first part; hf:user/repo[:quant], an https: URL or an alias (default: the demo model)",
  },
  hubRepo: {
    flags: ["-hf", "-hfr", "--hf-repo"],
    type: "string",
    value: "USER/REPO[:QUANT]",
    help: "model from the Hugging Face hub: the same as -m hf:USER/REPO[:QUANT]",
  },
  ...offlineOption,
} as const satisfies OptionTable;

/** The demo model's path. */
export const demoModel = fileURLToPath(demoModelUrl);

/** Whether an argument is a model rather than a text: by its name, or by what the file of that name begins with. */
export function isModel(word: string): boolean {
  if (/^(hf:\S+|\S+\.gguf)$/i.test(word)) return true;
  try {
    if (!statSync(word).isFile()) return false;
    const file = openSync(word, "r");
    const bytes = Buffer.alloc(4);
    readSync(file, bytes);
    closeSync(file);
    return bytes.toString("latin1") === "GGUF";
  } catch {
    return false; // most texts are not the name of a file
  }
}

/** The path of the model that the options name. @throws UsageError where they name two, DownloadError, or the signal's reason */
export async function modelPath(values: OptionValues<typeof sourceOptions>, signal: AbortSignal): Promise<string> {
  const { model, hubRepo, offline } = values;
  if (hubRepo === undefined) return localPath(model ?? demoModel, offline, signal);
  if (model !== undefined) throw new UsageError("-m and -hf both name a model: give one");
  return localPath(`hf:${hubRepo}`, offline, signal);
}

/** The path of a model: one on the network is downloaded first, with progress on the terminal. */
export async function localPath(named: string, offline: boolean | undefined, signal: AbortSignal): Promise<string> {
  const source = await withoutAlias(named);
  if (!isRemote(source)) return source;
  let shown = "";
  const waiting = waitingLine();
  let bar: ReturnType<typeof progressBar> | undefined;
  try {
    return await downloadModel(source, {
      offline,
      signal,
      onProgress: ({ file, part, parts, receivedBytes, totalBytes }) => {
        if (shown !== file) {
          shown = file;
          bar = progressBar(file, parts === 1 ? "downloading" : `downloading ${part}/${parts}`);
        }
        if (totalBytes !== undefined) bar?.show(receivedBytes / totalBytes, mebibytes(totalBytes));
      },
      onWait: waiting.show,
    });
  } finally {
    bar?.clear();
    waiting.clear();
  }
}
