// Arguments to option values. `parseArgs` splits them. Done here: several spellings of one option, llama.cpp's short
// names of several letters, values that begin with a dash (-n -1), numbers, and errors that help.

import { parseArgs } from "node:util";
import { invalidOption } from "../options.js";
import type { Option, OptionTable } from "./command.js";
import { UsageError } from "./failure.js";
import { nearest } from "./nearest.js";

export interface ParsedArguments {
  readonly values: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  readonly positionals: readonly string[];
}

/** @throws UsageError for an unknown option, or one without its value; CriaError INVALID_OPTION for a value that is not a number */
export function parseArguments(args: readonly string[], table: OptionTable): ParsedArguments {
  const byFlag = new Map<string, { readonly name: string; readonly option: Option }>();
  const options: NonNullable<Parameters<typeof parseArgs>[0]>["options"] = {};
  const longNames = new Map<string, string>(); // of short names of several letters
  for (const [name, option] of Object.entries(table)) {
    const long = option.flags.filter((flag) => flag.startsWith("--"));
    const short = option.flags.find((flag) => flag.length === 2);
    for (const flag of option.flags) {
      byFlag.set(flag, { name, option });
      if (!flag.startsWith("--") && flag.length > 2) longNames.set(flag, long[0]!);
    }
    for (const flag of long) {
      options[flag.slice(2)] = {
        type: option.type === "boolean" ? "boolean" : "string",
        ...(flag === long[0] && short !== undefined && { short: short.slice(1) }),
      };
    }
  }
  const end = args.indexOf("--");
  const spelled = args.map((arg, i) => (end === -1 || i < end ? (longNames.get(arg) ?? arg) : arg));

  const values: Record<string, string | number | boolean | readonly string[]> = {};
  const positionals: string[] = [];
  for (const token of parseArgs({ args: spelled, options, strict: false, tokens: true }).tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const found = byFlag.get(token.rawName);
    if (found === undefined) {
      throw new UsageError(`unknown option ${token.rawName}${nearest(token.rawName, byFlag.keys())}`);
    }
    const { name, option } = found;
    values[name] = parseValue(option, token.rawName, token.value, values[name]);
  }
  return { values, positionals };
}

function parseValue(option: Option, flag: string, value: string | undefined, before: unknown) {
  if (option.type === "boolean") {
    if (value !== undefined) throw new UsageError(`${flag} takes no value`);
    return true;
  }
  if (value === undefined) throw new UsageError(`${flag} needs a value`);
  switch (option.type) {
    case "string":
      return value;
    case "list":
      return [...((before as readonly string[] | undefined) ?? []), value];
    case "number":
      if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value)) {
        throw invalidOption(flag, "a number", value);
      }
      return Number(value);
  }
}
