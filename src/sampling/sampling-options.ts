// The options of sampling, as callers give them and as samplers take them.

/** The samplers, in the order in which they work by default. */
export const samplerNames = [
  "penalties",
  "dry",
  "topNSigma",
  "topK",
  "typicalP",
  "topP",
  "minP",
  "xtc",
  "temperature",
] as const;

/** The name of a sampler, as the option `samplers` takes it. */
export type SamplerName = (typeof samplerNames)[number];

/** Penalises what would go on with a repetition, by `multiplier * base ** (tokens repeated - allowedLength)`. */
export interface DryOptions {
  /** 0 .. 100, 0: off. Default 0.8. */
  readonly multiplier?: number;
  /** 1 .. 100. Default 1.75. */
  readonly base?: number;
  /** Repetitions of fewer tokens are free; 0 .. 2^20. Default 2. */
  readonly allowedLength?: number;
  /** How many of the last tokens are looked at, prompt included; 0: none, -1: all. Default -1. */
  readonly penaltyLastN?: number;
  /** Texts after which repetitions begin anew, of 1 .. 40 characters. Default: a line feed, `:`, `"` and `*`. */
  readonly sequenceBreakers?: readonly string[];
}

/** Now and then drops the obvious tokens: all that have at least `threshold`'s probability but the least likely of them. */
export interface XtcOptions {
  /** How often, 0 .. 1, 0: never. Default 0.5. */
  readonly probability?: number;
  /** 0 .. 1; from above 0.5 on nothing is dropped. Default 0.1. */
  readonly threshold?: number;
}

/** A temperature between `temperature - range` and `temperature + range`: the less sure the model is, the higher. */
export interface DynamicTemperatureOptions {
  /** 0 .. 100, 0: off. */
  readonly range: number;
  /** Above 1: nearer to the low end, below 1: nearer to the high end; 0 .. 100. Default 1. */
  readonly exponent?: number;
}

/** Mirostat 2: keeps the surprise of the tokens near a target. */
export interface MirostatOptions {
  /** The target, in bits; 0 .. 100. Default 5. */
  readonly tau?: number;
  /** How fast it learns; 0 .. 1. Default 0.1. */
  readonly eta?: number;
}

/** How the next token is chosen from the logits. Names, order and meaning are llama.cpp's; see docs/sampling.md. */
export interface SamplingOptions {
  /** Divides the logits of the candidates that are left; 0 .. 100, 0: greedy, always the most likely token. Default 0.8. */
  readonly temperature?: number;
  /** Makes the temperature depend on how sure the model is. Default: off. */
  readonly dynamicTemperature?: DynamicTemperatureOptions;
  /** Only the k most likely tokens; 0: all. Default 40. */
  readonly topK?: number;
  /** Only the most likely tokens whose probabilities together reach p; 0 .. 1, 1: all. Default 0.95. */
  readonly topP?: number;
  /** Only tokens at least p times as likely as the most likely one; 0 .. 1, 0: all. Default 0.05. */
  readonly minP?: number;
  /** Locally typical sampling (Meister et al. 2022): only tokens of near average surprise; 0 .. 1, 1: all. Default 1. */
  readonly typicalP?: number;
  /** Only tokens whose logits are at most n standard deviations below the highest; 0 .. 100, 0: all. Default 0. */
  readonly topNSigma?: number;
  /** "Exclude top choices". Default: off. */
  readonly xtc?: XtcOptions;
  /** Divides the positive and multiplies the negative logits of recent tokens; 0.01 .. 100, 1: off. Default 1. */
  readonly repeatPenalty?: number;
  /** Subtracted from a recent token's logit for each time it occurred; -100 .. 100, 0: off. Default 0. */
  readonly frequencyPenalty?: number;
  /** Subtracted from a recent token's logit once; -100 .. 100, 0: off. Default 0. */
  readonly presencePenalty?: number;
  /** How many tokens are recent, prompt included; 0: none, -1: all. Default 64. */
  readonly penaltyLastN?: number;
  /** "Don't repeat yourself". Default: off. */
  readonly dry?: DryOptions;
  /** Takes the place of all samplers that drop tokens, and of their order. Default: off. */
  readonly mirostat?: MirostatOptions;
  /** Which samplers work, in this order. Default: all, as in `penalties, dry, topNSigma, topK, typicalP, topP, minP, xtc, temperature`. */
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
export interface ResolvedSampling {
  readonly temperature: number;
  readonly dynamicTemperature: Required<DynamicTemperatureOptions> | undefined;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly topNSigma: number;
  readonly xtc: Required<XtcOptions> | undefined;
  readonly repeatPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly penaltyLastN: number;
  readonly dry: Required<DryOptions> | undefined;
  readonly mirostat: Required<MirostatOptions> | undefined;
  readonly samplers: readonly SamplerName[];
  /** Whether the most likely token is taken, always. */
  readonly greedy: boolean;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly seed: number;
  /** undefined: no report */
  readonly topLogprobs: number | undefined;
}
