// The options of loadModel.

import type { DownloadProgress } from "../../hub/index.js";
import type { PinRequest } from "../../machine/cpu/pin-plan.js";
import type { Disturbance } from "../../machine/disturbance/disturbance.js";
import type { KernelChoice } from "../../machine/kernels.js";
import { namesOf } from "../../options.js";

/** Element types of the KV cache. */
export type KvCacheType = "f16" | "f32" | "q8_0";

/** A LoRA adapter on a model. */
export interface LoraOptions {
  /** Its GGUF file: a path, or what else `loadModel` takes. */
  readonly path: LoadSource;
  /** What it is multiplied by. Default 1. */
  readonly scale?: number;
}

/** A draft model. */
export interface DraftOptions {
  /** Its GGUF file: a path, or what else `loadModel` takes. */
  readonly draft: LoadSource;
}

/** How to load a model. */
export interface LoadOptions {
  /**
   * Workers that compute steps of few rows (decode). Default: the environment's CRIA_THREADS, else the physical cores that this process
   * may use, within its control group's quota; fewer where a token reads less than 4 MiB of weights for each.
   */
  readonly threads?: number;
  /** Workers that compute steps of more rows (prefill, batches). Default: as many, however small the model is. */
  readonly threadsBatch?: number;
  /**
   * Pins every worker to a processor of its own (Linux): `true`, `"physical"` (a core each), `"l3:N"` or `"node:N"` (within a group of
   * `cpuTopology()`), or a list such as `"0,2-5"`. `threads` then counts these processors only. Default false.
   */
  readonly pin?: PinRequest;
  /** Positions that one sequence can hold. Default: the smaller of the model's context and 4096. */
  readonly contextSize?: number;
  /** Sequences of full length that the KV cache has room for. Default 1. */
  readonly sequences?: number;
  /**
   * Tokens of prompts that one step computes at most, 32 to 1024. A larger chunk takes more memory, and an abort or another call's next
   * token waits longer for it; results are the same. Default 128.
   */
  readonly prefillChunk?: number;
  /** Element type of the KV cache. Default f16; for encoders, which keep the keys and values of one layer only, f32. */
  readonly kvCache?: KvCacheType;
  /**
   * Encodes the matrices of a file of floats (F32, F16, BF16) in 8 bits while they are loaded, as `quantizeModel` would: less memory, and
   * most often more speed, for a start that takes longer. What a file has in fewer bits stays as it is. Default: as in the file.
   */
  readonly quantize?: "Q8_0";
  /** LoRA adapters: what they add to the model's matrices is computed beside them. Default none. */
  readonly lora?: readonly LoraOptions[];
  /**
   * Whether a model without a ranking head ranks by its answers, yes and no, as Qwen3-Reranker does. Default: whether its name says that it
   * is one.
   */
  readonly rerank?: boolean;
  /**
   * How generations speculate unless they say otherwise: "lookup", "off", or a draft model, a smaller one with the same vocabulary, whose
   * guesses the model checks several at a time (docs/generate.md). No text depends on it. Default "off".
   */
  readonly speculate?: "lookup" | "off" | DraftOptions;
  /**
   * Which build of the kernels: one by name, or `"wide"`, the fastest with kernels of 256 bits where V8 makes them (docs/kernels.md), which
   * have the same bits. `model.info.kernels` says what runs. Default: what CRIA_KERNELS says, else the fastest build.
   */
  readonly kernels?: KernelChoice;
  /**
   * Loads with the settings that `cria tune`, or `tune` of `cria/lab`, has found to be the fastest for this model on this machine: threads,
   * pins, wide kernels and the chunk of prompts, none of which changes a result. Options that are given win. Default false.
   */
  readonly tune?: boolean;
  /** Called with the fraction loaded, 0 to 1, about twenty times a second while the model loads. */
  readonly onProgress?: (fraction: number) => void;
  /** Called before that, about twenty times a second, while a model is downloaded. */
  readonly onDownload?: (progress: DownloadProgress) => void;
  /**
   * Called when others take time from the workers while they compute, once a second as long as it goes on: with what it is and what it
   * costs. `model.load()` has the figures at any time.
   */
  readonly onDisturbance?: (disturbance: Disturbance) => void;
  /** Makes no network requests: a model from the network must be in the cache already. Default: what HF_HUB_OFFLINE says. */
  readonly offline?: boolean;
  /**
   * Loads the model although its plan is larger than the memory that this process can take, as Linux says. Such a process is most likely
   * killed. Default false: it is refused.
   */
  readonly ignoreMemory?: boolean;
  /** Ends the loading: `loadModel` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Where a copy of this package's `dist/assets/` lies (the workers and the kernels), for programs whose bundler has moved this package's
   * code. The URL ends with a slash.
   */
  readonly assets?: URL;
}

/** The names of `LoadOptions`. */
export const loadOptionNames = namesOf<LoadOptions>({
  threads: true,
  threadsBatch: true,
  pin: true,
  contextSize: true,
  sequences: true,
  prefillChunk: true,
  kvCache: true,
  quantize: true,
  lora: true,
  rerank: true,
  speculate: true,
  kernels: true,
  tune: true,
  onProgress: true,
  onDownload: true,
  onDisturbance: true,
  offline: true,
  ignoreMemory: true,
  signal: true,
  assets: true,
});

/**
 * A path or `file:` URL; an alias that `cria pull --as` has made; a model on the network (`hf:user/repo`, `hf:user/repo:quant`, `hf:user/repo/file.gguf`, an `https:` URL), which
 * is kept in a cache; or, on hosts without files, the bytes of a model. For a split model, give its first part.
 */
export type LoadSource = string | URL | Uint8Array | Blob;
