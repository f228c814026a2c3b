// What `tune` takes and returns.

import type { TunedOptions } from "../../index.js";
import type { Axis, AxisName } from "./candidates.js";

/** How to tune. */
export interface TuneOptions {
  /** As `loadModel`'s. A model that is encoded anew has a tuning of its own. */
  readonly quantize?: "Q8_0";
  /** Whether to keep the tuning for `loadModel({ tune: true })`. Default true. */
  readonly keep?: boolean;
  /** Reason about another machine, and measure nothing: a folder with a copy of its `proc/` and `sys/`. */
  readonly root?: string;
  /** Called with the fraction that is done, and what is being tried. */
  readonly onProgress?: (fraction: number, trying: AxisName) => void;
  readonly signal?: AbortSignal;
}

/** A speed in tokens per second, beside that of the setting which it was compared with. */
export interface ComparedSpeed {
  /** The median. */
  readonly rate: number;
  /** Over the speed of the axis's first row, from rounds in turns; 1 for that row itself. */
  readonly ratio: number;
  /** Half of the ratio's interval of confidence (95 %), relative. */
  readonly error: number;
  readonly rounds: number;
}

/** One setting that was tried. */
export interface TuneRow {
  readonly axis: AxisName;
  readonly value: string;
  readonly decode: ComparedSpeed | undefined;
  /** Of prompts; of an encoder, of texts that are embedded. */
  readonly prefill: ComparedSpeed | undefined;
  readonly chosen: boolean;
}

/** What generating side by side does. */
export interface BatchRow {
  readonly texts: number;
  /** Of all texts together. */
  readonly tokensPerSecond: number;
  /** Between two tokens of a text. */
  readonly milliseconds: number;
}

/** What was chosen of an axis, and why, in one sentence. */
export interface Recommendation {
  readonly axis: AxisName;
  readonly value: string;
  readonly reason: string;
}

/** What `tune` returns. */
export interface Tuning {
  readonly model: string;
  /** The processor's name, and the threads that the model has there by default. */
  readonly machine: string;
  /** What there was to try. */
  readonly axes: readonly Axis[];
  readonly rows: readonly TuneRow[];
  readonly batch: readonly BatchRow[];
  readonly recommendations: readonly Recommendation[];
  /** For `loadModel`: what differs from the defaults. */
  readonly settings: TunedOptions;
  /** Of the settings over the defaults: decode and prompts. undefined: the settings are the defaults. */
  readonly gain: { readonly decode: number | undefined; readonly prefill: number } | undefined;
  readonly instances: number;
  readonly threadsOfInstance: number;
  readonly seconds: number;
  /** Disturbances while it was measured, as in `BenchResult`. Empty: there were none. */
  readonly noise: readonly string[];
  /** Where it could not be kept: why. */
  readonly notKept: string | undefined;
}
