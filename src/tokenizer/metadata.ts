// Reads single values of a file's metadata with their types checked, whatever object holds them.

import { GgufError } from "../errors.js";

/** The metadata of a GGUF file: a Map, or what `openGguf` gives. */
export interface TokenizerMetadata {
  /** The value of a key; undefined where there is no such key. */
  get(key: string): unknown;
  /** Whether there is such a key. */
  has(key: string): boolean;
}

/** Strings as UTF-8, one after the other: string i is bytes[offsets[i] .. offsets[i + 1]). */
export interface StringList {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

/** uint32's -1, which converters write where a model has no such token. */
const NO_ID = 0xffffffff;

/** What `readId` gives where the file says that there is no such token. */
export const NO_TOKEN = "none";

export function readString(metadata: TokenizerMetadata, key: string): string | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === "string") return value;
  throw wrongType(key, "a string", value);
}

export function readBoolean(metadata: TokenizerMetadata, key: string): boolean | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === "boolean") return value;
  throw wrongType(key, "a boolean", value);
}

/** A token id, which may lie outside the vocabulary; NO_TOKEN where the file says that there is none. */
export function readId(metadata: TokenizerMetadata, key: string): number | typeof NO_TOKEN | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const id = typeof value === "bigint" ? Number(value) : value;
  if (typeof id !== "number") throw wrongType(key, "a token id", value);
  return id === NO_ID ? NO_TOKEN : id;
}

/** An array of strings, which may be one of `openGguf`, or what `StringList` is. */
export function readStrings(metadata: TokenizerMetadata, key: string): StringList | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item === "string")) return listOf(value);
  } else if (isStringList(value)) {
    return value;
  }
  throw wrongType(key, "an array of strings", value);
}

/** Whether a value holds its strings as bytes. */
export function isStringList(value: unknown): value is StringList {
  if (typeof value !== "object" || value === null) return false;
  const { bytes, offsets } = value as Partial<StringList>;
  return bytes instanceof Uint8Array && offsets instanceof Uint32Array && offsets.length > 0;
}

function listOf(texts: readonly string[]): StringList {
  const encoder = new TextEncoder();
  const encoded = texts.map((text) => encoder.encode(text));
  const offsets = new Uint32Array(encoded.length + 1);
  for (let i = 0; i < encoded.length; i++) offsets[i + 1] = offsets[i]! + encoded[i]!.length;
  const bytes = new Uint8Array(offsets[encoded.length]!);
  for (let i = 0; i < encoded.length; i++) bytes.set(encoded[i]!, offsets[i]);
  return { bytes, offsets };
}

/** An array of exactly `length` numbers of one of the types. */
export function readNumbers(
  metadata: TokenizerMetadata,
  key: string,
  length: number,
  types: readonly (new () => ArrayLike<number>)[],
): ArrayLike<number> | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const plain = Array.isArray(value) && value.every((item) => typeof item === "number");
  if (!plain && !types.some((type) => value instanceof type)) {
    throw wrongType(
      key,
      `an array of ${types.map((type) => type.name.replace("Array", "").toLowerCase()).join(" or ")}`,
      value,
    );
  }
  const numbers = value as ArrayLike<number>;
  if (numbers.length === length) return numbers;
  throw new GgufError("TOKENIZER_LENGTH", `${numbers.length} values for ${length} tokens`, { subject: key });
}

function wrongType(key: string, expected: string, value: unknown): GgufError {
  const found = typeof value === "object" && value !== null ? (value.constructor?.name ?? "object") : typeof value;
  return new GgufError("TOKENIZER_TYPE", `Expected ${expected}, found ${found}`, { subject: key });
}
