// What `cria tune` and a process that holds a model for it say to each other: one request at a time, and its answer.

import type { KernelName, LoadOptions } from "../../index.js";

/** The options of loading that can be posted to a process. */
export type ProcessLoadOptions = Omit<LoadOptions, "onProgress" | "onDownload" | "signal" | "assets" | "lora">;

export type ProcessRequest =
  | { readonly type: "load"; readonly path: string; readonly options: ProcessLoadOptions }
  | { readonly type: "decode"; readonly texts: number; readonly milliseconds: number }
  | { readonly type: "prefill"; readonly tokens: number; readonly milliseconds: number }
  | { readonly type: "embed"; readonly texts: number; readonly tokens: number }
  /** Makes the texts that follow begin at this depth. */
  | { readonly type: "fill"; readonly depth: number };

/** What the process has loaded. */
export interface ProcessInfo {
  readonly threads: number;
  readonly threadsBatch: number;
  readonly kernels: KernelName;
  readonly kernelsProblem: string | undefined;
  readonly generates: boolean;
  readonly contextSize: number;
  /** Bytes of shared memory. */
  readonly memory: number;
}

export type ProcessAnswer =
  | { readonly type: "loaded"; readonly info: ProcessInfo }
  /** Tokens, and the seconds that they took. */
  | { readonly type: "measured"; readonly tokens: number; readonly seconds: number }
  | { readonly type: "failed"; readonly code: string; readonly message: string };
