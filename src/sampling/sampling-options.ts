// The options of sampling, as callers give them and as samplers take them.

import type { Resolved } from "./option-rows.js";
import type { MirostatOptions } from "./samplers/mirostat.js";
import type { SamplerName, SamplerOptions } from "./samplers/table.js";

export type { DryOptions } from "./samplers/dry.js";
export type { MirostatOptions } from "./samplers/mirostat.js";
export type { SamplerName } from "./samplers/table.js";
export type { DynamicTemperatureOptions } from "./samplers/temperature.js";
export type { XtcOptions } from "./samplers/xtc.js";

/** How the next token is chosen from the logits. Names, order and meaning are llama.cpp's; see docs/sampling.md. */
export interface SamplingOptions extends SamplerOptions {
  /** Takes the place of all samplers that drop tokens, and of their order. Default: off. */
  readonly mirostat?: MirostatOptions;
  /** Which samplers work, in this order. Default: all, in the order of the table in docs/sampling.md. */
  readonly samplers?: readonly SamplerName[];
  /** Added to the logits of token ids, before all else; -1e9 .. 1e9, or -Infinity to ban a token. Default none. */
  readonly logitBias?: ReadonlyMap<number, number> | Readonly<Record<string, number>>;
  /** 0 .. 2^32 - 1: same seed, same tokens. Default: a random one, reported. */
  readonly seed?: number;
  /** Report the log probability of each token: of the model's own distribution, before any sampler. Default false. */
  readonly logprobs?: boolean;
  /** With `logprobs`: report this many of the most likely tokens, too; 0 .. 20. Default 0. */
  readonly topLogprobs?: number;
}

/** Options with every default filled in and every value checked. */
export interface ResolvedSampling extends Resolved<SamplerOptions> {
  readonly mirostat: Required<MirostatOptions> | undefined;
  readonly samplers: readonly SamplerName[];
  /** Whether the most likely token is taken, always. */
  readonly greedy: boolean;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly seed: number;
  /** undefined: they are not reported */
  readonly topLogprobs: number | undefined;
}
