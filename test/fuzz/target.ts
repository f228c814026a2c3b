// What a target of the fuzzer is: inputs made of random numbers, and a run of one input, which must end in a result or in a typed error.

import type { Random } from "../../bench/synthetic/random.js";
import { CriaError } from "../../dist/errors.js";

/** Bytes, or whatever JSON can hold: what a corpus keeps. */
export type Input = Uint8Array | object | string | number | boolean | null;

/** A target whose models and servers are up. */
export interface OpenTarget<Value extends Input = Input> {
  /** An input. The same numbers give the same input. */
  readonly make: (random: Random) => Value;
  /** Runs it; answers with the outcome: "ok", or the code of a typed error. Whatever it throws is a fault. */
  readonly run: (input: Value) => string | Promise<string>;
  readonly close?: () => Promise<void>;
}

export interface Target {
  readonly name: string;
  /** What one execution is, for the report. */
  readonly executes: string;
  /** Whether its outcome depends on the build of the kernels. */
  readonly perBuild: boolean;
  /** Executions of one process. */
  readonly perProcess: number;
  /** Milliseconds of CPU that one execution may take. */
  readonly milliseconds: number;
  readonly open: () => Promise<OpenTarget>;
}

/** A row of the table: the inputs' type is the target's own. */
export function target<Value extends Input>(row: Omit<Target, "open"> & { open: () => Promise<OpenTarget<Value>> }) {
  return row as unknown as Target;
}

/** The outcome of a call: "ok", or the code of the typed error. @throws any other error, as it is */
export async function outcomeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return "ok";
  } catch (error) {
    return codeOf(error);
  }
}

/** The code of a typed error. @throws any other error, as it is */
export function codeOf(error: unknown): string {
  if (!(error instanceof CriaError)) throw error;
  if (!/^[A-Z]+(_[A-Z]+)*$/.test(error.code)) throw new Error(`"${error.code}" is not a code`, { cause: error });
  if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(error.message))
    throw new Error("a control character in a message", { cause: error });
  if (error.message.length > 20_000)
    throw new Error(`a message of ${error.message.length} characters`, { cause: error });
  return error.code;
}

/** One of several. */
export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)]!;
}
