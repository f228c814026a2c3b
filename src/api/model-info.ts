// What a model says about itself.

import type { KernelChoice, KernelName } from "../machine/kernels.js";
import type { MemoryPlan } from "../model/plan/memory-plan.js";
import type { Pooling } from "../protocol/pooling.js";

/** The vectors that a model makes: `model.info.embedding`. */
export interface EmbeddingInfo {
  /** Elements of a vector. */
  readonly dimensions: number;
  /** Whether the model has what `rerank` needs. */
  readonly reranks: boolean;
  /** How `embed` pools unless told otherwise. rank: the model is a reranker, so `embed` must be told. */
  readonly pooling: Exclude<Pooling, "none">;
  /** The family whose words `purpose` puts before a text. undefined: the family is unknown, and `prompts` must give the words. */
  readonly family: string | undefined;
  /**
   * The text in which `rerank` gives a pair to the model, with {query} and {document} in it: the file's, or Qwen3-Reranker's for a file of
   * such a model that has none. undefined: the two texts follow each other, or the model does not rank.
   */
  readonly pairTemplate: string | undefined;
}

/** A LoRA adapter on a model. */
export interface LoraInfo {
  /** The file's name, or "Blob" or "Uint8Array". */
  readonly file: string;
  /** `general.name`, if the file has one. */
  readonly name: string | undefined;
  /** What it is multiplied by. */
  readonly scale: number;
}

/** The draft model of a model. */
export interface DraftInfo {
  /** The file's name, or "Blob" or "Uint8Array". */
  readonly file: string;
  /** `general.name`, if the file has one. */
  readonly name: string | undefined;
  /** `general.architecture` */
  readonly architecture: string;
  readonly parameters: number;
  /** The format of most weights in the file. */
  readonly format: string;
  /** Bytes of shared memory by purpose. */
  readonly memory: MemoryPlan;
}

/** What the option `quantize` has encoded while the model was loaded. */
export interface QuantizedInfo {
  readonly format: "Q8_0";
  /** How many weights it has encoded. 0: the file has no floats that could be. */
  readonly tensors: number;
  /** Their bytes in the file, and in memory. */
  readonly fileBytes: number;
  readonly bytes: number;
}

/** Where the workers are, as the kernel says. */
export interface Pinning {
  /** The option `pin`. */
  readonly request: true | string;
  /** For each worker, the processors that it may run on. Empty where this platform cannot pin. */
  readonly workers: readonly (readonly number[] | undefined)[];
  /** Why this is not what was asked for; undefined: it is. */
  readonly problem: string | undefined;
}

/** What a tuning sets: options of `loadModel` that change how fast a model is, and no result. What is best by default is absent. */
export interface TunedOptions {
  readonly threads?: number;
  readonly threadsBatch?: number;
  readonly pin?: true | string;
  readonly kernels?: KernelChoice;
  readonly prefillChunk?: number;
}

/** What a model is: `model.info`. */
export interface ModelInfo {
  /** `general.architecture` */
  readonly architecture: string;
  /** `general.name`, if the file has one. */
  readonly name: string | undefined;
  /** Number of weights in all tensors together. */
  readonly parameters: number;
  /** The format of most weights in the file, such as "Q4_K". */
  readonly format: string;
  /** What was encoded anew while it was loaded. undefined: without the option `quantize`. */
  readonly quantized: QuantizedInfo | undefined;
  /** Positions that one sequence can hold. */
  readonly contextSize: number;
  /** Positions that the model was trained for. */
  readonly trainedContextSize: number;
  readonly vocabularySize: number;
  /** Elements of a hidden state. */
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Whether it generates text. If not, it is an encoder: its tokens see what comes after them, and it makes embeddings. */
  readonly generates: boolean;
  readonly embedding: EmbeddingInfo;
  /** The LoRA adapters that it was loaded with. */
  readonly lora: readonly LoraInfo[];
  /** The draft model that it was loaded with. undefined: without one. */
  readonly draft: DraftInfo | undefined;
  /** What the file does not say, or says in a way that cria does not know, and what was taken in its place: a sentence each. */
  readonly warnings: readonly string[];
  /** Workers that compute steps of one row (decode), and of several (prefill, batches). */
  readonly threads: number;
  readonly threadsBatch: number;
  /** Why there are this many, in one line: "2 threads: 2 physical cores; quota none; affinity 2". */
  readonly threadsReason: string;
  /** What the option `tune` has set, where the caller has not. undefined: without it. */
  readonly tuned: TunedOptions | undefined;
  /** Where the workers are pinned; undefined: nowhere. */
  readonly pinning: Pinning | undefined;
  /** Which build of the kernels runs. */
  readonly kernels: KernelName;
  /**
   * What is in the way of wide kernels that were asked for: why the plain ones run in their place, or why they are tried anew at every
   * start. undefined: nothing.
   */
  readonly kernelsProblem: string | undefined;
  /** Bytes of shared memory by purpose. */
  readonly memory: MemoryPlan;
  /** Bytes of it that lay in huge pages once the weights had been read (docs/machine.md). undefined where the system does not say. */
  readonly hugePageBytes: number | undefined;
}
