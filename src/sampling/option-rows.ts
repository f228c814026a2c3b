// What a sampler declares about its options: ranges, defaults and flags, once. The checks here, the flags of `cria run` and `cria chat`
// (cli/sampling-flags.ts) and the table in docs/sampling.md derive from it.

import { checkArray, checkInteger, checkNumber, checkText, groupOf } from "../options.js";

/** An option's flag on the command line. */
interface Flag {
  /** Every spelling, llama.cpp's first: "--top-k". */
  readonly flags: readonly string[];
  /** What the option does, in one line. The command line's help adds the default. */
  readonly help: string;
}

/** A number. */
export interface NumberRow extends Flag {
  readonly type: "number" | "integer";
  readonly from: number;
  readonly to: number;
  /** Absent: the option is required. */
  readonly default?: number;
  /** What turns the option off on the command line, and is the default there, where that is not `default`. */
  readonly flagOff?: number;
}

/** An array of strings, each of 1 .. `longest` characters. On the command line its flag is repeated, and
 * `none` stands for no string. */
export interface StringsRow extends Flag {
  readonly type: "strings";
  readonly most: number;
  readonly longest: number;
  readonly default: readonly string[];
  /** How the command line's help spells the default. */
  readonly shownDefault: string;
}

/**
 * An object of options, off by default. On the command line each field has a flag of its own; the first field's turns the group on, and
 * 0 turns it off.
 */
export interface GroupRow<Fields> {
  readonly type: "group";
  readonly fields: FieldRows<Fields>;
}

export type FieldRow = NumberRow | StringsRow;
export type OptionRow = FieldRow | { readonly type: "group"; readonly fields: Readonly<Record<string, FieldRow>> };

export type FieldRows<Fields> = {
  readonly [Name in keyof Fields]-?: NonNullable<Fields[Name]> extends number ? NumberRow : StringsRow;
};

/** A row for each option of an interface: one that is forgotten or misspelt does not compile. */
export type OptionRows<Options> = {
  readonly [Name in keyof Options]-?: NonNullable<Options[Name]> extends number
    ? NumberRow
    : GroupRow<NonNullable<Options[Name]>>;
};

/** Options with every default filled in and every value checked. A group that is off is undefined. */
export type Resolved<Options> = {
  readonly [Name in keyof Options]-?: NonNullable<Options[Name]> extends number
    ? number
    : Required<NonNullable<Options[Name]>> | undefined;
};

/** Fills in the defaults and checks every value. @throws CriaError INVALID_OPTION */
export function resolveOptions<Options extends object>(rows: OptionRows<Options>, options: Options): Resolved<Options> {
  const resolved = (Object.entries(rows) as [keyof Options & string, OptionRow][]).map(([name, row]) => {
    return [
      name,
      row.type === "group" ? resolveGroup<object>(name, row, options[name]) : resolveField(name, row, options[name]),
    ];
  });
  return Object.fromEntries(resolved);
}

/** The fields of a group, resolved; undefined where it is off. @throws CriaError INVALID_OPTION */
export function resolveGroup<Fields extends object>(
  name: string,
  { fields }: GroupRow<Fields>,
  given: unknown,
): Required<Fields> | undefined {
  if (given === undefined || given === null) return undefined;
  const group = groupOf<Record<string, unknown>>(name, given, Object.keys(fields));
  const resolved = (Object.entries(fields) as [string, FieldRow][]).map(([field, row]) => {
    return [field, resolveField(`${name}.${field}`, row, group[field])];
  });
  return Object.fromEntries(resolved);
}

function resolveField(name: string, row: FieldRow, given: unknown): number | readonly string[] {
  const value = given ?? row.default;
  switch (row.type) {
    case "number":
      return checkNumber(name, value, row.from, row.to);
    case "integer":
      return checkInteger(name, value, row.from, row.to);
    case "strings":
      return checkArray(name, value, "strings", (item, text) => checkText(item, text, 1, row.longest), row.most);
  }
}
