// Arguments to option values. `parseArgs` splits them. Done here: several spellings of one option, llama.cpp's short
// names of several letters, values that begin with a dash (-n -1), numbers, and errors that help.

import { parseArgs } from "node:util";
import { invalidOption } from "../options.js";
import type { Option, OptionTable } from "./command.js";
import { UsageError } from "./failure.js";
import { foreignFlag } from "./foreign-flags.js";
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
  checkFlags(args, byFlag);
  const end = args.indexOf("--");
  const spelled = args.map((arg, i) => (end === -1 || i < end ? (longNames.get(arg) ?? arg) : arg));

  const values: Record<string, string | number | boolean | readonly string[]> = {};
  const positionals: string[] = [];
  for (const token of parseArgs({ args: spelled, options, strict: false, tokens: true }).tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, option } = byFlag.get(token.rawName)!;
    values[name] = parseValue(option, token.rawName, token.value, values[name]);
  }
  return { values, positionals };
}

type Flags = ReadonlyMap<string, { readonly option: Option }>;

/** Refuses what is not a flag of this command, with a hint. Values may begin with a dash, and what stands behind "--" is text. */
function checkFlags(args: readonly string[], known: Flags): void {
  for (let i = 0; i < args.length && args[i] !== "--"; i++) {
    const arg = args[i]!;
    if (!arg.startsWith("-") || arg === "-") continue;
    const name = arg.startsWith("--") ? arg.replace(/=.*/s, "") : arg;
    const found = known.get(name);
    if (found === undefined) checkUnknown(name, known);
    else if (found.option.type !== "boolean" && name === arg) i++; // its value
  }
}

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/** @throws UsageError, unless it is a flag of one letter with its number, such as -t8 */
function checkUnknown(arg: string, known: Flags): void {
  const foreign = foreignFlag(arg, known.keys());
  if (foreign !== undefined) throw new UsageError(foreign);
  const unknown = `unknown option ${arg}`;
  if (known.has(`-${arg}`)) throw new UsageError(`${unknown}; did you mean -${arg}?`);
  // The longest flag that it begins with, and what is written onto that.
  const flags = [...known.keys()].filter((flag) => arg.startsWith(flag)).toSorted((a, b) => b.length - a.length);
  const flag = flags.find((one) => one.startsWith("--") === arg.startsWith("--"));
  const type = flag === undefined ? "boolean" : known.get(flag)!.option.type;
  const rest = arg.slice(flag?.length).replace(/^=/, "");
  const fits = type === "number" ? NUMBER.test(rest) : type !== "boolean" && !arg.startsWith("--");
  if (flag === undefined || !fits)
    throw new UsageError(`${unknown}${arg.length > 2 ? nearest(arg, known.keys()) : ""}`);
  if (type === "number" && flag.length === 2 && arg === flag + rest) return;
  throw new UsageError(`${unknown}; a value is a word of its own: ${flag} ${rest}`);
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
      if (!NUMBER.test(value)) {
        throw invalidOption(flag, "a number", value);
      }
      return Number(value);
  }
}
