// The one validator of options, and its one wording:
//
//   NAME must be WHAT; it is VALUE              topP must be a number in 0 .. 1; it is 2
//   CALL has no option "x"; it has a, b, c      loadModel has no option "thread"; it has threads, pin
//   NAME is set, but WHY                        topLogprobs is set, but logprobs is not true
//
// The checks take `unknown`, because callers may be JavaScript, and return the value with its type. Every failure is a CriaError with
// the code INVALID_OPTION. A call begins with `optionsOf`, then fills in its defaults. Only callbacks and signals, which have no
// default, may be undefined in the checks.

import { CriaError, printable, printableUrl } from "./errors.js";

/** What an interface's options are called: all of them, and nothing else. */
export type OptionNames<Options extends object> = { readonly [Name in keyof Options]-?: true };

/** The names of an interface's options, in this order. A name that is forgotten or misspelt does not compile. */
export function namesOf<Options extends object>(names: OptionNames<Options>): readonly (keyof Options & string)[] {
  return Object.keys(names) as (keyof Options & string)[];
}

/**
 * The options of a call, each read once: a copy of those that are there. null counts as absent, for the argument as for each option.
 * Options that do not exist are refused, because a misspelt name must not be ignored in silence.
 */
export function optionsOf<Options extends object>(
  call: string,
  options: Options | null | undefined,
  known: readonly string[],
): Options {
  const given: unknown = options ?? {};
  if (typeof given !== "object" || given === null || isArray(given)) {
    throw invalidOption(`the options argument of ${call}`, "an object", given);
  }
  return present<Options>(call, given, known);
}

/** An option that is itself an object of options: a copy, as `optionsOf` makes it. */
export function groupOf<Group extends object>(name: string, group: unknown, known: readonly string[]): Group {
  if (typeof group !== "object" || group === null || isArray(group)) {
    throw invalidOption(name, `an object { ${known.join(", ")} }`, group);
  }
  return present<Group>(name, group, known);
}

function present<Options extends object>(owner: string, options: object, known: readonly string[]): Options {
  const unknown = readable(owner, options, () => Object.keys(options)).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new CriaError("INVALID_OPTION", `${owner} has no option ${shown(unknown)}; it has ${known.join(", ")}`);
  }
  const copy: Record<string, unknown> = {};
  for (const name of known) {
    const value = readable(owner, options, () => (options as Readonly<Record<string, unknown>>)[name]) ?? undefined;
    if (value !== undefined) copy[name] = value;
  }
  return copy as Options;
}

/** An integer within bounds. */
export function checkInteger(name: string, value: unknown, from: number, to: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= from && value <= to) return value;
  throw invalidOption(name, `an integer in ${from} .. ${to}`, value);
}

/** A number within bounds. */
export function checkNumber(name: string, value: unknown, from: number, to: number): number {
  if (typeof value === "number" && value >= from && value <= to) return value;
  throw invalidOption(name, `a number in ${from} .. ${to}`, value);
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw invalidOption(name, "true or false", value);
}

/** One of several words. */
export function checkChoice<Choice extends string>(name: string, value: unknown, choices: readonly Choice[]): Choice {
  const choice = choices.find((one) => one === value);
  if (choice !== undefined) return choice;
  throw invalidOption(name, `one of ${choices.join(", ")}`, value);
}

/** A string of so many UTF-16 code units. */
export function checkText(name: string, value: unknown, least = 0, most = Number.POSITIVE_INFINITY): string {
  if (typeof value === "string" && value.length >= least && value.length <= most) return value;
  throw invalidOption(name, textWithin(least, most), value);
}

function textWithin(least: number, most: number): string {
  if (most < Number.POSITIVE_INFINITY) return `a string of ${least} .. ${most} characters`;
  return least === 0 ? "a string" : `a string of at least ${least} character${least === 1 ? "" : "s"}`;
}

/**
 * An array: a copy of it, so that it stays as it was checked.
 *
 * @param items what the items are called in the message, such as "strings"
 * @param check checks an item, whose name is `name[i]`
 */
export function checkArray<Item>(
  name: string,
  value: unknown,
  items: string,
  check: (name: string, item: unknown) => Item,
  most = Number.POSITIVE_INFINITY,
): readonly Item[] {
  if (isArray(value) && readable(name, value, () => value.length <= most)) {
    return readable(name, value, () => Array.from(value, (item, i) => check(`${name}[${i}]`, item)));
  }
  const bound = most < Number.POSITIVE_INFINITY ? `at most ${most} ` : "";
  throw invalidOption(name, `an array of ${bound}${items}`, value);
}

/** A function, or undefined. */
export function checkCallback(name: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw invalidOption(name, "a function", value);
}

