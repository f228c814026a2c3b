// The checks that every public call makes of its options.

import { CriaError } from "./errors.js";

/** Refuses options that nobody knows: a misspelt name must not be ignored in silence. */
export function checkNames(call: string, options: object, known: readonly string[]): void {
  if (typeof options !== "object" || options === null) {
    throw new CriaError("INVALID_OPTION", `${call} takes its options as an object, not ${String(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new CriaError("INVALID_OPTION", `${call} has no option "${name}"; it has ${known.join(", ")}`);
    }
  }
}

/** Refuses what cannot tell of an abort. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || typeof signal?.throwIfAborted === "function") return;
  throw new CriaError("INVALID_OPTION", "signal is no AbortSignal");
}

/** An integer within bounds. */
export function checkInteger(name: string, value: number, from: number, to: number): number {
  if (Number.isInteger(value) && value >= from && value <= to) return value;
  throw new CriaError("INVALID_OPTION", `${name} is ${String(value)}; it can be an integer in ${from} .. ${to}`);
}

/** A number within bounds. */
export function checkNumber(name: string, value: number, from: number, to: number): number {
  if (typeof value === "number" && value >= from && value <= to) return value;
  throw new CriaError("INVALID_OPTION", `${name} is ${String(value)}; it can be a number in ${from} .. ${to}`);
}

/** One of several words. */
export function checkChoice<Choice extends string>(name: string, value: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((one) => one === value);
  if (choice !== undefined) return choice;
  throw new CriaError("INVALID_OPTION", `${name} is "${String(value)}"; it can be ${choices.join(", ")}`);
}
