// The options of every command that generates text: llama.cpp's names and defaults.

import type { GenerateOptions } from "../index.js";
import type { OptionTable, OptionValues } from "./command.js";

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
} as const satisfies OptionTable;

/** The library's options, unchecked: it checks them. */
export function toGenerateOptions(values: OptionValues<typeof generateOptions>): GenerateOptions {
  const { predict, stop, seed, temperature, topK, topP, minP, typicalP } = values;
  const { repeatPenalty, presencePenalty, frequencyPenalty, penaltyLastN } = values;
  return {
    maxTokens: predict === -1 ? undefined : predict,
    stop,
    seed: seed === -1 ? undefined : seed,
    ...{ temperature, topK, topP, minP, typicalP },
    ...{ repeatPenalty, presencePenalty, frequencyPenalty, penaltyLastN },
  };
}
