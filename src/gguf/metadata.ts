// The key-value pairs of a GGUF file: a read-only map that also knows each value's type in the file.

import { GgufError, printable } from "../errors.js";
import { StringTable } from "./string-table.js";
import type { GgufNumericArray, GgufType, GgufValue } from "./values.js";

/** One metadata value with its type. */
export interface GgufEntry {
  readonly type: GgufType;
  readonly value: GgufValue;
}

/**
 * Metadata by key, in file order. The `get...` methods return undefined for an absent key and throw GgufError
 * (GGUF_METADATA_TYPE) for a value of another kind.
 */
export class GgufMetadata implements Iterable<[string, GgufValue]> {
  readonly #entries: ReadonlyMap<string, GgufEntry>;

  constructor(entries: ReadonlyMap<string, GgufEntry>) {
    this.#entries = entries;
  }

  /** How many keys there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether there is such a key. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** The value of a key; undefined where there is no such key. */
  get(key: string): GgufValue | undefined {
    return this.#entries.get(key)?.value;
  }

  /** The type that the value has in the file, such as "uint32" or "string[]". */
  typeOf(key: string): GgufType | undefined {
    return this.#entries.get(key)?.type;
  }

  /** The keys, in the order of the file. */
  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** The values, in the order of the file. */
  *values(): IterableIterator<GgufValue> {
    for (const { value } of this.#entries.values()) yield value;
  }

  /** Keys and values, in the order of the file. */
  *entries(): IterableIterator<[string, GgufValue]> {
    for (const [key, { value }] of this.#entries) yield [key, value];
  }

  /** `entries`, for `for ... of`. */
  [Symbol.iterator](): IterableIterator<[string, GgufValue]> {
    return this.entries();
  }

  /** A number of any numeric scalar type; a 64-bit integer beyond 2^53 - 1 is an error, as it is not exact. */
  getNumber(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "number") return value;
    throw this.#wrongType(key, "a number");
  }

  /** The text of a key; undefined where there is no such key. @throws GgufError GGUF_METADATA_TYPE */
  getString(key: string): string | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "string") return value;
    throw this.#wrongType(key, "a string");
  }

  /** The truth value of a key; undefined where there is no such key. @throws GgufError GGUF_METADATA_TYPE */
  getBoolean(key: string): boolean | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.#wrongType(key, "a bool");
  }

  /** An array of strings. */
  getStrings(key: string): StringTable | undefined {
    const value = this.get(key);
    if (value === undefined || value instanceof StringTable) return value;
    throw this.#wrongType(key, "an array of strings");
  }

  /** An array of numbers that are exact as JavaScript numbers: every numeric type except the 64-bit integers. */
  getNumbers(key: string): Exclude<GgufNumericArray, BigInt64Array | BigUint64Array> | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (ArrayBuffer.isView(value) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array)) {
      return value;
    }
    throw this.#wrongType(key, "an array of numbers");
  }

  #wrongType(key: string, expected: string): GgufError {
    const value = this.get(key);
    const actual = typeof value === "bigint" ? `${value}, beyond 2^53 - 1` : this.typeOf(key);
    return new GgufError("GGUF_METADATA_TYPE", `expected ${expected}, the file has ${actual}`, {
      subject: printable(key),
    });
  }
}
