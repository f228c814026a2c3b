// The defaults of sampling, and the one place where its options are checked.

import { CriaError } from "../errors.js";
import { checkNames } from "../options.js";
import { type ResolvedSampling, type SamplerName, type SamplingOptions, samplerNames } from "./sampling-options.js";

/** What sets each sampler. An option whose sampler does not work is refused: it would do nothing. */
const optionsOfSampler: Readonly<Record<SamplerName, readonly (keyof SamplingOptions)[]>> = {
  penalties: ["repeatPenalty", "frequencyPenalty", "presencePenalty", "penaltyLastN"],
  dry: ["dry"],
  topNSigma: ["topNSigma"],
  topK: ["topK"],
  typicalP: ["typicalP"],
  topP: ["topP"],
  minP: ["minP"],
  xtc: ["xtc"],
  temperature: ["temperature", "dynamicTemperature"],
};

/** The names of all options. */
export const samplingOptionNames: readonly string[] = [
  ...Object.values(optionsOfSampler).flat(),
  ...(["mirostat", "samplers", "logitBias", "seed", "logprobs", "topLogprobs"] satisfies (keyof SamplingOptions)[]),
];

/** What works beside mirostat. */
const BESIDE_MIROSTAT: readonly SamplerName[] = ["penalties", "dry", "temperature"];

const LARGEST_SEED = 2 ** 32 - 1;
const LARGEST_COUNT = 2 ** 31 - 1;
/** The tokens are kept: 4 MiB at most. */
const LARGEST_LAST_N = 2 ** 20;
/** Far above any real logit, and far from where sums of 32-bit floats overflow. */
const LARGEST_BIAS = 1e9;
const LONGEST_BREAKER = 40;
const MOST_BREAKERS = 64;

/**
 * Fills in the defaults and checks every value.
 *
 * @throws CriaError INVALID_OPTION with the option's name, its value and the allowed range
 */
export function resolveSampling(options: SamplingOptions, vocabularySize: number): ResolvedSampling {
  const temperature = checked("temperature", options.temperature ?? 0.8, 0, 100);
  const dynamicTemperature = resolveDynamicTemperature(options.dynamicTemperature);
  const samplers = resolveSamplers(options);
  return {
    temperature,
    dynamicTemperature,
    topK: integer("topK", options.topK ?? 40, 0, LARGEST_COUNT),
    topP: checked("topP", options.topP ?? 0.95, 0, 1),
    minP: checked("minP", options.minP ?? 0.05, 0, 1),
    typicalP: checked("typicalP", options.typicalP ?? 1, 0, 1),
    topNSigma: checked("topNSigma", options.topNSigma ?? 0, 0, 100),
    xtc: resolveXtc(options.xtc),
    repeatPenalty: checked("repeatPenalty", options.repeatPenalty ?? 1, 0.01, 100),
    frequencyPenalty: checked("frequencyPenalty", options.frequencyPenalty ?? 0, -100, 100),
    presencePenalty: checked("presencePenalty", options.presencePenalty ?? 0, -100, 100),
    penaltyLastN: integer("penaltyLastN", options.penaltyLastN ?? 64, -1, LARGEST_LAST_N),
    dry: resolveDry(options.dry),
    mirostat: resolveMirostat(options.mirostat),
    samplers,
    greedy: temperature === 0 && (dynamicTemperature?.range ?? 0) === 0 && samplers.includes("temperature"),
    logitBias: resolveBias(options.logitBias, vocabularySize),
    seed: integer("seed", options.seed ?? randomSeed(), 0, LARGEST_SEED),
    topLogprobs: resolveLogprobs(options),
  };
}

function resolveSamplers(options: SamplingOptions): readonly SamplerName[] {
  const { samplers, mirostat } = options;
  if (mirostat !== undefined && samplers !== undefined) {
    throw new CriaError("INVALID_OPTION", "samplers and mirostat are both set; mirostat has an order of its own");
  }
  const names = samplers ?? (mirostat === undefined ? samplerNames : BESIDE_MIROSTAT);
  if (!Array.isArray(names)) throw invalid("samplers", names, `an array of ${samplerNames.join(", ")}`);
  for (const [i, name] of names.entries()) {
    if (!samplerNames.includes(name)) throw invalid(`samplers[${i}]`, name, `one of ${samplerNames.join(", ")}`);
    if (names.indexOf(name) !== i) throw new CriaError("INVALID_OPTION", `samplers has ${name} twice`);
  }
  for (const sampler of samplerNames) {
    if (names.includes(sampler)) continue;
    const idle = optionsOfSampler[sampler].find((option) => options[option] !== undefined);
    if (idle === undefined) continue;
    const reason = mirostat === undefined ? `samplers does not have ${sampler}` : "mirostat takes its place";
    throw new CriaError("INVALID_OPTION", `${idle} is set, but ${reason}`);
  }
  return names;
}

