// The options of every command that generates text: llama.cpp's names and defaults.

import type { GenerateOptions, SamplerName } from "../index.js";
import type { OptionTable, OptionValues } from "./command.js";
import { UsageError } from "./failure.js";

export const generateOptions = {
  predict: {
    flags: ["-n", "--predict", "--n-predict"],
    type: "number",
    value: "N",
    help: "tokens to generate at most; -1: until the context is full (default: -1)",
  },
  stop: {
    flags: ["-r", "--reverse-prompt", "--stop"],
    type: "list",
    value: "TEXT",
    help: "end before this text; may be given several times",
  },
  seed: { flags: ["-s", "--seed"], type: "number", value: "N", help: "same seed, same text; -1: random (default: -1)" },
  temperature: {
    flags: ["--temp", "--temperature"],
    type: "number",
    value: "N",
    help: "0: always the most likely token (default: 0.8)",
  },
  topK: { flags: ["--top-k"], type: "number", value: "N", help: "only the N most likely tokens; 0: all (default: 40)" },
  topP: {
    flags: ["--top-p"],
    type: "number",
    value: "N",
    help: "only the most likely tokens that together have this probability; 1: all (default: 0.95)",
  },
  minP: {
    flags: ["--min-p"],
    type: "number",
    value: "N",
    help: "only tokens this likely, relative to the most likely one; 0: all (default: 0.05)",
  },
  typicalP: {
    flags: ["--typical", "--typical-p"],
    type: "number",
    value: "N",
    help: "locally typical sampling; 1: off (default: 1)",
  },
  topNSigma: {
    flags: ["--top-nsigma", "--top-n-sigma"],
    type: "number",
    value: "N",
    help: "only tokens whose logits are this many standard deviations below the highest; -1: all (default: -1)",
  },
  xtcProbability: {
    flags: ["--xtc-probability"],
    type: "number",
    value: "N",
    help: "how often the obvious tokens are dropped; 0: never (default: 0)",
  },
  xtcThreshold: {
    flags: ["--xtc-threshold"],
    type: "number",
    value: "N",
    help: "the probability that makes a token an obvious one (default: 0.1)",
  },
  dynamicRange: {
    flags: ["--dynatemp-range"],
    type: "number",
    value: "N",
    help: "the temperature moves by this much, the surer the model the lower; 0: off (default: 0)",
  },
  dynamicExponent: {
    flags: ["--dynatemp-exp"],
    type: "number",
    value: "N",
    help: "how the temperature depends on how sure the model is (default: 1)",
  },
  repeatPenalty: {
    flags: ["--repeat-penalty"],
    type: "number",
    value: "N",
    help: "makes recent tokens less likely; 1: off (default: 1)",
  },
  presencePenalty: {
    flags: ["--presence-penalty"],
    type: "number",
    value: "N",
    help: "subtracted from the logits of recent tokens (default: 0)",
  },
  frequencyPenalty: {
    flags: ["--frequency-penalty"],
    type: "number",
    value: "N",
    help: "subtracted once for each time that they occurred (default: 0)",
  },
  penaltyLastN: {
    flags: ["--repeat-last-n"],
    type: "number",
    value: "N",
    help: "how many tokens are recent; 0: none, -1: all (default: 64)",
  },
  dryMultiplier: {
    flags: ["--dry-multiplier"],
    type: "number",
    value: "N",
    help: "makes tokens that go on with a repetition less likely; 0: off (default: 0)",
  },
  dryBase: {
    flags: ["--dry-base"],
    type: "number",
    value: "N",
    help: "the more so by this factor for each token repeated (default: 1.75)",
  },
  dryAllowedLength: {
    flags: ["--dry-allowed-length"],
    type: "number",
    value: "N",
    help: "repetitions of fewer tokens are free (default: 2)",
  },
  dryPenaltyLastN: {
    flags: ["--dry-penalty-last-n"],
    type: "number",
    value: "N",
    help: "how many tokens are looked at; 0: none, -1: all (default: -1)",
  },
  drySequenceBreakers: {
    flags: ["--dry-sequence-breaker"],
    type: "list",
    value: "TEXT",
    help: 'repetitions begin anew after this text; may be given several times; none: after no text\n(default: a line feed, : " and *)',
  },
  mirostat: {
    flags: ["--mirostat"],
    type: "number",
    value: "N",
    help: "2: mirostat 2, in the place of all samplers that drop tokens; 0: off (default: 0)",
  },
  mirostatRate: {
    flags: ["--mirostat-lr"],
    type: "number",
    value: "N",
    help: "how fast mirostat learns (default: 0.1)",
  },
  mirostatEntropy: {
    flags: ["--mirostat-ent"],
    type: "number",
    value: "N",
    help: "the surprise that mirostat keeps to, in bits (default: 5)",
  },
  samplers: {
    flags: ["--samplers"],
    type: "string",
    value: "NAMES",
    help: "the samplers that work, in order, divided by semicolons\n(default: penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature)",
  },
} as const satisfies OptionTable;

