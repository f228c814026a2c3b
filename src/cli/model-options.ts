// The options of every command that loads a model, and the loading: progress on the terminal, and Ctrl-C.

import { type Gguf, openGguf } from "../gguf/index.js";
import {
  type KernelChoice,
  type KvCacheType,
  type LoadOptions,
  type LoraOptions,
  loadModel,
  type Model,
} from "../index.js";
import { kernelChoices } from "../machine/kernels.js";
import type { Option, OptionTable, OptionValues } from "./command.js";
import { interruptible } from "./interrupt.js";
import { modelPath, sourceOptions } from "./model-source.js";
import { progressBar } from "./progress-bar.js";

/** Which kernels run: for all commands that run some. */
export const kernelsOption = {
  flags: ["--kernels"],
  type: "string",
  value: "NAME",
  choices: kernelChoices,
  help: `${kernelChoices.join(", ")}; wide: 256 bits where V8 makes them (default: CRIA_KERNELS, else the fastest)`,
} as const satisfies Option;

/** How much memory a model takes: for commands that load one, and for those that only plan it. */
export const planOptions = {
  threads: {
    flags: ["-t", "--threads"],
    type: "number",
    value: "N",
    help: "workers that decode (default: CRIA_THREADS, else physical cores, within affinity and CPU quota; fewer for a tiny model)",
  },
  threadsBatch: {
    flags: ["-tb", "--threads-batch"],
    type: "number",
    value: "N",
    help: "workers that evaluate prompts (default: as -t, or all for a tiny model)",
  },
  contextSize: {
    flags: ["-c", "--ctx-size"],
    type: "number",
    value: "N",
    help: "positions of the context; 0: the model's (default: the model's, at most 4096)",
  },
  kvCache: {
    flags: ["-ctk", "--cache-type-k"],
    type: "string",
    value: "TYPE",
    choices: ["f16", "f32", "q8_0"],
    help: "element type of the KV cache: f16, f32, q8_0 (default: f16)",
  },
  prefillChunk: {
    flags: ["-ub", "--ubatch-size"],
    type: "number",
    value: "N",
    help: "tokens of prompts in one step, at most: 32 to 1024 (default: 128)",
  },
  quantize: {
    flags: ["--quantize"],
    type: "string",
    value: "TYPE",
    choices: ["Q8_0"],
    help: "encode a file of floats in 8 bits while it is loaded: Q8_0",
  },
  kernels: kernelsOption,
  lora: {
    flags: ["--lora"],
    type: "list",
    value: "FILE[=SCALE]",
    help: "LoRA adapter on the model, and what it is multiplied by (default: 1); several times for several",
  },
} as const satisfies OptionTable;

export const modelOptions = {
  ...sourceOptions,
  ...planOptions,
  pin: {
    flags: ["--pin"],
    type: "string",
    value: "WHERE",
    help: "pin each worker (Linux): physical, l3:N, node:N, or processors such as 0,2-5",
  },
  tuned: {
    flags: ["--tuned"],
    type: "boolean",
    help: "load with what cria tune has found for this model on this machine; other options win",
  },
  ignoreMemory: {
    flags: ["--ignore-memory"],
    type: "boolean",
    help: "load a model that is larger than the memory that is available",
  },
} as const satisfies OptionTable;

/** Loads the model that the options name, gives it to `use`, and disposes of it. Ctrl-C aborts the loading, and the signal for `use`. */
export async function withModel<Result>(
  values: OptionValues<typeof modelOptions>,
  use: (model: Model, signal: AbortSignal) => Promise<Result>,
  more: LoadOptions = {},
): Promise<Result> {
  return interruptible(async (signal) => {
    const model = await openModel(values, signal, more);
    try {
      return await use(model, signal);
    } finally {
      await model.dispose();
    }
  });
}

/** Loads the model that the options name. */
export async function openModel(
  values: OptionValues<typeof modelOptions>,
  signal: AbortSignal,
  more: LoadOptions = {},
): Promise<Model> {
  const path = await modelPath(values, signal);
  const options = await loadOptions(path, values);
  const bar = progressBar(path, "loading");
  try {
    const { pin, ignoreMemory, tuned: tune } = values;
    return await loadModel(path, { ...options, pin, ignoreMemory, tune, signal, onProgress: bar.show, ...more });
  } finally {
    bar.clear();
  }
}

/** FILE or FILE=SCALE. */
function adapterOf(text: string): LoraOptions {
  const [, path, scale] = /^(.+)=([-+]?(?:\d+\.?\d*|\.\d+))$/s.exec(text) ?? [];
  return path === undefined ? { path: text } : { path, scale: Number(scale) };
}

/** The library's options, unchecked: it checks them. */
export async function loadOptions(path: string, values: OptionValues<typeof planOptions>): Promise<LoadOptions> {
  const { threads, threadsBatch, contextSize, kvCache, prefillChunk, quantize, kernels, lora } = values;
  return {
    threads,
    threadsBatch,
    contextSize: contextSize === 0 ? await trainedContext(path) : contextSize,
    kvCache: kvCache as KvCacheType | undefined,
    prefillChunk,
    quantize: quantize as LoadOptions["quantize"],
    kernels: kernels as KernelChoice | undefined,
    lora: lora?.map(adapterOf),
  };
}

/** Positions that a model was trained for: the one in a file, or one whose header is open. */
export async function trainedContext(model: string | Gguf): Promise<number | undefined> {
  const gguf = typeof model === "string" ? await openGguf(model) : model;
  try {
    return gguf.metadata.getNumber(`${gguf.metadata.getString("general.architecture")}.context_length`);
  } finally {
    if (typeof model === "string") await gguf.close();
  }
}