function resolveDynamicTemperature(dynamic: SamplingOptions["dynamicTemperature"]) {
  if (dynamic === undefined) return undefined;
  checkGroup("dynamicTemperature", dynamic, ["range", "exponent"]);
  return {
    range: checked("dynamicTemperature.range", dynamic.range, 0, 100),
    exponent: checked("dynamicTemperature.exponent", dynamic.exponent ?? 1, 0, 100),
  };
}

function resolveXtc(xtc: SamplingOptions["xtc"]) {
  if (xtc === undefined) return undefined;
  checkGroup("xtc", xtc, ["probability", "threshold"]);
  return {
    probability: checked("xtc.probability", xtc.probability ?? 0.5, 0, 1),
    threshold: checked("xtc.threshold", xtc.threshold ?? 0.1, 0, 1),
  };
}

function resolveMirostat(mirostat: SamplingOptions["mirostat"]) {
  if (mirostat === undefined) return undefined;
  checkGroup("mirostat", mirostat, ["tau", "eta"]);
  return {
    tau: checked("mirostat.tau", mirostat.tau ?? 5, 0, 100),
    eta: checked("mirostat.eta", mirostat.eta ?? 0.1, 0, 1),
  };
}

function resolveDry(dry: SamplingOptions["dry"]) {
  if (dry === undefined) return undefined;
  checkGroup("dry", dry, ["multiplier", "base", "allowedLength", "penaltyLastN", "sequenceBreakers"]);
  const sequenceBreakers = dry.sequenceBreakers ?? ["\n", ":", '"', "*"];
  if (!Array.isArray(sequenceBreakers) || sequenceBreakers.length > MOST_BREAKERS) {
    throw invalid("dry.sequenceBreakers", sequenceBreakers, `an array of at most ${MOST_BREAKERS} texts`);
  }
  for (const [i, text] of sequenceBreakers.entries()) {
    if (typeof text === "string" && text.length >= 1 && text.length <= LONGEST_BREAKER) continue;
    throw invalid(`dry.sequenceBreakers[${i}]`, text, `a text of 1 .. ${LONGEST_BREAKER} characters`);
  }
  return {
    multiplier: checked("dry.multiplier", dry.multiplier ?? 0.8, 0, 100),
    base: checked("dry.base", dry.base ?? 1.75, 1, 100),
    allowedLength: integer("dry.allowedLength", dry.allowedLength ?? 2, 0, LARGEST_LAST_N),
    penaltyLastN: integer("dry.penaltyLastN", dry.penaltyLastN ?? -1, -1, LARGEST_LAST_N),
    sequenceBreakers,
  };
}

function resolveLogprobs({ logprobs = false, topLogprobs }: SamplingOptions): number | undefined {
  if (typeof logprobs !== "boolean") throw invalid("logprobs", logprobs, "true or false");
  const top = integer("topLogprobs", topLogprobs ?? 0, 0, 20);
  if (!logprobs && topLogprobs !== undefined) {
    throw new CriaError("INVALID_OPTION", "topLogprobs is set, but logprobs is not true");
  }
  return logprobs ? top : undefined;
}

function checkGroup(name: string, group: object, known: readonly string[]): void {
  if (typeof group !== "object" || group === null) throw invalid(name, group, `an object of ${known.join(", ")}`);
  checkNames(name, group, known);
}

function checked(name: string, value: number, from: number, to: number): number {
  if (typeof value === "number" && value >= from && value <= to) return value;
  throw invalid(name, value, `a number in ${from} .. ${to}`);
}

function integer(name: string, value: number, from: number, to: number): number {
  if (Number.isInteger(value) && value >= from && value <= to) return value;
  throw invalid(name, value, `an integer in ${from} .. ${to}`);
}

function resolveBias(bias: SamplingOptions["logitBias"], vocabularySize: number): ReadonlyMap<number, number> {
  const resolved = new Map<number, number>();
  if (bias === undefined) return resolved;
  if (typeof bias !== "object" || bias === null) throw invalid("logitBias", bias, "a Map or an object of token ids");
  const entries: Iterable<readonly [unknown, number]> = isMap(bias) ? bias.entries() : Object.entries(bias);
  for (const [key, value] of entries) {
    const id = typeof key === "string" && /^(0|[1-9]\d*)$/.test(key) ? Number(key) : key;
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      throw invalid("token id in logitBias", key, `an integer in 0 .. ${vocabularySize - 1}`);
    }
    if (value !== Number.NEGATIVE_INFINITY) checked(`logitBias of token ${id}`, value, -LARGEST_BIAS, LARGEST_BIAS);
    resolved.set(id, value);
  }
  return resolved;
}

function isMap(bias: NonNullable<SamplingOptions["logitBias"]>): bias is ReadonlyMap<number, number> {
  return bias instanceof Map;
}

function randomSeed(): number {
  return globalThis.crypto.getRandomValues(new Uint32Array(1))[0];
}

function invalid(name: string, value: unknown, expected: string): CriaError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new CriaError("INVALID_OPTION", `${name} is ${shown}; expected ${expected}`);
}
