// Reads `<architecture>.<key>` of a model's metadata, with bounds, and knows afterwards which keys were read and what was guessed.

import { GgufError, UnsupportedError } from "../errors.js";
import type { Gguf } from "../gguf/index.js";

const SMALLEST_FACTOR = 1e-6;
const LARGEST_FACTOR = 1e6;

export class KeyReader {
  /** The keys that were asked for, without the architecture. */
  readonly asked = new Set<string>();
  /** What the file does not say, and what was taken in its place: a sentence each. */
  readonly warnings: string[] = [];

  constructor(
    readonly gguf: Gguf,
    readonly architecture: string,
  ) {}

  error(key: string, message: string): GgufError {
    return new GgufError("GGUF_METADATA_VALUE", message, { subject: `${this.architecture}.${key}` });
  }

  /** Notes that a value is a guess, if the file does not have the key. */
  guess(key: string, taken: string): void {
    const path = this.#path(key);
    if (!this.gguf.metadata.has(path)) this.warnings.push(`${path} is missing: ${taken}`);
  }

  /** The file's name of a key. */
  #path(key: string): string {
    this.asked.add(key);
    return `${this.architecture}.${key}`;
  }

  /** A number between two bounds, which are left out. Finite is not enough: what is computed from it must stay so, and soon be done. */
  number(key: string, otherwise: number | undefined, above: number, below: number): number {
    const value = this.#value(key, otherwise);
    if (value > above && value < below) return value;
    throw this.error(key, `${value} is not between ${above} and ${below}`);
  }

  /** A factor. Files of models without one may say 0, which means `otherwise`. */
  factor(key: string, otherwise: number): number {
    const value = this.#value(key, otherwise);
    if (value === 0) return otherwise;
    return this.number(key, otherwise, SMALLEST_FACTOR, LARGEST_FACTOR);
  }

  integer(key: string, otherwise: number | undefined, from: number, to: number): number {
    const value = this.#value(key, otherwise);
    if (Number.isInteger(value) && value >= from && value <= to) return value;
    throw this.error(key, `${value} is not an integer in ${from} .. ${to}`);
  }

  #value(key: string, otherwise: number | undefined): number {
    const value = this.gguf.metadata.getNumber(this.#path(key)) ?? otherwise;
    if (value === undefined) throw this.error(key, "the file does not have this key");
    return value;
  }

  string(key: string): string | undefined {
    return this.gguf.metadata.getString(this.#path(key));
  }

  boolean(key: string, otherwise: boolean): boolean {
    return this.gguf.metadata.getBoolean(this.#path(key)) ?? otherwise;
  }

  /** A truth value for each of `layers` layers; undefined where the key is missing, or is a number. */
  flags(key: string, layers: number): readonly boolean[] | undefined {
    const value = this.gguf.metadata.get(this.#path(key));
    if (value === undefined || typeof value === "number") return undefined;
    const flags = this.gguf.metadata.getNumbers(this.#path(key)) ?? [];
    if (flags.length !== layers) throw this.error(key, `${flags.length} values for ${layers} layers`);
    return Array.from(flags, (flag) => flag !== 0);
  }

  /** An array of numbers; empty if the file does not have the key. */
  numbers(key: string): Iterable<number> {
    return this.gguf.metadata.getNumbers(this.#path(key)) ?? [];
  }

  /** Notes that a key changes nothing that the engine computes. */
  ignore(key: string): void {
    this.asked.add(key);
  }

  /** A number, or an array that has the same number for every layer. */
  perLayer(key: string, otherwise: number | undefined, from: number, to: number): number {
    const value = this.gguf.metadata.get(this.#path(key));
    if (value === undefined || typeof value === "number") return this.integer(key, otherwise, from, to);
    const numbers = this.gguf.metadata.getNumbers(this.#path(key)) ?? [];
    const first = numbers[0];
    if (first === undefined || !Number.isInteger(first) || first < from || first > to) {
      throw this.error(key, `${first} is not an integer in ${from} .. ${to}`);
    }
    for (const number of numbers) {
      if (number !== first) {
        throw new UnsupportedError(
          "UNSUPPORTED_ARCHITECTURE",
          `${this.architecture}.${key} differs between layers (${first}, ${number}); supported: the same for all`,
        );
      }
    }
    return first;
  }

  /** An array with a number for every layer, or one number for all of them. */
  ofEachLayer(key: string, layers: number, otherwise: number | undefined, from: number, to: number): readonly number[] {
    const value = this.gguf.metadata.get(this.#path(key));
    if (value === undefined || typeof value === "number") {
      return new Array<number>(layers).fill(this.integer(key, otherwise, from, to));
    }
    const numbers = this.gguf.metadata.getNumbers(this.#path(key)) ?? [];
    if (numbers.length !== layers) throw this.error(key, `it has ${numbers.length} numbers for ${layers} layers`);
    for (const number of numbers) {
      if (Number.isInteger(number) && number >= from && number <= to) continue;
      throw this.error(key, `${number} is not an integer in ${from} .. ${to}`);
    }
    return Array.from(numbers);
  }
}
