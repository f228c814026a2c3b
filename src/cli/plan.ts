// cria plan: what a model takes of this machine's memory, what fits, and few large instances or many small ones. Of a model on the network
// it reads the header alone.

import { isRemote, openHeader, withoutAlias } from "../hub/index.js";
import type { KernelChoice, KvCacheType, LoadOptions } from "../index.js";
import { plan as planOf } from "../lab/plan/plan.js";
import { parsePrice } from "../lab/price.js";
import { invalidOption } from "../options.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { planOptions, trainedContext } from "./model-options.js";
import { demoModel, sourceOptions } from "./model-source.js";
import { planLines } from "./plan-output.js";
import { progressBar, waitingLine } from "./progress-bar.js";

const { threads, threadsBatch, contextSize, kvCache, quantize, kernels, prefillChunk } = planOptions;

export const simulateOption = {
  simulate: {
    flags: ["--simulate"],
    type: "string",
    value: "ROOT",
    help: "reason about another machine: a folder with a copy of its proc/ and sys/; nothing is measured",
  },
} as const;

export const plan = command({
  usage: "[options]",
  about: `Prints what a model takes of this machine's memory, by context, sequences and type of KV cache; what fits into the memory
that is left, or into --memory; and how fast few large instances or many small ones would be. Of a model on the network
it reads the header alone. Speeds are predicted from what this machine can do, which is measured once, in about 20 s.`,
  options: {
    ...sourceOptions,
    ...{ threads, threadsBatch, contextSize, kvCache, quantize, kernels, prefillChunk },
    sequences: {
      flags: ["-np", "--parallel"],
      type: "number",
      value: "N",
      help: "sequences of that context (default: 1)",
    },
    memory: {
      flags: ["--memory"],
      type: "string",
      value: "SIZE",
      help: "what all of it may take, such as 4G or 512M (default: what the machine and its control groups leave)",
    },
    price: {
      flags: ["--price"],
      type: "string",
      value: "AMOUNT/h",
      help: "what the machine costs, such as 0.79/h or 0.79 EUR/h: the price of a million tokens",
    },
    ...simulateOption,
    measure: { flags: ["--measure"], type: "boolean", help: "measure the machine again" },
    noSpeeds: { flags: ["--no-speeds"], type: "boolean", help: "memory only: measure nothing, predict nothing" },
    json: { flags: ["--json"], type: "boolean", help: "everything as one JSON object, sizes in bytes" },
  },
  async run(values, positionals) {
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}": a model is named with -m`);
    const { model, hubRepo, simulate, json, noSpeeds } = values;
    if (model !== undefined && hubRepo !== undefined) throw new UsageError("-m and -hf both name a model: give one");
    const source = await withoutAlias(hubRepo === undefined ? (model ?? demoModel) : `hf:${hubRepo}`);
    const memory = values.memory === undefined ? undefined : sizeOf("--memory", values.memory);
    const price = values.price === undefined ? undefined : parsePrice(values.price, "--price");
    await interruptible(async (signal) => {
      const bar = progressBar("this machine", "measuring");
      const waiting = waitingLine();
      const open = isRemote(source)
        ? await openHeader(source, { offline: values.offline, signal, onWait: waiting.show })
        : source;
      try {
        const result = await planOf(open, {
          threads: values.threads,
          threadsBatch: values.threadsBatch,
          contextSize: values.contextSize === 0 ? await trainedContext(open) : values.contextSize,
          sequences: values.sequences,
          kvCache: values.kvCache as KvCacheType | undefined,
          quantize: values.quantize as LoadOptions["quantize"],
          kernels: values.kernels as KernelChoice | undefined,
          prefillChunk: values.prefillChunk,
          memory,
          measure: values.measure,
          ...(noSpeeds === true && { predict: false }),
          root: simulate,
          onProgress: bar.show,
          signal,
        });
        bar.clear();
        const { profile, ...printed } = result;
        process.stdout.write(
          json === true ? `${JSON.stringify({ ...printed, profile })}\n` : `${planLines(result, price).join("\n")}\n`,
        );
      } finally {
        bar.clear();
        if (typeof open === "object") await open.close();
      }
    });
  },
});

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** 4G, 4GiB, 512M, 1.5g: the letters stand for powers of 1024. */
export function sizeOf(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = match === null ? 0 : Math.floor(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
  if (bytes >= 1 && Number.isSafeInteger(bytes)) return bytes;
  throw invalidOption(flag, "a size such as 4G or 512M", text);
}
