// The flags of the samplers' options, from what the samplers declare (sampling/samplers). A flag's value is found under the name
// "sampling.topK", or "sampling.dry.base" for a field of a group.

import type { SamplingOptions } from "../index.js";
import { idleOption } from "../options.js";
import type { FieldRow, OptionRow } from "../sampling/option-rows.js";
import { mirostatOptions } from "../sampling/samplers/mirostat.js";
import { samplers } from "../sampling/samplers/table.js";
import type { Option } from "./command.js";

type FlagName = `sampling.${string}`;
type Value = string | number | boolean | readonly string[] | undefined;
type Values = Readonly<Record<FlagName, Value>>;

/** The options of all samplers, by name. */
const optionRows = samplers.flatMap(({ options }): [string, OptionRow][] => Object.entries(options));

/** Help that is longer than this has its default on a line of its own. */
const LONGEST_HELP = 100;

/** The flags of all samplers. */
export const samplerFlags: Readonly<Record<FlagName, Option>> = Object.fromEntries(
  optionRows.flatMap(([name, row]) => flagsOf(`sampling.${name}`, row)),
);

/** The flags of mirostat's options. Another flag, `--mirostat`, turns it on. */
export const mirostatFlags: Readonly<Record<FlagName, Option>> = Object.fromEntries(
  Object.entries(mirostatOptions.fields).flatMap(([name, row]) => flagsOf(`sampling.mirostat.${name}`, row)),
);

/** What help says, with the default. */
export function helpWith(help: string, byDefault: string | number | undefined): string {
  const shown = `(default: ${byDefault})`;
  return help.length + 1 + shown.length > LONGEST_HELP ? `${help}\n${shown}` : `${help} ${shown}`;
}

/** The library's options of all samplers, unchecked. @throws CriaError INVALID_OPTION for fields of a group that is off */
export function samplerOptionsFrom(values: Values): SamplingOptions {
  return Object.fromEntries(optionRows.map(([name, row]) => [name, optionOf(`sampling.${name}`, row, values)]));
}

/** The library's options of mirostat, unchecked. @throws CriaError INVALID_OPTION for options of it while it is off */
export function mirostatFrom(values: Values, on: boolean): SamplingOptions["mirostat"] {
  return groupOf("sampling.mirostat", Object.entries(mirostatOptions.fields), values, on ? undefined : "--mirostat");
}

function flagsOf(name: FlagName, row: OptionRow): [FlagName, Option][] {
  if (row.type !== "group") return [[name, flagOf(row)]];
  // The group is off by default, and that is a first field of 0.
  return Object.entries(row.fields).map(([field, fieldRow], i) => [
    `${name}.${field}`,
    flagOf(fieldRow, i === 0 ? 0 : undefined),
  ]);
}

function flagOf(row: FieldRow, byDefault?: number): Option {
  const { flags } = row;
  if (row.type === "strings") return { flags, type: "list", value: "TEXT", help: helpWith(row.help, row.shownDefault) };
  return { flags, type: "number", value: "N", help: helpWith(row.help, byDefault ?? row.flagOff ?? row.default) };
}

function optionOf(name: FlagName, row: OptionRow, values: Values): unknown {
  if (row.type !== "group") return fieldOf(row, values[name]);
  const fields = Object.entries(row.fields);
  const [first, firstRow] = fields[0]!;
  const strength = values[`${name}.${first}`];
  return groupOf(name, fields, values, strength === undefined || strength === 0 ? firstRow.flags[0] : undefined);
}

/** A group of options. @param without the flag that would turn it on; undefined: it is on */
function groupOf(name: FlagName, fields: [string, FieldRow][], values: Values, without: string | undefined) {
  if (without === undefined) {
    return Object.fromEntries(fields.map(([field, row]) => [field, fieldOf(row, values[`${name}.${field}`])]));
  }
  const idle = fields.find(([field, { flags }]) => flags[0] !== without && values[`${name}.${field}`] !== undefined);
  if (idle !== undefined) throw idleOption(idle[1].flags[0]!, `does nothing without ${without}`);
  return undefined;
}

function fieldOf(row: FieldRow, value: Value): Value {
  if (row.type !== "strings") return value === row.flagOff ? undefined : value;
  // As in llama.cpp, `none` alone means that there are no strings.
  return (value as readonly string[] | undefined)?.filter((text) => text !== "none");
}
