// Tunings: the settings that `cria tune` has found to be the fastest for a model on a machine, kept on disk for `loadModel({ tune: true })`.
// Each belongs to all that the figures depend on: the machine and what the process may use of it, V8, cria, and the model's shape. Files
// with other weights of the same shape share one.

import { createHash } from "node:crypto";
import { recall, remember } from "../../cache-folder.js";
import { CriaError } from "../../errors.js";
import type { Gguf } from "../../gguf/index.js";
import { machineIdentity } from "../../machine/cpu/identity.js";
import { cpuTopology } from "../../machine/cpu/topology.js";
import type { TunedOptions } from "../model-info.js";

const FOLDER = "tunings";

/** What is kept. */
export interface KeptTuning {
  readonly settings: TunedOptions;
  /** Instances of the model that do the most together, each with so many threads. */
  readonly instances: number;
  readonly threadsOfInstance: number;
  /** When it was measured, in ms since 1970. */
  readonly time: number;
  /** For people: why, and what else was found. */
  readonly findings?: TuningFindings;
}

/** What a tuning has found besides the settings, as far as it is kept. */
export interface TuningFindings {
  /** What was chosen of threads, pins, ..., and why, in one sentence. */
  readonly recommendations: readonly { readonly axis: string; readonly value: string; readonly reason: string }[];
  /** Times as fast as the defaults: decode and prompts. undefined: the settings are the defaults. */
  readonly gain?: { readonly decode?: number | undefined; readonly prefill: number } | undefined;
  /** Texts side by side: tokens per second of all together, and milliseconds between two tokens of each. */
  readonly batch: readonly {
    readonly texts: number;
    readonly tokensPerSecond: number;
    readonly milliseconds: number;
  }[];
}

/** sha256 of what a model's speed depends on: its architecture, the numbers that describe it, and the tensors' formats and shapes. */
export function shapeDigest({ metadata, tensors }: Gguf): string {
  const architecture = metadata.getString("general.architecture") ?? "";
  const numbers = [...metadata].filter(
    ([key, value]) => key.startsWith(`${architecture}.`) && typeof value !== "object",
  );
  const shapes = tensors.map(({ name, type, shape }) => [name, type, ...shape]);
  const text = JSON.stringify([architecture, numbers, shapes], (_, value) => {
    return typeof value === "bigint" ? String(value) : value;
  });
  return createHash("sha256").update(text).digest("hex");
}

async function questionOf(gguf: Gguf, quantize: string | undefined): Promise<string> {
  return JSON.stringify({
    form: 1,
    machine: machineIdentity(await cpuTopology()),
    model: shapeDigest(gguf),
    quantize: quantize ?? null,
  });
}

/** The tuning of a model on this machine; undefined: there is none. `quantize`: loadModel's option. */
export async function recallTuning(gguf: Gguf, quantize?: string): Promise<KeptTuning | undefined> {
  const kept = (await recall(FOLDER, await questionOf(gguf, quantize))) as KeptTuning | null | undefined;
  return typeof kept?.settings === "object" && typeof kept.instances === "number" ? kept : undefined;
}

/** Keeps a tuning. Returns why that was not possible. */
export async function rememberTuning(
  gguf: Gguf,
  quantize: string | undefined,
  tuning: KeptTuning,
): Promise<string | undefined> {
  return remember(FOLDER, { question: await questionOf(gguf, quantize), answer: tuning });
}

/** The tuning for `loadModel({ tune: true })`. @throws CriaError NOT_TUNED */
export async function neededTuning(gguf: Gguf, quantize: string | undefined): Promise<KeptTuning> {
  const kept = await recallTuning(gguf, quantize);
  if (kept !== undefined) return kept;
  const name = gguf.parts[0]!.name;
  throw new CriaError(
    "NOT_TUNED",
    `tune is set, but there is no tuning of ${name} for this machine, its limits, this Node and this cria: cria tune -m MODEL makes one`,
  );
}
