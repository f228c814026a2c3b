// The options of every command that generates text: llama.cpp's names and defaults.

import type { GenerateOptions, SamplerName } from "../index.js";
import { invalidOption } from "../options.js";
import { samplers } from "../sampling/samplers/table.js";
import type { OptionTable, OptionValues } from "./command.js";
import { helpWith, mirostatFlags, mirostatFrom, samplerFlags, samplerOptionsFrom } from "./sampling-flags.js";

/** llama.cpp's names of samplers, and its other spellings of them. */
const samplersBySpelling = new Map<string, SamplerName>(
  samplers.flatMap(({ name, spellings }) => spellings.map((spelling) => [spelling, name] as const)),
);

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
  ...samplerFlags,
  mirostat: {
    flags: ["--mirostat"],
    type: "number",
    value: "N",
    help: "2: mirostat 2, in the place of all samplers that drop tokens; 0: off (default: 0)",
  },
  ...mirostatFlags,
  samplers: {
    flags: ["--samplers"],
    type: "string",
    value: "NAMES",
    help: helpWith(
      "the samplers that work, in order, divided by semicolons",
      samplers.map(({ spellings }) => spellings[0]).join(";"),
    ),
  },
} as const satisfies OptionTable;

type Values = OptionValues<typeof generateOptions>;

/** The library's options, unchecked: it checks them. @throws CriaError INVALID_OPTION for what only the command line can get wrong */
export function toGenerateOptions(values: Values): GenerateOptions {
  const { predict, stop, seed, mirostat = 0 } = values;
  if (mirostat !== 0 && mirostat !== 2) throw invalidOption("--mirostat", "0 (off) or 2", mirostat);
  return {
    maxTokens: predict === -1 ? undefined : predict,
    stop,
    seed: seed === -1 ? undefined : seed,
    ...samplerOptionsFrom(values),
    mirostat: mirostatFrom(values, mirostat === 2),
    samplers: values.samplers === undefined ? undefined : samplersOf(values.samplers),
  };
}

function samplersOf(list: string): readonly SamplerName[] {
  const names = list.split(";").filter((name) => name !== "");
  return names.map((name) => {
    const known = samplersBySpelling.get(name.replaceAll("-", "_"));
    if (known !== undefined) return known;
    throw invalidOption("a name in --samplers", `one of ${[...samplersBySpelling.keys()].join(", ")}`, name);
  });
}
