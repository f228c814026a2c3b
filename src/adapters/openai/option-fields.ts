// The fields of a request that are options of a generation: read by the server (fields.ts), and written by who asks one.

import type { GenerateOptions } from "../../index.js";

/** Fields of numbers, and the options that they are. Those after the seed are not OpenAI's, but llama.cpp's server has them too. */
export const numberFields = {
  temperature: "temperature",
  top_p: "topP",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
  seed: "seed",
  top_k: "topK",
  min_p: "minP",
  typical_p: "typicalP",
  top_n_sigma: "topNSigma",
  repeat_penalty: "repeatPenalty",
  repeat_last_n: "penaltyLastN",
} as const satisfies Record<string, keyof GenerateOptions>;

/** Samplers of several numbers, and the fields of llama.cpp's server that these are; a sampler is off where its first one is 0. */
export const groupFields = {
  dynamicTemperature: { dynatemp_range: "range", dynatemp_exponent: "exponent" },
  xtc: { xtc_probability: "probability", xtc_threshold: "threshold" },
  dry: {
    dry_multiplier: "multiplier",
    dry_base: "base",
    dry_allowed_length: "allowedLength",
    dry_penalty_last_n: "penaltyLastN",
  },
} as const satisfies Partial<Record<keyof GenerateOptions, Record<string, string>>>;

/** The fields that say these options, as far as there are fields for them; those that cannot be said are named. */
export function fieldsOfOptions(options: GenerateOptions): {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly unsaid: readonly string[];
} {
  const { maxTokens, stop, signal: _, logitBias, ...others } = options;
  const left = new Map(Object.entries(others).filter(([, value]) => value !== undefined));
  const fields: Record<string, unknown> = { max_tokens: maxTokens, stop, logit_bias: biasOf(logitBias) };
  for (const [field, option] of Object.entries(numberFields)) {
    fields[field] = left.get(option);
    left.delete(option);
  }
  const unsaid: string[] = [];
  for (const [option, names] of Object.entries(groupFields)) {
    const given = left.get(option) as Readonly<Record<string, unknown>> | undefined;
    left.delete(option);
    if (given === undefined) continue;
    for (const [field, name] of Object.entries(names)) fields[field] = given[name];
    const known: readonly string[] = Object.values(names);
    const others = Object.keys(given).filter((name) => given[name] !== undefined && !known.includes(name));
    unsaid.push(...others.map((name) => `${option}.${name}`));
  }
  return { fields, unsaid: [...unsaid, ...left.keys()] };
}

function biasOf(bias: GenerateOptions["logitBias"]): unknown {
  return bias instanceof Map ? [...bias] : bias;
}
