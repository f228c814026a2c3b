// The defaults of sampling, and the one place where its options are checked.

import { CriaError } from "../errors.js";
import {
  checkArray,
  checkBoolean,
  checkChoice,
  checkInteger,
  checkNumber,
  idleOption,
  invalidOption,
  namesOf,
  readable,
} from "../options.js";
import { type OptionRows, resolveGroup, resolveOptions } from "./option-rows.js";
import { mirostatOptions } from "./samplers/mirostat.js";
import { type SamplerName, type SamplerOptions, samplers } from "./samplers/table.js";
import type { ResolvedSampling, SamplingOptions } from "./sampling-options.js";

/** The options of all samplers, by name. */
const samplerOptions = Object.assign({}, ...samplers.map(({ options }) => options)) as OptionRows<SamplerOptions>;

/** The names of all options. */
export const samplingOptionNames: readonly (keyof SamplingOptions)[] = [
  ...(Object.keys(samplerOptions) as (keyof SamplerOptions)[]),
  ...namesOf<Omit<SamplingOptions, keyof SamplerOptions>>({
    mirostat: true,
    samplers: true,
    logitBias: true,
    seed: true,
    logprobs: true,
    topLogprobs: true,
  }),
];

const samplerNames = samplers.map(({ name }) => name);

/** What works beside mirostat. */
const BESIDE_MIROSTAT = samplers.filter(({ effect }) => effect !== "drops").map(({ name }) => name);

const LARGEST_SEED = 2 ** 32 - 1;
/** Far above any real logit, and far from where sums of 32-bit floats overflow. */
const LARGEST_BIAS = 1e9;

/**
 * Fills in the defaults and checks every value.
 *
 * @throws CriaError INVALID_OPTION with the option's name, its value and the allowed range
 */
export function resolveSampling(options: SamplingOptions, vocabularySize: number): ResolvedSampling {
  const resolved = resolveOptions(samplerOptions, options);
  const { temperature, dynamicTemperature } = resolved;
  const used = resolveSamplers(options);
  return {
    ...resolved,
    mirostat: resolveGroup("mirostat", mirostatOptions, options.mirostat),
    samplers: used,
    greedy: temperature === 0 && (dynamicTemperature?.range ?? 0) === 0 && used.includes("temperature"),
    logitBias: resolveBias(options.logitBias, vocabularySize),
    seed: checkInteger("seed", options.seed ?? randomSeed(), 0, LARGEST_SEED),
    topLogprobs: resolveLogprobs(options),
  };
}

/**
 * The options that are set, as `resolveSampling` has read them, and the seed: numbers, strings and booleans only, whatever objects the
 * caller's were. Another thread can be sent them, and the caller's objects are not read again.
 */
export function plainSampling(options: SamplingOptions, resolved: ResolvedSampling): SamplingOptions {
  const names = Object.keys(options).filter((name) => options[name as keyof SamplingOptions] !== undefined);
  const read = { ...options, ...resolved } as Record<string, unknown>;
  return { ...Object.fromEntries(names.map((name) => [name, read[name]])), seed: resolved.seed };
}

/** The samplers that work. An option whose sampler does not is refused: it would do nothing. */
function resolveSamplers(options: SamplingOptions): readonly SamplerName[] {
  const { mirostat } = options;
  if (mirostat !== undefined && options.samplers !== undefined) {
    throw idleOption("samplers", "mirostat has an order of its own");
  }
  const byDefault = mirostat === undefined ? samplerNames : BESIDE_MIROSTAT;
  const names = checkArray("samplers", options.samplers ?? byDefault, "names of samplers", (item, name) =>
    checkChoice(item, name, samplerNames),
  );
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new CriaError("INVALID_OPTION", `samplers has ${twice} twice`);
  for (const sampler of samplers) {
    if (names.includes(sampler.name)) continue;
    const idle = (Object.keys(sampler.options) as (keyof SamplerOptions)[]).find((name) => options[name] !== undefined);
    if (idle === undefined) continue;
    throw idleOption(
      idle,
      mirostat === undefined ? `samplers does not have ${sampler.name}` : "mirostat takes its place",
    );
  }
  return names;
}

function resolveLogprobs({ logprobs = false, topLogprobs }: SamplingOptions): number | undefined {
  checkBoolean("logprobs", logprobs);
  const top = checkInteger("topLogprobs", topLogprobs ?? 0, 0, 20);
  if (!logprobs && topLogprobs !== undefined) throw idleOption("topLogprobs", "logprobs is not true");
  return logprobs ? top : undefined;
}

function resolveBias(bias: SamplingOptions["logitBias"], vocabularySize: number): ReadonlyMap<number, number> {
  const resolved = new Map<number, number>();
  if (bias === undefined) return resolved;
  if (typeof bias !== "object" || bias === null) {
    throw invalidOption("logitBias", "a Map or an object of token ids", bias);
  }
  const entries = readable("logitBias", bias, (): readonly (readonly [unknown, number])[] => {
    return isMap(bias) ? [...bias.entries()] : Object.entries(bias);
  });
  for (const [key, value] of entries) {
    const id = typeof key === "string" && /^(0|[1-9]\d*)$/.test(key) ? Number(key) : key;
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      throw invalidOption("a token id in logitBias", `an integer in 0 .. ${vocabularySize - 1}`, key);
    }
    if (value !== Number.NEGATIVE_INFINITY) checkNumber(`logitBias of token ${id}`, value, -LARGEST_BIAS, LARGEST_BIAS);
    resolved.set(id, value);
  }
  return resolved;
}

function isMap(bias: NonNullable<SamplingOptions["logitBias"]>): bias is ReadonlyMap<number, number> {
  return bias instanceof Map;
}

function randomSeed(): number {
  return globalThis.crypto.getRandomValues(new Uint32Array(1))[0]!;
}
