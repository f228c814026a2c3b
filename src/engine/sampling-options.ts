// The options of sampling: defaults, and the one place where they are checked.

import { CriaError } from "../errors.js";

/** How the next token is chosen from the logits. Names, order and meaning are llama.cpp's; see `Sampler`. */
export interface SamplingOptions {
  /** Divides the logits of the candidates that are left; 0 .. 100, 0: greedy, always the most likely token. Default 0.8. */
  readonly temperature?: number;
  /** Only the k most likely tokens; 0: all. Default 40. */
  readonly topK?: number;
  /** Only the most likely tokens whose probabilities together reach p; 0 .. 1, 1: all. Default 0.95. */
  readonly topP?: number;
  /** Only tokens at least p times as likely as the most likely one; 0 .. 1, 0: all. Default 0.05. */
  readonly minP?: number;
  /** Locally typical sampling (Meister et al. 2022): only tokens of near average surprise; 0 .. 1, 1: all. Default 1. */
  readonly typicalP?: number;
  /** Divides the positive and multiplies the negative logits of recent tokens; 0.01 .. 100, 1: off. Default 1. */
  readonly repeatPenalty?: number;
  /** Subtracted from a recent token's logit for each time it occurred; -100 .. 100, 0: off. Default 0. */
  readonly frequencyPenalty?: number;
  /** Subtracted from a recent token's logit once; -100 .. 100, 0: off. Default 0. */
  readonly presencePenalty?: number;
  /** How many tokens are recent, prompt included; 0: none, -1: all. Default 64. */
  readonly penaltyLastN?: number;
  /** Added to the logits of token ids, before all else; -1e9 .. 1e9, or -Infinity to ban a token. Default none. */
  readonly logitBias?: ReadonlyMap<number, number> | Readonly<Record<string, number>>;
  /** 0 .. 2^32 - 1: same seed, same tokens. Default: a random one, reported. */
  readonly seed?: number;
  /** Report log probabilities, and this many of the most likely tokens; 0 .. 20. Default: no report. */
  readonly logprobs?: number;
}

/** Options with every default filled in and every value checked. */
export interface ResolvedSampling {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly repeatPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly penaltyLastN: number;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly seed: number;
  readonly logprobs: number | undefined;
}

const LARGEST_SEED = 2 ** 32 - 1;
const LARGEST_COUNT = 2 ** 31 - 1;
/** The ring of recent tokens is allocated: 4 MiB at most. */
const LARGEST_LAST_N = 2 ** 20;
/** Far above any real logit, and far from where sums of 32-bit floats overflow. */
const LARGEST_BIAS = 1e9;

/**
 * Fills in the defaults and checks every value.
 *
 * @throws CriaError INVALID_OPTION with the option's name, its value and the allowed range
 */
export function resolveSampling(options: SamplingOptions, vocabularySize: number): ResolvedSampling {
  const logprobs = options.logprobs;
  return {
    temperature: checked("temperature", options.temperature ?? 0.8, 0, 100),
    topK: integer("topK", options.topK ?? 40, 0, LARGEST_COUNT),
    topP: checked("topP", options.topP ?? 0.95, 0, 1),
    minP: checked("minP", options.minP ?? 0.05, 0, 1),
    typicalP: checked("typicalP", options.typicalP ?? 1, 0, 1),
    repeatPenalty: checked("repeatPenalty", options.repeatPenalty ?? 1, 0.01, 100),
    frequencyPenalty: checked("frequencyPenalty", options.frequencyPenalty ?? 0, -100, 100),
    presencePenalty: checked("presencePenalty", options.presencePenalty ?? 0, -100, 100),
    penaltyLastN: integer("penaltyLastN", options.penaltyLastN ?? 64, -1, LARGEST_LAST_N),
    logitBias: resolveBias(options.logitBias, vocabularySize),
    seed: integer("seed", options.seed ?? randomSeed(), 0, LARGEST_SEED),
    logprobs: logprobs === undefined ? undefined : integer("logprobs", logprobs, 0, 20),
  };
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
