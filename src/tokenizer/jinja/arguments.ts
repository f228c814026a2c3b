// How the arguments of a call find their parameters.

import { MarkedString } from "./marked-string.js";
import { type Arguments, fail, typeName, Undefined, type Value } from "./values.js";

/** Arguments in the order of the parameters, which are names; those that end in "?" may be left out. */
export function bind(callee: string, args: Arguments, parameters: readonly string[]): readonly (Value | undefined)[] {
  if (args.positional.length > parameters.length) {
    fail(`${callee}() takes ${parameters.length} arguments, got ${args.positional.length}`);
  }
  const names = parameters.map((parameter) => parameter.replace("?", ""));
  for (const name of args.named.keys()) {
    const place = names.indexOf(name);
    if (place < 0) fail(`${callee}() got an unexpected keyword argument '${name}'`);
    if (place < args.positional.length) fail(`${callee}() got multiple values for argument '${name}'`);
  }
  return names.map((name, i) => {
    const value = i < args.positional.length ? args.positional[i] : args.named.get(name);
    if (value === undefined && !parameters[i]!.endsWith("?")) fail(`${callee}() needs the argument '${name}'`);
    return value;
  });
}

/** Arguments of a method that knows none by name. */
export function unnamed(callee: string, args: Arguments): Arguments {
  return args.named.size > 0 ? fail(`${callee}() takes no keyword arguments`) : args;
}

/** An argument that has to be a string. */
export function stringArgument(callee: string, value: Value | undefined): MarkedString {
  if (value instanceof MarkedString) return value;
  if (value instanceof Undefined) return fail(value.message);
  return fail(`${callee}() needs a string, not '${value === undefined ? "nothing" : typeName(value)}'`);
}

/** An argument that has to be an int. */
export function integerArgument(callee: string, value: Value | undefined): number {
  if (typeof value === "number" || typeof value === "boolean") return Number(value);
  if (value instanceof Undefined) return fail(value.message);
  return fail(`${callee}() needs an int, not '${value === undefined ? "nothing" : typeName(value)}'`);
}

/**
 * The name of an argument, or of a namespace's attribute, as a string. Names that a template writes itself are words. Any other came from
 * a mapping (`**mapping`), perhaps one from outside.
 */
export function givenName(name: string): MarkedString {
  return /^\w+$/.test(name) ? new MarkedString(name) : MarkedString.outside(name);
}