/** An AbortSignal, of any realm, or undefined. What only resembles one is refused: its abort would be lost. */
export function checkSignal(value: unknown, name = "signal"): void {
  if (value === undefined || readable(name, value, () => isSignal(value))) return;
  throw invalidOption(name, "an AbortSignal", value);
}

/** The URL of a folder of files that workers are made of, or undefined: in Node, where workers come from files only, a file: URL. */
export function checkFolderUrl(name: string, value: unknown): URL | undefined {
  if (value === undefined) return undefined;
  const inNode = typeof process !== "undefined" && process.versions?.node !== undefined;
  const fits = readable(name, value, () => {
    if (!(value instanceof URL) || !value.pathname.endsWith("/")) return false;
    return inNode ? value.protocol === "file:" : URL.canParse("worker.js", value);
  });
  if (fits) return value as URL;
  const what = inNode
    ? "the file: URL of a folder, with a slash at its end"
    : "the URL of a folder, with a slash at its end";
  throw invalidOption(name, what, value instanceof URL ? value.href : value);
}

function isSignal(value: unknown): boolean {
  if (Object.prototype.toString.call(value) !== "[object AbortSignal]") return false;
  const { aborted, throwIfAborted, addEventListener, removeEventListener } = value as AbortSignal;
  const methods = [throwIfAborted, addEventListener, removeEventListener];
  return typeof aborted === "boolean" && methods.every((method) => typeof method === "function");
}

/** What `read` makes of a value that is the caller's: a getter or a proxy may throw anything. */
export function readable<Result>(name: string, value: unknown, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof CriaError) throw error;
    throw invalidOption(name, "a value that can be read", value);
  }
}

/** `Array.isArray`, except that a proxy that was revoked is not an array. */
function isArray(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** Levels and values of the largest value of JSON. */
const DEEPEST_JSON = 200;
const MOST_JSON = 2 ** 20;

/** A value of JSON: a copy of it, so that it stays as it was checked. Fields that are undefined are left out. */
export function checkJson(name: string, value: unknown): unknown {
  return readable(name, value, () => jsonOf(name, value, 0, { values: 0 }));
}

function jsonOf(name: string, value: unknown, depth: number, count: { values: number }): unknown {
  if (value === null || ["string", "boolean"].includes(typeof value) || Number.isFinite(value)) return value;
  if (
    typeof value !== "object" ||
    !(Array.isArray(value) || Object.prototype.toString.call(value) === "[object Object]")
  ) {
    throw invalidOption(name, "a value of JSON", value);
  }
  count.values++;
  if (depth === DEEPEST_JSON) throw invalidOption(name, `JSON of at most ${DEEPEST_JSON} levels`, value);
  if (count.values > MOST_JSON)
    throw invalidOption(name, `part of JSON of at most ${MOST_JSON} lists and objects`, value);
  if (Array.isArray(value)) {
    return Array.from(value, (item, i) => jsonOf(`${name}[${i}]`, item ?? null, depth + 1, count));
  }
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(
    entries.map(([key, field]) => [key, jsonOf(`${name}.${printable(key, 40)}`, field, depth + 1, count)]),
  );
}

/** The error for a value that an option cannot have, for what the checks above do not know. */
export function invalidOption(name: string, what: string, value: unknown): CriaError {
  return new CriaError("INVALID_OPTION", `${name} must be ${what}; it is ${shown(value)}`);
}

/** The error for an option that would do nothing. */
export function idleOption(name: string, why: string): CriaError {
  return new CriaError("INVALID_OPTION", `${name} is set, but ${why}`);
}

const LONGEST_SHOWN = 80;

/** A value as an error message shows it: never throws, never long, on one line. */
function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return quoted(printableUrl(value));
      return value.length > LONGEST_SHOWN ? `${quoted(value.slice(0, LONGEST_SHOWN))}...` : quoted(value);
    case "bigint":
      return value > -1e30 && value < 1e30 ? `${value}n` : "a very large BigInt";
    case "symbol":
      return printable(String(value), LONGEST_SHOWN);
    case "function":
      return "a function";
    case "object":
      return value === null ? "null" : kindOf(value);
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

function quoted(text: string): string {
  return printable(JSON.stringify(text), Number.POSITIVE_INFINITY);
}

/** What an object is. It is the caller's: its constructor may be missing or fail, and a proxy may refuse everything. */
function kindOf(value: object): string {
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`;
    const name: unknown = value.constructor?.name;
    if (typeof name !== "string" || name === "" || name === "Object") return "an object";
    return `an instance of ${printable(name, LONGEST_SHOWN)}`;
  } catch {
    return "an object";
  }
}