type Values = OptionValues<typeof generateOptions>;

/** The library's options, unchecked: it checks them. @throws UsageError for what only the command line can get wrong */
export function toGenerateOptions(values: Values): GenerateOptions {
  const { predict, stop, seed, temperature, topK, topP, minP, typicalP, topNSigma } = values;
  const { repeatPenalty, presencePenalty, frequencyPenalty, penaltyLastN } = values;
  return {
    maxTokens: predict === -1 ? undefined : predict,
    stop,
    seed: seed === -1 ? undefined : seed,
    ...{ temperature, topK, topP, minP, typicalP, topNSigma: topNSigma === -1 ? undefined : topNSigma },
    ...{ repeatPenalty, presencePenalty, frequencyPenalty, penaltyLastN },
    ...groups(values),
    samplers: values.samplers === undefined ? undefined : samplersOf(values.samplers),
  };
}

/** Options of several flags. The first turns them on, and the others would do nothing without it. */
function groups(values: Values): GenerateOptions {
  const on = (name: keyof Values, others: readonly (keyof Values)[]) => {
    if (values[name] !== undefined && values[name] !== 0) return true;
    const idle = others.find((other) => values[other] !== undefined);
    if (idle === undefined) return false;
    throw new UsageError(`${generateOptions[idle].flags[0]} does nothing without ${generateOptions[name].flags[0]}`);
  };
  const { dryMultiplier: multiplier, dryBase: base, dryAllowedLength: allowedLength, mirostat } = values;
  const { xtcProbability: probability, xtcThreshold: threshold, dynamicRange: range = 0 } = values;
  if (mirostat !== undefined && mirostat !== 0 && mirostat !== 2) {
    throw new UsageError(`--mirostat is ${mirostat}; supported: 0 (off), 2`);
  }
  return {
    dry: on("dryMultiplier", ["dryBase", "dryAllowedLength", "dryPenaltyLastN", "drySequenceBreakers"])
      ? { multiplier, base, allowedLength, penaltyLastN: values.dryPenaltyLastN, sequenceBreakers: breakersOf(values) }
      : undefined,
    xtc: on("xtcProbability", ["xtcThreshold"]) ? { probability, threshold } : undefined,
    dynamicTemperature: on("dynamicRange", ["dynamicExponent"])
      ? { range, exponent: values.dynamicExponent }
      : undefined,
    mirostat: on("mirostat", ["mirostatRate", "mirostatEntropy"])
      ? { tau: values.mirostatEntropy, eta: values.mirostatRate }
      : undefined,
  };
}

/** As in llama.cpp, `none` means that there are no breakers. */
function breakersOf({ drySequenceBreakers: texts }: Values): readonly string[] | undefined {
  return texts?.filter((text) => text !== "none");
}

/** llama.cpp's names of samplers, and its other spellings of them. */
const samplerNames: Readonly<Record<string, SamplerName>> = {
  penalties: "penalties",
  dry: "dry",
  top_n_sigma: "topNSigma",
  top_k: "topK",
  typ_p: "typicalP",
  typical_p: "typicalP",
  typical: "typicalP",
  top_p: "topP",
  nucleus: "topP",
  min_p: "minP",
  xtc: "xtc",
  temperature: "temperature",
  temp: "temperature",
};

function samplersOf(list: string): readonly SamplerName[] {
  const names = list.split(";").filter((name) => name !== "");
  return names.map((name) => {
    const known = samplerNames[name.replaceAll("-", "_")];
    if (known !== undefined) return known;
    throw new UsageError(`--samplers has "${name}"; it can be ${Object.keys(samplerNames).join(", ")}`);
  });
}
